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
_CODES: Final = (
    *("code", "error_code", "errcode", "errno", "type", "error_type", "kind"),
    *("exit_code", "signal"),
)
_HTTP_STATUS: Final = ("status", "status_code", "statuscode", "http_status", "response_code")
_PAIR: Final = re.compile(r'([A-Za-z_][\w.-]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_BEGINS_WITH_PAIR: Final = re.compile(r"\s*[A-Za-z_][\w.-]*=")
_IS_LOGFMT: Final = re.compile(r'(?:^|\s)(?:msg|message|err|error)="?\S')
_ESCAPE: Final = re.compile(r"\\(.)")
_DEEPEST: Final = 3
_NUMBER: Final = re.compile(r"-?\d+")
_HTTP_ERROR: Final = re.compile(r"[45]\d\d")


def fields_of(line: str) -> list[str] | None:
    """The texts of a JSON object or a logfmt line; None if the line is neither, or says nothing."""
    if line.startswith("{"):
        return _of_json(line)
    return _of_logfmt(line) if _BEGINS_WITH_PAIR.match(line) and _IS_LOGFMT.search(line) else None


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
    lower = _nested({str(key).lower(): value for key, value in fields.items()})
    texts: list[str] = []
    for name in _TEXTS:
        value = lower.get(name)
        if isinstance(value, str) and value:
            texts.append(value)
        elif isinstance(value, dict) and depth < _DEEPEST:
            texts += _texts(value, depth + 1)
    codes = [_code(name, lower.get(name)) for name in _CODES]
    answer = next((status for name in _HTTP_STATUS if (status := _http(lower.get(name)))), "")
    return texts + [code for code in [*codes, answer] if code]


def _nested(fields: dict[str, Any]) -> dict[str, Any]:
    """Elastic's way: `error.message` is the `message` of `error`."""
    dotted = [key for key in fields if "." in key]
    for key in dotted:
        head, _, rest = key.partition(".")
        inner = fields.get(head, {})
        if isinstance(inner, dict):
            fields[head] = {**inner, rest: fields[key]}
    return fields


def _code(name: str, value: object) -> str:
    """The code as a text; a number gets the words that say so."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not _NUMBER.fullmatch(text):
        return text
    return f"error code {text}" if name in {"code", "type", "kind"} else f"{name.replace('_', ' ')} {text}"


def _http(value: object) -> str:
    """The status of an answer that is an error, as a text."""
    text = str(value) if isinstance(value, str | int) else ""
    return f"HTTP {text}" if _HTTP_ERROR.fullmatch(text) else ""


def _unquoted(value: str) -> str:
    return _ESCAPE.sub(r"\1", value[1:-1]) if value.startswith('"') else value
