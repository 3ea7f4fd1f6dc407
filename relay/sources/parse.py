"""Raw events to events: decoded, cleaned, read by format; the settings say what the text doesn't."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

import re2
from msgspec.structs import replace

from relay.config.schema import TailSource
from relay.models import Event, Level
from relay.sources.fields import Reading, as_labels, level_of, time_of
from relay.sources.lines import RawEvent
from relay.sources.shapes import read_java, read_nginx, read_plain, read_python
from relay.sources.structured import read_json, read_logfmt
from relay.sources.syslog import read_syslog
from relay.text import clean, one_line

Reader = Callable[[str, float], Reading | None]
"""A format: what it makes of a cleaned text at relay's time; None if the text isn't of that format."""

READERS: Final[dict[str, Reader]] = {
    "json": read_json,
    "syslog": read_syslog,
    "nginx": read_nginx,
    "python": read_python,
    "java": read_java,
    "logfmt": read_logfmt,
    "plain": read_plain,
}

# What rotation and dates add to a file's name: app.log.1, app.log-20260301.gz, app-2026-03-01.log.
_ADDED: Final = re.compile(r"(?:[-_.]\d{4}-?\d\d-?\d\d(?:-\d+)?|\.(?:\d+|old|gz|bz2|xz|zst))+(?=\.\w+$|$)")


class Parser:
    """Makes the events of one tailed source."""

    def __init__(self, source: str, settings: TailSource) -> None:
        """Raises LookupError for an unknown encoding, `re2.error` for a pattern that RE2 refuses."""
        self._source = source
        self._settings = settings
        self._level = Level.ERROR if settings.level is None else settings.level
        self._reader = reader_of(settings)
        "".encode(settings.encoding)

    def event(self, raw: RawEvent, path: str, now: float) -> Event:
        """The event that these lines of that file are."""
        data = raw.lines[0] if len(raw.lines) == 1 else b"\n".join(raw.lines)
        text = data.decode(self._settings.encoding, "replace")
        reading = self.read(text, now) or read_plain(clean(text), now)
        event = self.complete(reading, path, now, f"{clean(path)}:{raw.offset}")
        if raw.cut:
            return replace(event, message=f"{event.message} … [{raw.cut} bytes cut]")
        return event

    def read(self, text: str, now: float) -> Reading | None:
        """What the source's format makes of a text; None if it isn't of that format."""
        # JSON is cleaned member by member: a control shown as an escape would break it.
        return self._reader(text if self._settings.format == "json" else clean(text), now)

    def complete(self, reading: Reading, path: str, now: float, origin: str = "") -> Event:
        """An event of what was read; the settings and the file's name tell what the text didn't."""
        return Event(
            time=now if reading.time is None else reading.time,
            source=self._source,
            module=reading.module or self._settings.module or module_of(path),
            level=self._level if reading.level is None else reading.level,
            message=reading.message.rstrip(),
            labels=reading.labels | self._settings.labels if self._settings.labels else reading.labels,
            origin=origin,
        )


def guess(line: str, source: str, settings: Sequence[tuple[str, TailSource]], now: float) -> Event:
    """The event that a pasted line makes: read by the given sources, else by whatever format finds most.

    `source` is the event's source, and its format comes first; empty: the source whose format knew the line.
    """
    text = line.rstrip("\n")
    for name, tail in sorted(settings, key=lambda each: each[0] != source):
        if tail.format == "plain":
            continue
        parser = Parser(source or name, tail)
        if reading := parser.read(text, now):
            return parser.complete(reading, tail.tail[0], now)
    readings = [reading for read in READERS.values() if (reading := read(clean(text), now))]
    tail = dict(settings).get(source, TailSource(tail=("",)))
    return Parser(source, tail).complete(max(readings, key=_told), tail.tail[0], now)


def _told(reading: Reading) -> int:
    """How much a format found in a text."""
    return (reading.level is not None) + (reading.time is not None) + bool(reading.module)


@lru_cache(maxsize=4096)
def module_of(path: str) -> str:
    """A file's base name without its ends, the rotation's number or date among them; "" for a glob."""
    name = os.path.basename(path)  # noqa: PTH119 - on the path of every line; pathlib costs 2 us
    stem, _ = os.path.splitext(_ADDED.sub("", name))  # noqa: PTH122 - as above
    return "" if set(stem) & set("*?[") else one_line(stem)


def reader_of(settings: TailSource) -> Reader:
    """The reader of a source's format."""
    return pattern_reader(settings.pattern) if settings.format == "regex" else READERS[settings.format]


@lru_cache(maxsize=64)
def pattern_reader(pattern: str) -> Reader:
    """A format of one's own: RE2 with groups `time`, `level`, `module`, `message`; others become labels.

    The pattern is searched in the first line; the lines after it belong to the message. Without a `message`
    group the message is the whole text.
    """
    options = re2.Options()
    options.log_errors = False
    search = re2.compile(pattern, options).search

    def read(text: str, now: float) -> Reading | None:
        first, newline, rest = text.partition("\n")
        found = search(first)
        if not found:
            return None
        parts = {name: part for name, part in found.groupdict().items() if part is not None}
        return Reading(
            message=parts.pop("message", first) + newline + rest,
            time=time_of(parts.pop("time", ""), now),
            level=level_of("level", parts.pop("level", "")),
            module=one_line(parts.pop("module", "")),
            labels=as_labels(parts),
        )

    return read
