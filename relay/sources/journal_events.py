"""Entries to events, in order: lines of a service's output that belong together become one event.

A position covers all before it, so nothing is handed over while lines still wait for more: either all
streams are whole, or what is held gets old and is handed over as it is.
"""

from __future__ import annotations

import math
from typing import Final

from msgspec import Struct, field

from relay.models import Event
from relay.sources.journal_entry import Entry, EntryReader, Own
from relay.sources.lines import RawEvent, RawLine
from relay.sources.multiline import Joiner

HOLD: Final = 0.5  # seconds that one stream's unfinished event may hold back the others
MOST_HELD: Final = 2000  # events held back
MOST_STREAMS: Final = 1000


class Stream(Struct):
    """The output of one process."""

    joiner: Joiner
    lines: int = 0  # entries so far
    first: dict[int, Entry] = field(default_factory=dict)  # by line number: those not made events yet


class EntryEvents:
    """Collects events until they may be handed over together."""

    def __init__(self, reader: EntryReader, own: Own) -> None:
        self.skipped = 0  # entries of relay itself
        self._reader = reader
        self._own = own
        self._streams: dict[str, Stream] = {}
        self._held: list[Event] = []
        self._size = 0
        self._since = math.inf  # monotonic time of the eldest that is held or pending

    def take(self, entry: Entry, now: float, monotonic: float) -> None:
        """One more entry."""
        if self._own.wrote(entry):
            self.skipped += 1
            return
        if not self._reader.wants(entry):
            return
        self._since = min(self._since, monotonic)
        self._size += len(entry.message)
        if not entry.printed:
            if entry.message.strip():
                self._held.append(self._reader.event(entry, [entry.message], entry.cut, now))
            return
        stream = self._streams.setdefault(entry.stream, Stream(Joiner(self._reader.lines)))
        number = stream.lines
        stream.lines += 1
        stream.first[number] = entry
        for raw in stream.joiner.feed(RawLine(entry.message, number, number + 1, entry.cut), monotonic):
            self._add(stream, raw, now)
        if stream.joiner.pending_offset is None:
            stream.first.clear()

    def due(self) -> float:
        """The monotonic time at which to ask `handed` again; infinite if nothing waits."""
        dues = [due for each in self._streams.values() if (due := each.joiner.due()) is not None]
        return min([*dues, self._since + HOLD]) if dues else math.inf

    def handed(self, now: float, monotonic: float) -> tuple[list[Event], int] | None:
        """All events so far with the bytes they came of; None while some are still unfinished."""
        old = monotonic >= self._since + HOLD or len(self._held) >= MOST_HELD
        for stream in self._streams.values():
            due = stream.joiner.due()
            if due is not None and (old or due <= monotonic) and (raw := stream.joiner.flush()):
                self._add(stream, raw, now)
        if any(stream.joiner.pending_offset is not None for stream in self._streams.values()):
            return None
        if len(self._streams) > MOST_STREAMS:
            self._streams.clear()
        events, size = self._held, self._size
        self._held, self._size, self._since = [], 0, math.inf
        return events, size

    def _add(self, stream: Stream, raw: RawEvent, now: float) -> None:
        self._held.append(self._reader.event(stream.first[raw.offset], raw.lines, raw.cut, now))
        for number in range(raw.offset, raw.end):
            stream.first.pop(number, None)
