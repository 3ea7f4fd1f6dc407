"""Bytes to events, for one content: lines, joined, and those parsed that some rule may want.

Many bytes at once are scanned as a block, and only the events near a hit are looked at line by line; the
lines at the edges of a block always are. A line with a header begins an event whatever came before it, so
that an event far inside a block is joined just as if every line had been read.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Final

from relay.config.schema import TailSource
from relay.models import Event
from relay.sources.lines import Lines, RawEvent, Script, readable
from relay.sources.multiline import Joiner
from relay.sources.parse import Parser
from relay.sources.scan.sieve import Sieve

BLOCK: Final = 256  # bytes from which on a block is worth it
_NEWLINE: Final = b"\n"


class Reader:
    """One content's lines and the event that is pending."""

    def __init__(self, settings: TailSource, parser: Parser, first: bytes, offset: int) -> None:
        script = Script.of(settings.encoding, first)
        self._lines = Lines(script, settings.max_line, offset)
        self._joiner = Joiner(readable(settings))
        self._parser = parser

    @property
    def read(self) -> int:
        """Offset of the next byte to feed."""
        return self._lines.read

    @property
    def safe(self) -> int:
        """Offset that may be saved: before it, everything was handed over."""
        pending = self._joiner.pending_offset
        return self._lines.start if pending is None else pending

    @property
    def due(self) -> float | None:
        """When `flush` must be called, in monotonic time; None: not at all."""
        return self._joiner.due()

    def feed(self, data: bytes, path: str, now: float, monotonic: float, sieve: Sieve | None) -> list[Event]:
        """The events that these next bytes complete; with a sieve, only those that it lets through."""
        if sieve is None or self._lines.wide or len(data) < BLOCK:
            raws = self._by_line(data, monotonic, sieve)
        else:
            raws = self._by_block(data, monotonic, sieve)
        event = self._parser.event
        return [event(raw, path, now) for raw in raws]

    def flush(self, path: str, now: float, sieve: Sieve | None) -> list[Event]:
        """The pending event: nothing more came."""
        raw = self._joiner.flush()
        return [self._parser.event(raw, path, now)] if raw is not None and _wanted(raw, sieve) else []

    def finish(self, path: str, now: float, monotonic: float, sieve: Sieve | None) -> list[Event]:
        """What is left at the end of the content, an unfinished line too."""
        line = self._lines.finish()
        raws = [] if line is None else self._joiner.feed(line, monotonic)
        events = [self._parser.event(raw, path, now) for raw in raws if _wanted(raw, sieve)]
        return events + self.flush(path, now, sieve)

    # --- line by line ---

    def _by_line(self, data: bytes, monotonic: float, sieve: Sieve | None) -> Iterator[RawEvent]:
        feed = self._joiner.feed
        for line in self._lines.feed(data):
            for raw in feed(line, monotonic):
                if sieve is None or _wanted(raw, sieve):
                    yield raw

    # --- by block ---

    def _by_block(self, data: bytes, monotonic: float, sieve: Sieve) -> Iterator[RawEvent]:
        base, end = self._lines.read, data.rfind(_NEWLINE) + 1
        at = 0
        if self._lines.unfinished or self._joiner.holds:
            at = yield from self._until_known(data, end, monotonic, sieve)
        if at < end:
            block = data[at:end] if at else data[:end]
            places = sieve.places(block)
            self._lines.seek(base + at)
            if places is None:
                yield from self._by_line(block, monotonic, sieve)
            elif self._joiner.holds:
                yield from self._joined(block, base + at, places, monotonic, sieve)
            else:
                yield from self._single(block, base + at, places, monotonic)
            self._lines.seek(base + end)
        self._lines.feed(data[end:])

    def _until_known(
        self, data: bytes, end: int, monotonic: float, sieve: Sieve
    ) -> Generator[RawEvent, None, int]:
        """Line by line to where a line begins whatever came before; returns its place, or `end`."""
        base, at = self._lines.read, 0
        while at < end:
            stop = data.index(_NEWLINE, at) + 1
            yield from self._by_line(data[at:stop], monotonic, sieve)
            if not self._joiner.holds:
                return stop
            if self._joiner.headed and self._joiner.pending_offset == base + at:
                self._joiner.forget()
                return at
            at = stop
        return end

    def _single(self, block: bytes, base: int, places: list[int], monotonic: float) -> Iterator[RawEvent]:
        """The wanted lines of a block in which each line is an event."""
        lines, feed, done = self._lines, self._joiner.feed, 0
        for place in self._with_long_lines(block, places):
            if place <= done:
                continue
            start = block.rfind(_NEWLINE, done, place - 1) + 1 or done
            done = block.index(_NEWLINE, place - 1) + 1
            yield from feed(lines.alone(block[start:done], base + start), monotonic)

    def _joined(
        self, block: bytes, base: int, places: list[int], monotonic: float, sieve: Sieve
    ) -> Iterator[RawEvent]:
        """The wanted events of a block that begins with a header; its last event stays pending."""
        done = 0
        for place in self._with_long_lines(block, places):
            if place <= done:
                continue
            start = self._start_of(block, done, place)
            done = yield from self._event_at(block, base, start, place, monotonic)
        if done < len(block):
            start = self._start_of(block, done, len(block))
            self._lines.seek(base + start)
            yield from self._by_line(block[start:], monotonic, sieve)

    def _start_of(self, block: bytes, done: int, place: int) -> int:
        """Where the event begins, or one before it, that holds the byte before `place`; at least `done`."""
        start = block.rfind(_NEWLINE, done, place - 1) + 1 or done
        stop = block.find(_NEWLINE, place - 1)
        while start > done:
            before = block.rfind(_NEWLINE, done, start - 1) + 1 or done
            if self._joiner.begins(block[start:stop], block[before : start - 1]):
                break
            start, stop = before, start - 1
        return start

    def _event_at(
        self, block: bytes, base: int, start: int, place: int, monotonic: float
    ) -> Generator[RawEvent, None, int]:
        """The event that holds the byte before `place`, read from `start`; returns where the next begins."""
        lines, joiner, at = self._lines, self._joiner, start
        while at < len(block):
            stop = block.index(_NEWLINE, at) + 1
            for raw in joiner.feed(lines.alone(block[at:stop], base + at), monotonic):
                if raw.end >= base + place:
                    yield raw
            if at >= place and joiner.headed and joiner.pending_offset == base + at:
                joiner.forget()
                return at
            at = stop
        return at

    def _with_long_lines(self, block: bytes, places: list[int]) -> list[int]:
        """The places, and one in each line that must be cut: its text isn't what its bytes are."""
        most, at, long = self._lines.most, 0, []
        while at + most < len(block):
            newline = block.rfind(_NEWLINE, at, at + most + 1)
            if newline < 0:
                newline = block.index(_NEWLINE, at + most)
                long.append(newline + 1)
            at = newline + 1
        return sorted(places + long) if long else places


def _wanted(raw: RawEvent, sieve: Sieve | None) -> bool:
    if sieve is None or raw.cut or not raw.headed:
        return True
    data = raw.lines[0] if len(raw.lines) == 1 else _NEWLINE.join(raw.lines)
    return sieve.wants(data + _NEWLINE)
