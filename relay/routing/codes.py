"""Numbers that tell problems apart: errno, SQLSTATE, HTTP status, exit status, signal, a vendor's error code.

Most numbers are data. One of these is a constant where the words before it say that it is a code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

MOST_WORDS: Final = 3  # before a number that are looked at

_WORDS_OF_CODES: Final = frozenset(
    """
    errno errcode errorcode retcode resultcode sqlstate sqlcode hresult ntstatus winerror
    signal statuscode httpstatus httpcode responsecode http exitcode exitstatus returncode code status error
    错误码 错误代码 异常码 返回码 状态码 响应码 退出码 信号
    """.split()
)
_HTTP: Final = frozenset(("statuscode", "httpstatus", "httpcode", "responsecode", "http", "状态码", "响应码"))
_EXIT: Final = frozenset(("exitcode", "exitstatus", "returncode", "退出码"))
_ALWAYS: Final = _WORDS_OF_CODES - _HTTP - _EXIT - {"code", "status", "error"}

_BEFORE_HTTP_CODE: Final = frozenset(("status", "response", "http"))
_BEFORE_EXIT_CODE: Final = frozenset(("exit", "return", "exited", "returned"))
_BEFORE_CODE: Final = frozenset(
    "error err result reason close closed abnormal failure fault fatal native vendor with sql system os".split()
)
_ENDS: Final = re.compile(r"exit|terminat|died|crash|finish|quit")

_CODE: Final = re.compile(r"-?\d{1,6}|0x[0-9a-fA-F]{1,8}|(?=[0-9A-Z]{0,4}\d)[0-9A-Z]{5}|[A-Z]{1,5}-?\d{1,6}")
# The small ones a program gives a meaning to; timeout, not executable, not found; killed by a deadly signal; ssh's own.
_TELLING_EXIT: Final = re.compile(r"-\d+|[1-9]|12[4-7]|13[4-79]|255")
_TELLING_HTTP: Final = re.compile(r"([45])\d\d")

# In any of the words above, however they are written.
_HINTS: Final = (
    *("ode", "ODE", "tatus", "TATUS", "errno", "Errno", "ERRNO", "ignal", "SIGNAL", "HTTP", "http", "Http"),
    *("sql", "Sql", "SQL", "HRESULT", "hresult", "HResult", "inerror", "inError", "WINERROR"),
)


def may_hold_code(text: str) -> bool:
    """Whether a number in the ASCII text may be a code; a quick look that errs on the side of yes."""
    return any([hint in text for hint in _HINTS])


def announces_code(word: str) -> bool:
    """Whether the word may say that the number after it is a code."""
    return _plain(word) in _WORDS_OF_CODES


def code_after(words: Sequence[str], number: str) -> str:
    """The number as it stands in the key, if the words before it make it a code; else empty.

    Of HTTP only the class of an error is kept (`5xx`); of exit statuses those that mean the same everywhere, and
    the small ones.
    """
    if not words or _CODE.fullmatch(number) is None:
        return ""
    last = _plain(words[-1])
    if last not in _WORDS_OF_CODES:
        return ""
    before = words[-2].lower() if len(words) > 1 else ""
    if last in _ALWAYS:
        return number
    if last in _HTTP or (last in {"code", "status"} and before in _BEFORE_HTTP_CODE) or (last, before) == ("error", "http"):
        found = _TELLING_HTTP.fullmatch(number)
        return f"{found[1]}xx" if found else ""
    if last == "error":
        return ""
    ended = len(words) > 2 and before == "with" and _ENDS.match(words[-3].lower())
    if last in _EXIT or before in _BEFORE_EXIT_CODE or ended:
        return number if _TELLING_EXIT.fullmatch(number) else ""
    return number if last == "code" and before in _BEFORE_CODE else ""


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")
