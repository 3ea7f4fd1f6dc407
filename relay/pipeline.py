"""Events -> committed deliveries: one function from batch to transaction, read top to bottom.

The pipeline takes what is there, folds events of the same problem, decides once per problem, and writes
events, alerts, deliveries and positions in one transaction. Only then may a tail forget a line and a
socket answer its writer. If the store can't take it now, the very same transaction is tried again: the
sources wait meanwhile, nothing is dropped.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from msgspec import Struct, structs

from relay import log as own_log
from relay.book import Book, RecentIds
from relay.clock import Clock, Jumps
from relay.deciding import MOST_DUE, Deciding
from relay.errors import StoreBusyError, StoreFullError
from relay.holds import Holds, due_of
from relay.hushes import Hushes
from relay.links import Links
from relay.meters import Meters
from relay.metrics import Histogram
from relay.models import (
    Alert,
    Batch,
    CheckRecord,
    Delivery,
    DeliveryState,
    Event,
    Json,
    Position,
    Reason,
)
from relay.outages import Unwatched, Watched
from relay.outbox.store import Commit, Store, StoredEvent, StoredHold
from relay.owing import Outlets, Owing
from relay.placing import Known, Role, place
from relay.release import Release
from relay.routing.decide import due
from relay.routing.escalation import expected
from relay.routing.fingerprint import Fingerprint
from relay.routing.hold import Hold, dumped, restored
from relay.rulebook import Rules
from relay.sources.intake import Intake
from relay.turn import Problem, Turn
from relay.unheard import Unheard
from relay.watchdog import beats

log = structlog.get_logger()

MOST_EVENTS: Final = 2000  # per transaction
MOST_LIVE: Final = 50_000  # live alerts in memory; beyond, the quietest are closed
POSITIONS_EVERY: Final = 1.0  # seconds that positions which caused nothing may wait
HELD_UP: Final = 1.0  # seconds for which a transaction may be written, and nobody need know
TURN: Final = 5.0  # seconds at most between two turns, so that the watchdog sees them
GRACE: Final = (
    10.0  # seconds after start in which time alone does nothing: what was written meanwhile is read first
)


class Sorted(Struct):
    """A batch on its way: what one reading of the rules makes of its events."""

    rules: Rules
    batches: Sequence[Batch]
    problems: dict[str, Problem]  # by fingerprint
    rows: list[tuple[Event, Problem | None]]  # the events to store, each with its (first) problem
    checks: list[CheckRecord]  # what the watchdog must know after a restart


class Pipeline:
    """The first half of relay."""

    def __init__(
        self,
        intake: Intake,
        store: Store,
        clock: Clock,
        rules: Rules,
        outlets: Outlets,
        ids: RecentIds,
        *,
        stuck: Callable[[str], Awaitable[None]],
        watched: Watched | None = None,
    ) -> None:
        self._watched = watched or Unwatched()
        self.rules = rules  # swapped by `adopt`; read once per batch
        self.book = Book(self._due)
        self.holds = Holds(self._hold_due)
        self.hushes = Hushes(rules.config)
        self.meters = Meters()
        self.links = Links(rules.config.http)
        self._unheard = Unheard(store, clock)
        owing = Owing(store, outlets, self.links)
        self._deciding = Deciding(store, self.book, self.holds, self.hushes, self.meters, owing)
        self._releasing = Release(store, self.book, self.holds, self.hushes, owing)
        self.turned_at = clock.monotonic()
        self.counts: Counter[str] = Counter()  # events by what became of them, for `relay status`
        self.tally: Counter[tuple[str, str, str]] = Counter()  # events by (source, rule, reason)
        self.commit_seconds = Histogram()
        self.stuck = ""  # why the store takes nothing now; empty: it does
        self._writing_since = math.inf  # monotonic: when the transaction that is being written was begun
        self._intake = intake
        self._store = store
        self._clock = clock
        self._outlets = outlets
        self.ids = ids
        self._tell_stuck = stuck  # called once when the store begins to refuse
        self._positions: dict[tuple[str, int, int], Position] = {}  # that caused nothing yet
        self._positions_at = clock.monotonic()  # when the latest positions were written
        self._jumps = Jumps(clock.now(), clock.monotonic())
        self._timers_from = clock.monotonic() + GRACE
        self._serial = time.time_ns()  # tells apart events that nothing else does

    async def run(self) -> None:
        """Until the intake is closed and drained: the next batch is sorted while this one is written."""
        async with asyncio.TaskGroup() as group:
            writing: asyncio.Task[None] | None = None
            while batches := await self._next():
                batch = self._sort(batches, self.rules)
                if writing is not None:
                    await writing
                writing = group.create_task(self._turn(batch))
                await asyncio.sleep(0)  # it decides, and is at the store, before the next batch is sorted
        await self.run_once([])

    async def run_once(self, batches: Sequence[Batch]) -> None:
        """One transaction, from beginning to end."""
        await self._turn(self._sort(batches, self.rules))

    async def _turn(self, batch: Sorted) -> None:
        """Decide, write, and only then let go of the batch."""
        turn = Turn(batch.rules, self._clock.now())
        commit = turn.commit
        for order in [order for each in batch.batches for order in each.orders]:
            self._deciding.heed(turn, order)
        for problem in sorted(batch.problems.values(), key=lambda each: self.hushes.rank(each.rule)):
            await self._deciding.problem(turn, problem)
        if self._clock.monotonic() >= self._timers_from:
            await self._let_time_pass(turn, batch)
        for event, owner in batch.rows:
            alert, reason = owner.fate(event) if owner else (0, Reason.NO_RULE.value)
            commit.events.append(StoredEvent(event, alert, reason, turn.now))
        self.tally.update([_counted_as(event, owner) for event, owner in batch.rows])
        commit.alerts.extend(turn.changed.values())
        commit.checks = batch.checks
        commit.meters = self.meters.changed()
        holds, commit.holds_over = self.holds.changes()
        commit.holds = [StoredHold(hold.key, hold.kind.value, dumped(hold)) for hold in holds]
        self._take_positions(batch.batches, commit)
        if any(structs.astuple(commit)):
            await self._write(commit)
        for latest in turn.changed.values():
            self.remember(latest)
        self._hand_over(commit.deliveries)
        for each in batch.batches:
            if each.done is not None:
                each.done(None)
        self.turned_at = self._clock.monotonic()

    @property
    def is_held_up(self) -> bool:
        """Whether what comes in has to wait for the store: it is full, or slow just now."""
        return self._clock.monotonic() - self._writing_since > HELD_UP

    async def recall(self) -> None:
        """What the store knows of the time before: live alerts, what holds messages back, what is counted."""
        alerts = await self._store.live_alerts()
        await self.links.load(self._store)
        self.hushes.load(await self._store.silences(), await self._store.withheld(), alerts)
        for alert in alerts:
            self.remember(alert)
        self.holds.load(restored(held.state) for held in await self._store.holds())
        self.holds.prune()
        self.meters.load(await self._store.meters(), self._clock.now())
        await self.adopt(self.rules)

    def remember(self, alert: Alert) -> None:
        """The alert as it is in the store."""
        self.book.put(alert)
        self.holds.note(alert)
        self.hushes.note(alert)
        self._unheard.note(alert, self.rules.by_name.get(alert.rule))

    async def adopt(self, rules: Rules) -> None:
        """These rules from now on; what is on its way stays as it was sorted."""
        asked = [rule.name for rule in rules.config.rules if self.meters.is_new_to(rule)]
        known = await self._store.fingerprints(asked) if asked else []
        self.rules = rules
        self.links.apply(rules.config.http)
        self.hushes.apply(rules.config, self.book.all())
        for alert in self.book.all():
            self._unheard.note(alert, rules.by_name.get(alert.rule))
        self.meters.apply(rules.by_name, self._clock.now())
        self.meters.learn(known, self._clock.now())
        self.reschedule()

    def reschedule(self) -> None:
        """The rules or the clock changed: ask anew when what is due."""
        self.book.reschedule()
        self.holds.reschedule()
        self.meters.reschedule()

    def known(self) -> Known:
        """What decides, beside the rules, where an event belongs."""
        return Known(self.book.some, self._watched.down, own_log.signature())

    def waiting_positions(self) -> Sequence[Position]:
        """Positions handed over that aren't in the store yet."""
        return list(self._positions.values())

    def status(self) -> Json:
        """For `relay status`."""
        return {
            "events": dict(self.counts),
            "live_alerts": len(self.book),
            "silences": self._silences_in_force(),
            "meters": self.meters.status(),
            "waiting": len(self._intake),
            "full": self._intake.full,
            "store": self.stuck or "ok",
        }

    # --- the steps of a turn, in order ---

    async def _next(self) -> list[Batch]:
        """What is there; or an empty batch where only time has passed. [] at the end."""
        self._heed_clock()
        wait = TURN
        if self._positions:
            wait = max(0.0, self._positions_at + POSITIONS_EVERY - self._clock.monotonic())
        for upcoming in (self.book.next_due(), self.holds.next_due(), self.meters.next_due()):
            if upcoming is not None:
                early = self._timers_from - self._clock.monotonic()
                wait = min(wait, max(0.0, early, upcoming - self._clock.now()))
        try:
            async with asyncio.timeout(wait):
                return await self._intake.get(MOST_EVENTS)
        except TimeoutError:
            return [Batch(events=[])]

    def _sort(self, batches: Sequence[Batch], rules: Rules) -> Sorted:
        """Events by problem; nothing is decided yet."""
        problems: dict[str, Problem] = {}
        rows: list[tuple[Event, Problem | None]] = []
        checks: list[CheckRecord] = []
        known = self.known()
        for batch in batches:
            checks += batch.checks
            for event in batch.events:
                if event.id and not self.ids.add(event.program, event.id):
                    self.counts["repeated_ids"] += 1
                    continue
                if event.program and beats.LABEL in event.labels and (record := self._watched.beat(event)):
                    checks.append(record)
                owner: Problem | None = None
                for problem in self._problems(rules, event, known, problems):
                    if owner is None or owner.rule.absent is not None:  # one that only looks on comes last
                        owner = problem
                self.counts["matched" if owner else "unmatched"] += 1
                if owner or event.program:  # what a writer was told is stored, is stored
                    rows.append((event, owner))
                else:
                    self.tally[_counted_as(event, None)] += 1
        return Sorted(rules, batches, problems, rows, checks)

    def _problems(
        self, rules: Rules, event: Event, known: Known, problems: dict[str, Problem]
    ) -> list[Problem]:
        """The problems that the event belongs to, known or new; it is counted in each."""
        self._serial += 1
        placed = place(rules, event, known, self._serial)
        if placed.is_own_line:
            self.counts["own_lines"] += 1
        found = []
        for part in placed.parts:
            problem = problems.get(part.problem.key)
            if problem is None:
                problem = Problem(part.rule, part.problem, linked=part.role is Role.LINKED)
                problems[part.problem.key] = problem
            if part.role is Role.OVER:
                problem.over = event
            else:
                problem.events.append(event)
            if part.role is Role.END:
                problem.ending.add(id(event))
            found.append(problem)
        return found

    async def _let_time_pass(self, turn: Turn, batch: Sorted) -> None:
        """What is due without an event: reminders, resolutions, steps, closing lines, what was held."""
        ready = self.book.pop_due(turn.now, MOST_DUE)
        surplus = len(self.book) - MOST_LIVE
        if surplus > 0:
            # As if they had been quiet for long: they end now, with their closing lines.
            ready += [structs.replace(alert, touched_at=0.0) for alert in self.book.quietest(surplus)]
        for alert in ready:
            await self._deciding.later(turn, alert)
        for alert in await self._unheard.look(turn.now):
            await self._deciding.later(turn, alert, unaccepted=True)
        for rule, key, outcome in self.meters.wake(turn.now, MOST_DUE):
            problem = Problem(rule, Fingerprint(key, outcome.title))
            await self._deciding.follow(turn, problem, outcome)
            batch.rows.extend((event, problem) for event in outcome.told)  # stored as if it had come
        await self._deciding.lift(turn)
        await self._releasing.due(turn)

    def _silences_in_force(self) -> int:
        planned = sum(hush is not None for _, hush in self.hushes.planned(self._clock.now()))
        return len(self.hushes.silences()) + planned

    def _take_positions(self, batches: Sequence[Batch], commit: Commit) -> None:
        """Positions go with what they caused; those that caused nothing may wait for company."""
        for batch in batches:
            for position in batch.positions:
                self._positions[position.source, position.dev, position.inode] = position
        waited = self._clock.monotonic() - self._positions_at
        if self._positions and (
            commit.events or commit.alerts or waited >= POSITIONS_EVERY or self._intake.closed
        ):
            commit.positions = list(self._positions.values())
            self._positions = {}
            self._positions_at = self._clock.monotonic()

    async def _write(self, commit: Commit) -> None:
        """Until it is in the store; seats aren't kept waiting for a full disk."""
        wait = 0.1
        self._writing_since = self._clock.monotonic()
        while True:
            began = self._clock.monotonic()
            try:
                await self._store.commit(commit)
            except (StoreFullError, StoreBusyError) as error:
                if not self.stuck:
                    self.stuck = str(error)
                    log.warning("store_takes_nothing", error=self.stuck, events=len(commit.events))
                    self._unseat(commit)
                    await self._tell_stuck(self.stuck)
                self.turned_at = self._clock.monotonic()
                await self._clock.sleep(wait)
                wait = min(1.0, wait * 2)
            else:
                self._writing_since = math.inf
                self.commit_seconds.observe(self._clock.monotonic() - began)
                if self.stuck:
                    log.info("store_works_again", was=self.stuck)
                    self.stuck = ""
                return

    def _unseat(self, commit: Commit) -> None:
        waiting = []
        for delivery in commit.deliveries:
            if delivery.state is DeliveryState.SENDING:
                self._outlets.give_back(delivery.id)
                delivery = structs.replace(delivery, state=DeliveryState.PENDING, lease_until=0.0)  # noqa: PLW2901
            waiting.append(delivery)
        commit.deliveries = waiting

    def _hand_over(self, deliveries: Sequence[Delivery]) -> None:
        self._outlets.hand_over([each for each in deliveries if each.state is DeliveryState.SENDING])
        for delivery in deliveries:
            if delivery.state is DeliveryState.PENDING:
                self._outlets.notice(delivery.address.backend, delivery.next_at)

    def _hold_due(self, hold: Hold) -> float | None:
        return due_of(hold, self.rules.by_name, self.rules.config, self._clock.now())

    def _due(self, alert: Alert) -> float | None:
        now, rule = self._clock.now(), self.rules.rule_of(alert)
        if rule is None or not alert.standings:
            return due(alert, rule, now)
        return due(alert, rule, now, expected(self.rules.config, rule, alert, now))

    def _heed_clock(self) -> None:
        """A clock that was set makes due times wrong: ask anew."""
        now = self._clock.now()
        if jump := self._jumps.latest(now, self._clock.monotonic()):
            log.warning("clock_was_set", seconds=round(jump, 1))
            self.meters.clock_set(jump, now)
            self.reschedule()


def _counted_as(event: Event, owner: Problem | None) -> tuple[str, str, str]:
    """(source, rule, reason)."""
    if owner is None:
        return event.source, "", Reason.NO_RULE.value
    return event.source, owner.rule.name, owner.reason_of(event)
