"""Reading, in turns: a slice of one generation, then of the next, so that no file makes the others wait."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from typing import Final

import structlog

from relay.clock import Clock
from relay.config.schema import TailSource
from relay.models import Position
from relay.sources.content import SLICE, Content, Packed, packed
from relay.sources.generation import Generation
from relay.sources.handover import Handover
from relay.sources.identity import shown
from relay.sources.kinship import is_at
from relay.sources.lines import Script
from relay.sources.parse import Parser, module_of
from relay.sources.position import Mark
from relay.sources.register import Register
from relay.sources.scan.sieve import Sieve, Sieves
from relay.sources.succession import Succession
from relay.sources.trouble import Trouble, Troubles

log = structlog.get_logger()

LEAST: Final = 16 * 1024  # bytes read at once: some hundred lines, if every one of them is looked at
MOST: Final = 1024 * 1024  # bytes read at once where nearly none of them matter
TURN: Final = 0.002  # seconds that a turn should take
OPEN: Final = 256  # files open at once, about
GRACE: Final = 3.0  # seconds without a byte after which a rotated file's writer is taken to have left it
IDLE: Final = 10.0  # seconds without a byte after which a file is closed

_TOO_MANY: Final = frozenset({errno.EMFILE, errno.ENFILE})
_CHANGED: Final = frozenset(
    {errno.ENOENT, errno.ESTALE, errno.ELOOP, errno.EINVAL, errno.ENXIO, errno.ENOTDIR}
)


class Turns:
    """Who reads next, which files are open, and what time brings for them."""

    def __init__(
        self,
        settings: TailSource,
        parser: Parser,
        clock: Clock,
        *,
        ready: dict[Generation, None],
        register: Register,
        succession: Succession,
        handover: Handover,
        troubles: Troubles,
    ) -> None:
        self._settings = settings
        self._parser = parser
        self.sieves: Sieves | None = (
            None  # assigned at the start and by a reload; None: every event is wanted
        )
        self._size = LEAST  # bytes to read at once: they adapt to what a turn takes
        self._clock = clock
        self._ready = ready
        self._register = register
        self._succession = succession
        self._handover = handover
        self._troubles = troubles
        self._open: dict[Generation, None] = {}  # least recently used first
        self._leaving: dict[Generation, None] = {}  # rotated, read to the end; the writer may still be there
        self._due: dict[Generation, float] = {}  # when a pending event is to be flushed, in monotonic time

    @property
    def open_files(self) -> int:
        """Descriptors held."""
        return len(self._open)

    def note(self, generation: Generation, found: os.stat_result) -> bool:
        """Its inode is at its place. It gets a turn if it has changed; False if it is another file by now."""
        generation.noticed = (found.st_size, found.st_mtime_ns)
        if generation.noticed == generation.seen and not generation.kin_changed:
            generation.verify(self._clock.now())
        elif not (generation.exhausted and packed(generation.place)):
            self._ready[generation] = None
        elif is_at(generation, generation.place, follow=False):  # nobody writes to a compressed file
            generation.verify(self._clock.now())
        else:
            return False
        return True

    def begin_at_end(self, generation: Generation, size: int) -> None:
        """Skip what it holds, but for the line that is being written."""
        content = self._opened(generation)
        if content is None:
            return
        last = content.read(max(0, size - SLICE), min(size, SLICE))
        offset = size
        if not Script.of(self._settings.encoding).wide and (b"\n" in last or len(last) == size):
            offset -= len(last) - (last.rfind(b"\n") + 1)
        generation.mark = Mark.at(content, offset, generation.mark.head)
        self._handover.owe(generation)

    async def take(self) -> None:
        """The turn of the one that has waited longest."""
        generation = next(iter(self._ready))
        del self._ready[generation]
        try:
            await self._turn(generation)
        except OSError as error:
            self._fail(generation, error)
        await self._handover.room()
        if self._ready:
            await asyncio.sleep(0)

    def tick(self) -> None:
        """Flush and finish what it is time for; hand over positions that have waited."""
        now = self._clock.monotonic()
        for generation in [each for each, due in self._due.items() if due <= now]:
            self._flush(generation)
        for generation in list(self._leaving):
            if generation not in self._ready and now >= _left_at(generation):
                self._leave(generation)
        if now >= self._handover.due:
            self._handover.pay()

    def close_idle(self) -> None:
        """Close files that haven't been written to for a while."""
        now = self._clock.monotonic()
        for generation in list(self._open):
            if now - generation.quiet_since >= IDLE and generation not in self._ready:
                self._close(generation)

    def next_time(self) -> float:
        """When `tick` has something to do, in monotonic time."""
        leaving = (_left_at(each) for each in self._leaving)
        return min([self._handover.due, *self._due.values(), *leaving])

    def forget(self, generation: Generation, *, unless: Callable[[str], bool]) -> None:
        """A file that was rotated long ago is of no more interest, unless a pattern names its new place."""
        if unless(generation.place):
            return
        self._shut(generation)
        self._leaving.pop(generation, None)
        self._register.drop(generation)

    def close(self) -> None:
        """Let go of all files."""
        for generation in [*self._open, *self._register.files.values()]:
            if generation.content is not None:
                generation.content.close()
                generation.content = None
        self._open.clear()

    # --- one turn ---

    async def _turn(self, generation: Generation) -> None:
        if generation.after is not None:
            return  # it is called when that one is exhausted
        if generation.exhausted and packed(generation.place):
            self._handover.owe(generation)
            return
        if not generation.reachable:
            self._finish(generation)
            return
        content = self._opened(generation)
        if content is None:
            return
        if generation.kin_changed and await self._succession.compare(generation, content):
            return
        if not generation.intact():
            await self._succession.replaced(generation)
            return
        generation.verify(self._clock.now())
        await content.advance(generation.read)
        size, began = self._size, self._clock.monotonic()
        data = content.read(generation.read, size)
        if data:
            self._feed(generation, data)
            self._adapt(size, len(data), self._clock.monotonic() - began)
        if len(data) == size:
            self._ready[generation] = None
        else:
            self._at_end(generation, content)

    def _feed(self, generation: Generation, data: bytes) -> None:
        """Bytes to events to the intake; no await in between, so a position never lies."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        generation.quiet_since, generation.exhausted = monotonic, False
        reader = generation.reading(self._settings, self._parser)
        path = shown(generation.path)
        events = reader.feed(data, path, now, monotonic, self._sieve(path))
        self._handover.progress(generation, events)
        self._schedule(generation)

    def _adapt(self, size: int, read: int, took: float) -> None:
        """The next turn's size, by what this one took."""
        if took > TURN:
            self._size = max(LEAST, size // 2)
        elif read == size and took < TURN / 3:
            self._size = min(MOST, size * 2)

    def _sieve(self, path: str) -> Sieve | None:
        """What tells which events of that file are wanted; None: all of them."""
        return self.sieves.of_module(self._settings.module or module_of(path)) if self.sieves else None

    def _at_end(self, generation: Generation, content: Content) -> None:
        """There is nothing more to read now."""
        if generation.moved_at is None:
            self._handover.owe(generation)
            self._let_go(generation)
        elif generation.row != generation.id or isinstance(content, Packed):
            self._finish(generation)  # nobody writes to a copy of a log's past
        else:
            self._release(generation)
            self._leaving[generation] = None
            self._handover.owe(generation)

    def _flush(self, generation: Generation) -> None:
        """The pending event has waited long enough for another line."""
        reader = generation.reader
        path = shown(generation.path)
        events = reader.flush(path, self._clock.now(), self._sieve(path)) if reader else []
        self._handover.progress(generation, events)
        self._schedule(generation)

    def _schedule(self, generation: Generation) -> None:
        due = generation.reader.due if generation.reader else None
        if due is None:
            self._due.pop(generation, None)
        else:
            self._due[generation] = due

    # --- the end of a generation ---

    def _leave(self, generation: Generation) -> None:
        """A rotated file has been quiet for a while: it is over, unless it was written to after all."""
        del self._leaving[generation]
        content = generation.content
        if content is not None and content.reaches(generation.read + 1):
            self._ready[generation] = None
            return
        self._finish(generation)
        self._shut(generation)
        if not generation.place:
            self._register.drop(generation)

    def _finish(self, generation: Generation) -> None:
        """It has no more bytes: hand over what was unfinished, and let the next one go."""
        monotonic, path = self._clock.monotonic(), shown(generation.path)
        reader = generation.reader
        events = reader.finish(path, self._clock.now(), monotonic, self._sieve(path)) if reader else []
        generation.settle()
        self._due.pop(generation, None)
        positions = self._last_positions(generation)
        if events or positions:
            self._handover.give(events, positions)
        self._tell_damage(generation)
        self._release(generation)

    def _last_positions(self, generation: Generation) -> list[Position]:
        """What is to be saved with a generation's last event.

        The rest of a truncated file was read from a copy, in the file's name. From now on the copy stands for
        itself; and the file for its next generation, if that is what comes now. If others come first, the
        file's position stays where it is: that is how they are found again after a crash.
        """
        heir = generation.then
        if heir is None or heir.row != generation.row or self._opened(heir) is None:
            told = self._handover.positions([generation]) if generation.reachable else []
        else:
            told = self._handover.positions([heir])
        if isinstance(generation.content, Packed):
            generation.path = generation.place  # known for itself, and as read (see `Register.restore`)
        if generation.row != generation.id:
            generation.row = generation.id
            told += self._handover.positions([generation])
        return told

    def _tell_damage(self, generation: Generation) -> None:
        content = generation.content
        if isinstance(content, Packed) and content.damaged:
            place = shown(generation.place)
            text = f"{place} can't be unpacked beyond byte {generation.read}: {content.damaged}"
            log.error("bytes_missed", path=place, offset=generation.read, error=content.damaged)
            self._troubles.begin(Trouble("gap", place, text))

    def _release(self, generation: Generation) -> None:
        """It is read to its end, and isn't live."""
        generation.exhausted = True
        self._let_go(generation)

    def _let_go(self, generation: Generation) -> None:
        """Whoever waits for it may read."""
        heir, generation.then = generation.then, None
        if heir is not None:
            if generation.reachable:  # it must be known before a newer one is
                self._handover.pay_for(generation)
            heir.after = None
            self._ready[heir] = None

    # --- open files ---

    def _opened(self, generation: Generation) -> Content | None:
        """Its content; None, and told, if it can't be opened now."""
        self._open.pop(generation, None)
        while len(self._open) >= OPEN and self._close_one():
            pass
        if generation.content is None:
            generation.quiet_since = self._clock.monotonic()
        try:
            content = generation.open(follow=self._settings.follow_symlinks)
        except OSError as error:
            self._fail(generation, error)
            return None
        self._open[generation] = None
        if self._troubles:
            self._troubles.end("unreadable", shown(generation.place))
            self._troubles.end("open_files", "")
        return content

    def _fail(self, generation: Generation, error: OSError) -> None:
        """It can't be read now. As what was noticed isn't verified, it gets a turn at each look."""
        if error.errno in _CHANGED:
            return  # another file is there by now: the next look tells what became of this one
        self.tell(generation.place, error)
        if error.errno not in _TOO_MANY:
            self._let_go(generation)

    def tell(self, path: str, error: OSError) -> None:
        """Something can't be read: trouble. If it is for want of descriptors, relay gives back its own."""
        if error.errno in _TOO_MANY:
            while self._close_one():
                pass
            self._troubles.begin(Trouble("open_files", "", f"relay can't open more files: {error.strerror}"))
        else:
            self._troubles.begin(
                Trouble("unreadable", shown(path), f"{shown(path)}: {error.strerror or error}")
            )

    def _close_one(self) -> bool:
        """Close the least recently used file that can be opened again."""
        return any(self._close(generation) for generation in self._open)

    def _close(self, generation: Generation) -> bool:
        """Close its file, unless it couldn't be found again or an event is pending."""
        if generation.content is not None and (not generation.place or generation in self._due):
            return False
        self._shut(generation)
        return True

    def _shut(self, generation: Generation) -> None:
        generation.close()
        self._open.pop(generation, None)


def _left_at(generation: Generation) -> float:
    """When a rotated file's writer is taken to have left it."""
    return max(generation.quiet_since, generation.moved_at or 0.0) + GRACE
