"""Logs: structlog, JSON lines under systemd or a pipe, pretty on a terminal; secrets masked last of all."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any, Final, TextIO

import msgspec
import structlog

MASK: Final = "***"
_sign: str = ""  # ends each line, so that relay knows its own ones when they come back through a log
_secrets: set[str] = set()  # texts that no log line may hold; a second guard behind `Secret`


def guard(secrets: Iterable[str]) -> None:
    """Never let these texts into a log line, whatever code logs them."""
    _secrets.update(text for text in secrets if len(text) >= 4)


def mask(text: str) -> str:
    """`text` with every guarded secret replaced."""
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, MASK)
    return text


def sign(name: str) -> None:
    """From now on each line says that it is by the relay of that name (random, 16 characters or so)."""
    global _sign  # noqa: PLW0603 - one log, one name
    _sign = f"relay-{name}" if name else ""


def signature() -> str:
    """What each line says now; "" where nothing was signed."""
    return _sign


def is_own(message: str, labels: Mapping[str, str], signature: str) -> bool:
    """Whether a text comes from the relay of that signature, as it was printed or wrapped by others.

    A line of its own log is signed; what a service logs of a message may hold its key: both have its name.
    """
    name = signature.removeprefix("relay-")
    return bool(name) and (name in message or any(name in value for value in labels.values()))


def _add_sign(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if _sign:
        fields["by"] = _sign
    return fields


def _mask_values(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if _secrets:
        for key, value in fields.items():
            if isinstance(value, str):
                fields[key] = mask(value)
    return fields


def _stamp(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """UTC to the millisecond; the seconds' text is remembered."""
    now = time.time()
    fields["timestamp"] = f"{_second(int(now))}.{int(now % 1 * 1000):03d}Z"
    return fields


@lru_cache(1)
def _second(at: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))


def _json(fields: MutableMapping[str, Any], **_: Any) -> str:
    return msgspec.json.encode(fields, enc_hook=str).decode("utf-8", "replace")


def configure(*, level: str = "info", stream: TextIO | None = None) -> None:
    """Set up structlog once, for the process."""
    stream = stream or sys.stderr
    pretty = stream.isatty()
    processors: list[Any] = [
        structlog.processors.add_log_level,
        _add_sign,
        _mask_values,
    ]
    if pretty:
        processors += [
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=True, pad_event_to=28),
        ]
    else:
        processors += [_stamp, structlog.processors.JSONRenderer(serializer=_json)]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
