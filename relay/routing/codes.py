"""Numbers that tell problems apart: errno, SQLSTATE, HTTP status, exit status, signal, a vendor's error code.

Most numbers are data. One of these is a constant where the words before it say that it is a code.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from typing import Final

from relay.routing.lexicon import CODES, EXIT_STATUS, HTTP_STATUS, NO_CODES

MOST_WORDS: Final = 3  # before a number that are looked at

_WORDS: Final = CODES | HTTP_STATUS | EXIT_STATUS | {"code", "status", "error"}
_ENDED: Final = re.compile(r"exit|terminat|died|crash|finish|quit")


def announces_code(word: str) -> bool:
    """Whether the word may say that the number after it is a code."""
    return _plain(word) in _WORDS


class Kind(enum.Enum):
    """What numbers of which codes are kept."""

    ANY = re.compile(r"-?\d{1,6}|0x[0-9a-fA-F]{1,8}|(?=[0-9A-Z]{0,4}\d)[0-9A-Z]{5}|[A-Z]{1,5}-?\d{1,6}")
    HTTP = re.compile(r"([45])\d\d")  # an error, of which the class is kept
    # What programs give a meaning to: the small ones; timeout, not executable, not found; killed by a deadly
    # signal; ssh's own.
    EXIT = re.compile(r"-\d+|[1-9]|12[4-7]|13[4-79]|255")


_LENGTHS: Final = {Kind.HTTP: re.compile(r"\d{3}"), Kind.EXIT: re.compile(r"-\d+|\d{1,3}")}


def kind_after(words: Sequence[str]) -> Kind | None:
    """The kind of code that the words say a number after them is; None if they don't."""
    last, before, first = (_plain(word) for word in (*reversed(words), "", "", "")[:3])
    if last in CODES:
        return Kind.ANY
    if last in HTTP_STATUS or (last in {"code", "status", "error"} and _is_http(before, last)):
        return Kind.HTTP
    ended = before in {"exit", "return", "exited", "returned"} or (before == "with" and _ENDED.match(first))
    if last in EXIT_STATUS or (last in {"code", "status"} and ended):
        return Kind.EXIT
    return Kind.ANY if last == "code" and before not in NO_CODES else None


def may_be(kind: Kind, number: str) -> bool:
    """Whether the number would be such a code if its digits were others."""
    return (_LENGTHS.get(kind) or kind.value).fullmatch(number) is not None


def code_of(kind: Kind, number: str) -> str:
    """The number as it stands in the key if it is a code of that kind; else empty."""
    found = kind.value.fullmatch(number)
    if found is None:
        return ""
    return f"{found[1]}xx" if kind is Kind.HTTP else number


def _is_http(before: str, last: str) -> bool:
    return before == "http" or (last != "error" and before in {"status", "response"})


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")
