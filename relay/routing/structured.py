"""JSON and logfmt lines: only the fields that say what happened, in a fixed order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

# What loggers call the text, and what they call its cause.
_TEXTS: Final = (
    *("message", "msg", "text", "event"),
    *("error", "err", "exception", "exc_info", "stack", "reason", "cause"),
)
_CODES: Final = ("code", "error_code", "errcode", "type", "error_type", "kind")
_PAIR: Final = re.compile(r'([A-Za-z_][\w.-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_IS_LOGFMT: Final = re.compile(r'(?:^|\s)(?:msg|message|err|error)="?\S')
_ESCAPE: Final = re.compile(r"\\(.)")
_DEEPEST: Final = 3


def fields_of(line: str) -> list[str] | None:
    """The texts of a JSON object or a logfmt line; None if the line is neither, or says nothing."""
    if line.startswith("{"):
        return _of_json(line)
    return _of_logfmt(line) if "=" in line and _IS_LOGFMT.search(line) else None


def _of_json(line: str) -> list[str] | None:
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    return (_texts(found) or sorted(found)) if isinstance(found, dict) else None


def _of_logfmt(line: str) -> list[str] | None:
    found = {key.lower(): _unquoted(value) for key, value in _PAIR.findall(line)}
    return _texts(found) or None


def _texts(fields: Mapping[str, Any], depth: int = 0) -> list[str]:
    lower = {str(key).lower(): value for key, value in fields.items()}
    texts: list[str] = []
    for name in _TEXTS:
        value = lower.get(name)
        if isinstance(value, str) and value:
            texts.append(value)
        elif isinstance(value, dict) and depth < _DEEPEST:
            texts += _texts(value, depth + 1)
    codes = [lower.get(name) for name in _CODES]
    return texts + [str(code) for code in codes if isinstance(code, str | int) and code != ""]


def _unquoted(value: str) -> str:
    return _ESCAPE.sub(r"\1", value[1:-1]) if value.startswith('"') else value
