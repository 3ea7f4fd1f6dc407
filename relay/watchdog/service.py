"""The watchdog at work: looks when it is time, tells what changed, restarts what is down.

A change goes into the intake like any other event, with the record of the check in the same transaction.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Final

import structlog
from msgspec.structs import replace

from relay.clock import Clock
from relay.config.schema import Config, Hours, Watch
from relay.metrics import Histogram
from relay.models import Batch, CheckRecord, Event
from relay.report import Report
from relay.values import format_duration
from relay.watchdog import beats, told
from relay.watchdog.entry import VERIFY_EVERY, Entry
from relay.watchdog.lag import Lag
from relay.watchdog.ledger import Ledger
from relay.watchdog.leftovers import end_leftovers
from relay.watchdog.remedy import argv, forgiven, is_pending
from relay.watchdog.restarts import Restarts
from relay.watchdog.standing import Moment, Turn, judged, outage
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import Kind, Verdict

log = structlog.get_logger()

STILL_EVERY: Final = 60.0  # seconds between two events that say it is still down: reminders are made of them
# Seconds that an entry, holding its own lock, waits for that of its cause: after an edit that turned a
# dependency around, the cause may wait for it in the same way.
CAUSE_WITHIN: Final = 30.0
AT_ONCE: Final = 64  # looks at the same time
_TICK: Final = 0.1  # seconds at least between two looks at what is due: many checks share a turn
_TURN: Final = 5.0  # seconds at most between two turns
_SPREAD: Final = 5.0  # seconds over which the first looks are spread


class Watchdog:
    """Every entry of `watchdog:`."""

    def __init__(
        self,
        put: Callable[[Batch], object],
        clock: Clock,
        config: Config,
        report: Report,
        is_open: Callable[[Config, Hours, float], bool],
        tools: Tools | None = None,
        is_deaf: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_open`: whether that is within the hours then; `is_deaf`: whether relay takes nothing in now."""
        self.entries: dict[str, Entry] = {}
        self.turned_at = clock.monotonic()
        self.look_seconds = Histogram()  # how long looks took, whatever came of them
        self._ledger = Ledger(put, clock)
        self._clock = clock
        self._report = report
        self._is_open = is_open
        self._is_deaf = is_deaf
        self._tools = tools or Tools()
        self._lag = Lag()
        self._seats = asyncio.Semaphore(AT_ONCE)
        self._wake = asyncio.Event()
        self._config = config
        self._restarts = Restarts(self._ledger, clock, self._tools, self.entries)

    # --- lifecycle ---

    def remember(self, records: Iterable[CheckRecord]) -> None:
        """Begin, with what the store knows of the time before."""
        known = {record.name: record for record in records}
        self._build(self._config, known)
        for entry in self.entries.values():
            if is_pending(entry.record):
                entry.remedy = "relay itself was restarted meanwhile"
        gone = [record for name, record in known.items() if name not in self.entries and record.down]
        for record in gone:
            self._ledger.unwatched(record, Watch())

    def apply(self, config: Config) -> None:
        """The rules were edited: entries that are the same go on as they stand."""
        old = dict(self.entries)
        self._build(config, {name: entry.record for name, entry in old.items()})
        for name, entry in old.items():
            if name in self.entries:
                continue
            self._sees_again(entry, f"{name} is no longer watched")
            if entry.record.down:
                self._ledger.unwatched(entry.record, entry.watch)
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._lag.run())
                group.create_task(self._end_leftovers())
                while True:
                    for entry in self._due():
                        group.create_task(self._turn(entry))
                    self.turned_at = self._clock.monotonic()
                    await self._wait()
        finally:
            await self._tools.close()

    async def run_once(self) -> None:
        """Look at all that is due, to the end of what follows from it."""
        await asyncio.gather(*(self._turn(entry) for entry in self._due()))

    async def _end_leftovers(self) -> None:
        """Of a relay that was killed; a /proc that hangs holds nothing up."""
        restarts = [argv(entry.watch) for entry in self.entries.values() if entry.watch.restart]
        with contextlib.suppress(OSError):
            if ended := await self._tools.threads.call("leftovers", partial(end_leftovers, restarts)):
                log.warning("leftovers_ended", processes=ended)

    # --- what others ask ---

    @property
    def down(self) -> Collection[str]:
        """The entries that are down."""
        return [name for name, entry in self.entries.items() if entry.record.down]

    def beat(self, event: Event) -> CheckRecord | None:
        """Take an event that is a sign of life; the record to store with it, None if it is nobody's."""
        name = event.labels[beats.LABEL]
        entry = self.entries.get(name)
        if entry is None or entry.watch.heartbeat is None:
            log.warning("beat_unknown", beat=name[:64], origin=event.origin)
            return None
        now = self._now()
        entry.heed_clock(entry.watch.heartbeat, now)
        record = beats.heard(entry.record, event, now.wall)
        entry.standing = replace(entry.standing, record=record)
        entry.next_at = 0.0
        self._wake.set()
        return record

    async def pause(self, entry: Entry, seconds: float) -> None:
        """Don't look at it for so long; stored when this returns."""
        await self._ledger.keep(entry, replace(entry.record, paused_until=self._clock.now() + seconds))

    async def resume(self, entry: Entry) -> None:
        """Look at it again, and restart it again, though it was given up."""
        record = replace(entry.record, paused_until=0.0, gave_up=False, restarts=())
        entry.again = entry.record.down
        entry.next_at = 0.0
        await self._ledger.keep(entry, record)
        self._wake.set()

    async def look(self, entry: Entry) -> Verdict:
        """One look for whoever asks: nothing follows from it."""
        return await self._ask(entry, self._now())

    # --- one turn of one entry ---

    async def _turn(self, entry: Entry) -> None:
        try:
            async with entry.lock:
                await self._look_at(entry)
        finally:
            entry.is_due = False

    async def _look_at(self, entry: Entry) -> None:
        now = self._now()
        entry.next_at = now.mono + entry.every
        was, entry.resting = (
            entry.resting,
            entry.rests(now.wall, is_open=self._is_open(self._config, entry.watch, now.wall)),
        )
        if entry.resting:
            return
        if was:
            entry.excuse(now)
        async with self._seats:  # not while it is restarted: that must not keep others from being looked at
            verdict = await self._ask(entry, now)
        self._count(entry, verdict.kind, now)
        if self.entries.get(entry.name) is not entry:  # edited meanwhile: the new one looks for itself
            return
        if verdict.kind is Kind.LATE:
            entry.next_at = min(entry.next_at, self._clock.monotonic() + VERIFY_EVERY)
            log.info("look_was_late", check=entry.name)
            return
        await self._take(entry, verdict)
        entry.next_at = min(entry.next_at, now.mono + entry.every)

    async def _ask(self, entry: Entry, now: Moment) -> Verdict:
        before = entry.record
        verdict = await entry.look(self._tools, self._lag, now, is_deaf=self._is_deaf())
        if entry.watch.heartbeat is not None and entry.record is not before:  # the clock was set
            self._ledger.note([entry.record])
        return verdict

    def _count(self, entry: Entry, kind: Kind, began: Moment) -> None:
        seconds = self._clock.monotonic() - began.mono
        entry.tally.look(kind, seconds, self._clock.now())
        if entry.watch.heartbeat is None:  # nothing was asked
            self.look_seconds.observe(seconds)

    async def _take(self, entry: Entry, verdict: Verdict) -> None:
        """What a look leads to."""
        before, now = entry.standing, self._now()
        if verdict.kind is not Kind.UNKNOWN:
            self._sees_again(entry, f"{entry.name} can be judged again")
        after, turn = judged(before, entry.watch, verdict, now)
        entry.standing = after
        if turn is Turn.FELL:
            entry.standing = replace(after, record=before.record)  # not yet: something else may explain it
            entry.waits_for = await self._cause(entry)
            if entry.waits_for:
                if cause := self.entries.get(entry.waits_for):  # else an edit has just taken it away
                    cause.held_back.add(entry.name)
                return
            entry.standing = replace(after, record=replace(entry.record, down=True, since=now.wall))
        entry.waits_for = ""
        match turn:
            case Turn.FELL:
                await self._fell(entry, verdict)
            case Turn.UNHELPED:
                await self._unhelped(entry, verdict)
            case Turn.ROSE:
                await self._rose(entry, verdict, outage(before, now))  # `after` knows since when it is up
            case Turn.BLINDED:
                entry.is_blind = True
                self._report("watchdog", entry.name, f"{entry.name} can't be judged: {verdict.text}")
            case Turn.NOTHING:
                await self._go_on(entry, verdict)

    def _sees_again(self, entry: Entry, text: str) -> None:
        if entry.is_blind:
            entry.is_blind = False
            self._report("watchdog", entry.name, text, cleared=True)

    async def _cause(self, entry: Entry) -> str:
        """The entry that explains this one's failure: one it depends on that fails too. "" if none does."""
        for name in entry.watch.depends_on:
            cause = self.entries.get(name)
            if cause is None or cause.resting:
                continue
            if cause.standing.looked_at < entry.standing.failing_since and not cause.record.down:
                await self._look_at_cause(cause)
            if cause.record.down or cause.standing.failing_since or cause.waits_for:
                return name
        return ""

    async def _look_at_cause(self, cause: Entry) -> None:
        """Unless it is held for too long: then what is known of it must do."""
        try:
            async with asyncio.timeout(CAUSE_WITHIN):
                await cause.lock.acquire()
        except TimeoutError:
            return
        try:
            await self._look_at(cause)
        finally:
            cause.lock.release()

    async def _fell(self, entry: Entry, verdict: Verdict) -> None:
        log.warning("check_failed", check=entry.name, text=verdict.text)
        await self._restarts.act(entry, verdict, told.DOWN, f"{entry.name} is down: {verdict.text}")

    async def _unhelped(self, entry: Entry, verdict: Verdict) -> None:
        lasted = _seconds(outage(entry.standing, self._now()))
        headline = f"{entry.name} is still down after {lasted}: {verdict.text}"
        state = told.PRESSING if entry.remedy else told.STILL
        if entry.remedy:
            headline += f"\nthe restart did not help: {entry.remedy}"
            entry.tally.results["still down"] += 1
        entry.remedy = ""
        if entry.watch.restart and await self._cause(entry):  # that is restarted first
            entry.again = True
            await self._ledger.tell(entry, state, headline)
        else:
            await self._restarts.act(entry, verdict, state, headline)

    async def _rose(self, entry: Entry, verdict: Verdict, lasted: float) -> None:
        text = f"{entry.name} recovered after {_seconds(lasted)}"
        if entry.remedy:
            text += f" by the restart ({len(entry.record.restarts)} of {entry.watch.max_restarts.count})"
            entry.tally.results["recovered"] += 1
        text += f": {verdict.text}"
        if entry.held_back:
            text += f"\nheld back meanwhile, as they depend on it: {', '.join(sorted(entry.held_back))}"
        entry.remedy, entry.again = "", False
        log.info("check_recovered", check=entry.name, text=text)
        for name in entry.held_back & self.entries.keys():
            self.entries[name].excuse(self._now())
        entry.held_back.clear()
        await self._ledger.tell(entry, told.OVER, text)

    async def _go_on(self, entry: Entry, verdict: Verdict) -> None:
        """Still down: counted, so that reminders come; or up for so long that restarts are forgiven."""
        now = self._now()
        if not entry.record.down:
            record = forgiven(entry.record, entry.watch, now.wall)
            if record is not entry.record:
                await self._ledger.keep(entry, record)
            return
        if verdict.kind is not Kind.FAILED or now.mono < entry.standing.starting_until:
            return
        is_time = now.mono - entry.told_at >= STILL_EVERY
        if not (entry.again or is_time) or await self._cause(entry):
            return
        lasted = format_duration(outage(entry.standing, now))
        text = f"{entry.name} is still down after {lasted}: {verdict.text}"
        if entry.again or entry.remedy_may_follow:
            entry.again = False
            await self._restarts.act(entry, verdict, told.STILL, text)
        else:
            await self._ledger.tell(entry, told.STILL, text)

    # --- time ---

    def _build(self, config: Config, records: dict[str, CheckRecord]) -> None:
        now, old, new = self._now(), dict(self.entries), []
        self._config, self._restarts.remedies = config, config.remedies
        self.entries.clear()
        for number, (name, watch) in enumerate(config.watchdog.items()):
            if name in old and old[name].watch == watch:
                self.entries[name] = old[name]
                continue
            first = number / max(1, len(config.watchdog)) * min(_SPREAD, watch.every)
            known = records.get(name, CheckRecord(name=name))
            entry = self.entries[name] = Entry(name, watch, known, now, first)
            if name in old:
                entry.follow(old[name])
            if not known.first_seen:
                new.append(entry.record)
        if new:
            self._ledger.note(new)

    def _due(self) -> Iterator[Entry]:
        now = self._clock.monotonic()
        for entry in list(self.entries.values()):
            if entry.next_at <= now and not entry.is_due:
                entry.is_due = True
                yield entry

    async def _wait(self) -> None:
        now = self._clock.monotonic()
        until = min((entry.next_at for entry in self.entries.values()), default=now + _TURN)
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(max(_TICK, until - now), _TURN)):
                await self._wake.wait()

    def _now(self) -> Moment:
        return Moment(self._clock.now(), self._clock.monotonic())


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else format_duration(seconds)
