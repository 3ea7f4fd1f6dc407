"""Follows the systemd journal by a journalctl of its own, from the cursor stored with the latest event.

The journal is the buffer: while the intake is full nothing is read, and journalctl waits. If it dies it is
started again after the last entry that was handed over. What was vacuumed meanwhile is told as a gap.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import TYPE_CHECKING, Final

import structlog

from relay.clock import Clock
from relay.config.schema import JournalSource
from relay.models import Batch, Json, Position
from relay.sources.export import Export
from relay.sources.intake import Intake
from relay.sources.journal_entry import Entry, EntryReader, Own, received_at
from relay.sources.journal_events import EntryEvents
from relay.sources.journalctl import (
    CURSOR_REFUSED,
    SLICE,
    child,
    eldest,
    following,
    latest,
    latest_chosen,
    meaning,
)
from relay.sources.trouble import Trouble, Troubles
from relay.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

log = structlog.get_logger()

PATH: Final = "journal"  # of a journal's position: no file's, for those are absolute
STEADY: Final = 5.0  # seconds that journalctl must live for the journal to count as readable
QUIET: Final = 1.0  # seconds without an entry from which on relay is up with the journal
REFRESH: Final = 60.0  # seconds between notes that relay is up with a journal in which nothing comes
COMPARED: Final = 300.0  # seconds between looks whether a quiet journal has something new after all
OVERDUE: Final = 10.0  # seconds within which journalctl prints what is new
PAUSE_FIRST: Final = 1.0  # seconds until journalctl is started again ...
PAUSE_MOST: Final = 60.0  # ... doubling up to this


class Journal:
    """One source of rules.yaml."""

    def __init__(
        self,
        name: str,
        settings: JournalSource,
        intake: Intake,
        clock: Clock,
        position: Position | None,
        *,
        report: Callable[[Trouble], None],
    ) -> None:
        """`position`: where relay left off; None: it never followed this journal."""
        self._name = name
        self._settings = settings
        self._intake = intake
        self._clock = clock
        self._reader = EntryReader(name, settings)
        self._events = self._fresh()
        self._troubles = Troubles(report)
        self._where = settings.journal.directory or "journal"
        self._known = position is not None
        self._cursor = position.head if position else ""  # of the latest entry handed over
        self._at = position.offset if position else 0  # microseconds: when that entry was received
        self._up_at = position.seen_at if position else 0.0  # wall time at which all was read for sure
        self._read_to = (self._cursor, self._at)  # of the latest entry read
        self._count = 0  # entries read
        self._skipped = 0  # entries of relay itself, read by journalctls that have ended
        self._starts = 0  # of journalctl
        self._pid = 0  # of the one that runs
        self._idle = False  # nothing waits to be read
        self._steady_at = math.inf  # monotonic time from which the current journalctl counts as well
        self._compared_at = math.inf  # monotonic time of the latest look at what it ought to have printed
        self._complaint = ""  # the last line on its standard error

    async def run(self) -> None:
        """Until cancelled. What wasn't handed over then is read again at the next start."""
        pause = PAUSE_FIRST
        while True:
            began = self._clock.monotonic()
            try:
                await self._prepare()
                await self._follow()
            except* (OSError, TimeoutError) as errors:
                self._complaint = str(errors.exceptions[0]) or "it gives no answer"
            if self._clock.monotonic() - began >= PAUSE_MOST:
                pause = PAUSE_FIRST
            self._ended()
            await self._clock.sleep(pause)
            pause = min(PAUSE_MOST, pause * 2)

    def status(self) -> Json:
        """For `relay status`."""
        return {
            "entries": self._count,
            "behind": 0 if self._idle else 1,
            "journalctl": self._pid,
            "restarts": max(0, self._starts - 1),
            "own_entries_skipped": self._skipped + self._events.skipped,
            "unreadable": self._troubles.paths("unreadable"),
        }

    def _fresh(self) -> EntryEvents:
        return EntryEvents(self._reader, Own.now())

    # --- where to begin ---

    async def _prepare(self) -> None:
        """Learn where to begin, and whether anything has gone since relay left off."""
        if self._known:
            await self._look_for_gap()
            return
        if self._settings.start == "end" and (newest := await latest(self._settings)):
            self._cursor, self._at = newest.text("__CURSOR"), received_at(newest)
        self._known = True
        self._save()

    async def _look_for_gap(self) -> None:
        """Entries are vacuumed eldest first: if the eldest is newer than all relay knows, some have gone."""
        first = await eldest(self._settings)
        begins = received_at(first) / 1e6 if first else 0.0
        known = max(self._at / 1e6, self._up_at)
        if begins > known + 1.0 > 1.0:
            since, until = (time.strftime("%F %T", time.localtime(each)) for each in (known, begins))
            text = f"{self._where}: entries from {since} to {until} were removed before relay read them"
            log.error("entries_missed", source=self._name, since=since, until=until)
            self._troubles.begin(Trouble("gap", self._where, text))

    # --- following ---

    async def _follow(self) -> None:
        """Hand over what journalctl prints, until it ends."""
        self._read_to = (self._cursor, self._at)
        async with child(following(self._settings, self._cursor, self._at)) as process:
            self._starts += 1
            self._pid = process.pid
            self._compared_at = self._clock.monotonic()
            self._steady_at = self._compared_at + STEADY
            log.info("journal_followed", source=self._name, pid=process.pid)
            async with asyncio.TaskGroup() as group:
                assert process.stdout is not None
                assert process.stderr is not None
                group.create_task(self._listen(process.stderr))  # ends with journalctl
                await self._read(process.stdout)

    async def _read(self, output: asyncio.StreamReader) -> None:
        entries = Export(self._settings.max_event)
        while True:
            await self._intake.calm()
            now = self._clock.monotonic()
            wait = min(self._events.due() - now, REFRESH if self._idle else QUIET)
            try:
                async with asyncio.timeout(max(0.0, wait)):
                    data = await output.read(SLICE)
            except TimeoutError:
                await self._rest()
                continue
            if not data:
                return
            self._idle = False
            for fields in entries.feed(data):
                self._take(Entry.of(fields))
            self._hand_over(self._clock.monotonic())
            if len(data) < SLICE:
                self._idle = True  # as far as can be seen: the pipe was emptied

    def _take(self, entry: Entry) -> None:
        if entry.cursor == self._read_to[0]:
            return  # where this journalctl began
        self._count += 1
        self._events.take(entry, self._clock.now(), self._clock.monotonic())
        self._read_to = (entry.cursor, entry.received)
        self._steady_at = min(self._steady_at, self._clock.monotonic())

    def _hand_over(self, monotonic: float) -> None:
        """What is whole, with the cursor that covers it."""
        self._heal()
        handed = self._events.handed(self._clock.now(), monotonic)
        if handed is None:
            return
        events, size = handed
        self._up_at = self._clock.now() if self._idle else self._up_at
        if self._read_to[0] != self._cursor:
            self._cursor, self._at = self._read_to
            self._intake.put_nowait(
                Batch(events=events, positions=[self._position()], size=size), of_files=True
            )

    async def _rest(self) -> None:
        """Nothing has come for a while: what is pending may be due, and relay is up with the journal.

        Raises an OSError where journalctl stands still.
        """
        if self._clock.monotonic() - self._compared_at >= COMPARED:
            await self._compare()
        self._hand_over(self._clock.monotonic())
        self._idle = True
        if self._events.due() == math.inf and self._clock.now() - self._up_at >= REFRESH:
            self._save()

    async def _compare(self) -> None:
        """A journalctl that hangs or no longer learns of new entries is as silent as a quiet journal."""
        with contextlib.suppress(TimeoutError):
            newest = await latest_chosen(self._settings)
            at = received_at(newest) if newest else 0
            if self._read_to[1] < at < (self._clock.now() - OVERDUE) * 1e6:
                raise OSError("journalctl stood still: there are entries that it hasn't printed")
        self._compared_at = self._clock.monotonic()

    def _save(self) -> None:
        self._up_at = self._clock.now()
        self._intake.put_nowait(Batch(events=[], positions=[self._position()]), of_files=True)

    def _position(self) -> Position:
        return Position(
            source=self._name,
            path=PATH,
            dev=0,
            inode=0,
            offset=self._at,
            head=self._cursor,
            seen_at=self._up_at,
        )

    # --- troubles ---

    async def _listen(self, complaints: asyncio.StreamReader) -> None:
        """Remember what journalctl complains of; a part of the journal that it may not read is trouble."""
        while line := await complaints.readline():
            text = one_line(line.decode("utf-8", "replace"))
            self._complaint = meaning(text) or text
            if self._complaint != text:
                self._troubles.begin(Trouble("unreadable", f"{self._where}: permissions", self._complaint))
            log.debug("journalctl_said", source=self._name, text=text)

    def _heal(self) -> None:
        if len(self._troubles) and self._clock.monotonic() >= self._steady_at:
            self._troubles.end("unreadable", self._where)

    def _ended(self) -> None:
        """No journalctl runs now. What was read and not handed over is read again by the next one."""
        self._idle, self._pid = False, 0
        self._skipped += self._events.skipped
        self._events = self._fresh()
        why = self._complaint or "journalctl ended"
        log.warning("journalctl_ended", source=self._name, why=why)
        if self._clock.monotonic() < self._steady_at:
            self._troubles.begin(Trouble("unreadable", self._where, f"the journal can't be followed: {why}"))
        if CURSOR_REFUSED in why.lower():
            self._cursor = ""  # the next one begins at the time of the last entry instead
        self._complaint = ""
        self._steady_at = math.inf
