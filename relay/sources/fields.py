"""Structured events: which member is the message, the level, the time, the module; the rest become labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from relay.models import Level
from relay.sources.times import from_number, parse_time, sane
from relay.text import clean, one_line

MAX_LABELS: Final = 32  # of one event
MAX_NAME: Final = 64  # characters of a label's name
MAX_VALUE: Final = 1024  # characters of a label's value
_MAX_DEPTH: Final = 6  # members nested deeper are kept as JSON text

# Names in order of preference, as logging libraries write them (logstash, ECS, GELF, bunyan, pino, zap,
# zerolog, slog, structlog, python-json-logger). Nested members are joined with dots.
_MESSAGE: Final = (
    *("message", "msg", "short_message", "text", "log", "body", "event"),
    *("error.message", "err.message", "exception.message", "error", "err"),
)
_LEVEL: Final = ("level", "levelname", "severity", "log.level", "lvl", "loglevel", "log_level", "levelno")
_TIME: Final = ("time", "timestamp", "@timestamp", "ts", "datetime", "asctime", "date", "t")
_MODULE: Final = (
    *("module", "logger", "logger_name", "loggerName", "log.logger", "name"),
    *("component", "service", "service.name", "app"),
)
_TRACE: Final = (
    *("stack_trace", "stacktrace", "exc_info", "exception", "traceback", "error.stack_trace", "error.stack"),
    *("err.stack", "exception.stacktrace", "stack", "full_message"),
)

# RFC 5424 section 6.2.1: severity 0 emergency ... 7 debug.
SEVERITIES: Final = (
    *(Level.CRITICAL, Level.CRITICAL, Level.CRITICAL, Level.ERROR),
    *(Level.WARNING, Level.NOTICE, Level.INFO, Level.DEBUG),
)
# The numbers of bunyan and pino: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal.
_PINO: Final = {
    10: Level.DEBUG,
    20: Level.DEBUG,
    30: Level.INFO,
    40: Level.WARNING,
    50: Level.ERROR,
    60: Level.CRITICAL,
}


class Reading(Struct, kw_only=True):
    """What a format makes of a text; what the text doesn't say is None or empty."""

    message: str
    time: float | None = None
    level: Level | None = None
    module: str = ""
    labels: dict[str, str] = field(default_factory=dict)


def scalar(value: object) -> str | None:
    """A member's value as a label shows it; None for one that says nothing (null)."""
    if isinstance(value, str):
        return value
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return msgspec.json.encode(value).decode()


def flatten(members: Mapping[str, Any], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """The members with nested ones named `outer.inner`."""
    flat: dict[str, Any] = {}
    for name, value in members.items():
        if isinstance(value, dict) and value and depth < _MAX_DEPTH:
            flat |= flatten(value, f"{prefix}{name}.", depth + 1)
        else:
            flat[prefix + name] = value
    return flat


def as_labels(members: Mapping[str, Any]) -> dict[str, str]:
    """Labels of flat members: cleaned, the first `MAX_LABELS` of them, long names and values cut."""
    labels: dict[str, str] = {}
    for name, value in members.items():
        text = value if isinstance(value, str) else scalar(value)
        if text is not None and name:
            labels[one_line(name, MAX_NAME)] = label_value(text)
            if len(labels) >= MAX_LABELS:
                break
    return labels


def label_value(text: str) -> str:
    """A label's value as it may be stored and shown."""
    if not text.isprintable():
        text = clean(text)
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"


def level_of(name: str, value: object) -> Level | None:
    """The level of a member: a word, a syslog severity (0-7), pino's 10-60, or Python's `levelno`."""
    if isinstance(value, str):
        found = Level.of(value.strip())
        if found is not None or not value.isdigit():
            return found
        value = int(value) if len(value) < 3 else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    if 0 <= value <= 7:
        return SEVERITIES[value]
    if name == "levelno":
        return max((level for level in Level if level <= value), default=Level.DEBUG)
    return _PINO.get(value)


def time_of(value: object, now: float) -> float | None:
    """The time of a member: a number (s, ms, us, ns) or a text that `parse_time` reads; None if absurd."""
    if isinstance(value, str):
        return parse_time(value, now)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    at = from_number(value)
    return at if sane(at, now) else None


def read_members(members: Mapping[str, Any], now: float, otherwise: str = "") -> Reading | None:
    """The event that a structured line holds; without a message, `otherwise` is it, or there is none."""
    flat = flatten(members)
    trace = _take_text(flat, _TRACE)
    message = _take_text(flat, _MESSAGE) or trace or otherwise
    if not message:
        return None
    if trace and trace != message:
        message = f"{message.rstrip()}\n{trace}"
    reading = Reading(message=message, module=one_line(_take_text(flat, _MODULE)))
    for name in _LEVEL:
        if name in flat and (level := level_of(name, flat[name])) is not None:
            reading.level = level
            del flat[name]
            break
    for name in _TIME:
        if name in flat and (at := time_of(flat[name], now)) is not None:
            reading.time = at
            del flat[name]
            break
    reading.labels = as_labels(flat)
    return reading


def _take_text(flat: dict[str, Any], names: Iterable[str]) -> str:
    """The first of these members that holds text, taken out."""
    for name in names:
        value = flat.get(name)
        if isinstance(value, str) and value:
            del flat[name]
            return clean(value)
    return ""
