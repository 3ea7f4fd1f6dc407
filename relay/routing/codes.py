"""Numbers that tell problems apart: errno, SQLSTATE, HTTP status, exit status, signal, a vendor's error code.

Most numbers are data. One of these is a constant where the words before it say that it is a code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from relay.routing.lexicon import CODES, EXIT_STATUS, HTTP_STATUS, NO_CODES

MOST_WORDS: Final = 3  # before a number that are looked at

_WORDS: Final = CODES | HTTP_STATUS | EXIT_STATUS | {"code", "status", "error"}
_CODE: Final = re.compile(r"-?\d{1,6}|0x[0-9a-fA-F]{1,8}|(?=[0-9A-Z]{0,4}\d)[0-9A-Z]{5}|[A-Z]{1,5}-?\d{1,6}")
# What programs give a meaning to: the small ones; timeout, not executable, not found; killed by a deadly
# signal; ssh's own.
_TELLING_EXIT: Final = re.compile(r"-\d+|[1-9]|12[4-7]|13[4-79]|255")
_TELLING_HTTP: Final = re.compile(r"([45])\d\d")
_ENDED: Final = re.compile(r"exit|terminat|died|crash|finish|quit")


def announces_code(word: str) -> bool:
    """Whether the word may say that the number after it is a code."""
    return _plain(word) in _WORDS


def code_after(words: Sequence[str], number: str) -> str:
    """The number as it stands in the key, if the words before it make it a code; else empty.

    Of HTTP only the class of an error is kept (`5xx`); of exit statuses those that mean the same everywhere,
    and the small ones.
    """
    if not words or _CODE.fullmatch(number) is None:
        return ""
    last, before, first = (_plain(word) for word in (*reversed(words), "", "")[:3])
    if last in CODES:
        return number
    if last in HTTP_STATUS or (last in {"code", "status", "error"} and _is_http(before, last)):
        found = _TELLING_HTTP.fullmatch(number)
        return f"{found[1]}xx" if found else ""
    if last not in EXIT_STATUS | {"code", "status"}:
        return ""
    ended = before in {"exit", "return", "exited", "returned"} or (before == "with" and _ENDED.match(first))
    if last in EXIT_STATUS or ended:
        return number if _TELLING_EXIT.fullmatch(number) else ""
    return number if last == "code" and before not in NO_CODES else ""


def _is_http(before: str, last: str) -> bool:
    return before == "http" or (last != "error" and before in {"status", "response"})


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")
