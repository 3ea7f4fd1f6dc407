"""Events -> committed deliveries: one function from batch to transaction, read top to bottom.

The pipeline takes what is there, folds events of the same problem, decides once per problem, and writes
events, alerts, deliveries and positions in one transaction. Only then may a tail forget a line and a
socket answer its writer. If the store can't take it now, the very same transaction is tried again: the
sources wait meanwhile, nothing is dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

import structlog
from msgspec import Struct, field, structs

from relay import log as own_log
from relay.book import Book, RecentIds
from relay.clock import Clock
from relay.config.schema import Config, Rule
from relay.errors import StoreBusyError, StoreFullError
from relay.holds import Holds, Telling, due_of
from relay.meters import Meters
from relay.metrics import Histogram
from relay.models import (
    Address,
    Alert,
    AlertState,
    Batch,
    CheckRecord,
    Delivery,
    DeliveryState,
    Event,
    Json,
    Message,
    Position,
    Reason,
)
from relay.outages import Outages, Unwatched, Watched, alerts_of, key_of
from relay.outbox.store import Commit, Store, StoredEvent, StoredHold
from relay.routing.budget import Windows, windows_of
from relay.routing.calendar import NEVER
from relay.routing.decide import Decision, Told, decide, due, end, fold
from relay.routing.fingerprint import Fingerprint
from relay.routing.hold import Hold, Kind, Part, dumped
from relay.routing.meters.base import Arrived, Held, Outcome
from relay.routing.meters.kinds import subject
from relay.routing.recipients import Reached, addresses, expected_by, needs_event, reached_by
from relay.routing.render import held_message, message
from relay.routing.ruleset import Ruleset
from relay.sources.intake import Intake
from relay.sources.scan.sieve import Sieves
from relay.watchdog import beats, told

log = structlog.get_logger()

MOST_EVENTS: Final = 2000  # per transaction
MOST_DUE: Final = 500  # alerts whose time has come, per transaction
MOST_LIVE: Final = 50_000  # live alerts in memory; beyond, the quietest are closed
POSITIONS_EVERY: Final = 1.0  # seconds that positions which caused nothing may wait
TURN: Final = 5.0  # seconds at most between two turns, so that the watchdog sees them
GRACE: Final = (
    10.0  # seconds after start in which time alone does nothing: what was written meanwhile is read first
)
CLOCK_SET: Final = 2.0  # seconds by which the wall clock may stray from the monotonic one between two turns
LEASE: Final = 120.0  # seconds a handed-over delivery stays claimed
RELAY: Final = "relay"  # source and first module name of relay's own events


class Outlets(Protocol):
    """What the pipeline needs from the dispatcher."""

    def order(self, addresses: Sequence[Address], avoid: str = "") -> tuple[Address, ...]:
        """Addresses by preference, backends that are down or to avoid last."""
        ...

    def seat(self, address: Address, delivery: int) -> bool:
        """Take a seat for that delivery, so that it can be committed as already claimed."""
        ...

    def give_back(self, delivery: int) -> None:
        """Return that delivery's seat."""
        ...

    def hand_over(self, deliveries: Sequence[Delivery]) -> None:
        """Start deliveries that were committed with a seat."""
        ...

    def notice(self, backend: str, at: float) -> None:
        """A pending delivery of that backend is due then."""
        ...


class Rules(Struct, frozen=True):
    """What a reload swaps, in one assignment."""

    config: Config
    ruleset: Ruleset
    by_name: dict[str, Rule]
    own: Rule  # takes relay's own events, whatever the rules say: they can't loop
    note: Rule  # takes those that are no trouble: told once, each by itself
    outages: Outages  # what the watchdog's entries say of their events
    sieves: dict[str, Sieves] = field(default_factory=dict)  # by source: what its lines are scanned for

    @classmethod
    def of(cls, config: Config, ruleset: Ruleset) -> Rules:
        """The rules of one configuration, with relay's own beside them."""
        own = Rule(
            name="relay itself",
            to=config.operators,
            fingerprint=("module", "subject"),
            repeat=(3600.0, 6 * 3600.0, 86400.0),
            resolve_after=7 * 86400.0,
            storm=False,
            flap=False,
        )
        note = Rule(name="relay reports", to=config.operators, fingerprint="event", repeat=())
        outages = Outages.of(config)
        by_name = {rule.name: rule for rule in (*config.rules, *outages.rules.values(), own, note)}
        return cls(config, ruleset, by_name, own, note, outages)

    def route(self, event: Event) -> Sequence[Rule]:
        """The rules that take the event; relay's own news go to the operators."""
        if event.source == RELAY:
            return (self.note if "note" in event.labels else self.own,)
        taken = self.ruleset.route(event)
        return self.outages.route(event, taken) if event.source == told.WATCHDOG else taken


class Problem(Struct):
    """Events of one problem within one batch: counted before anything is decided."""

    rule: Rule
    fingerprint: Fingerprint
    events: list[Event] = field(default_factory=list)
    ending: set[int] = field(default_factory=set)  # `id()` of those that end a pair
    held: dict[int, Held] = field(default_factory=dict)  # those that go no further, by `id()`
    over: Event | None = None  # the event that ends it, after the others
    linked: bool = False  # its events belong to an outage
    alert: int = 0  # the alert's id, once decided; that of a live one for what is held
    reason: str = ""

    def fate(self, event: Event) -> tuple[int, str]:
        """The alert and the reason that are stored with the event."""
        held = self.held.get(id(event))
        return self.alert, self.reason if held is None else str(held)

    def reason_of(self, event: Event) -> str:
        """The named reason alone."""
        held = self.held.get(id(event))
        return self.reason if held is None else held.reason.value


class Sorted(Struct):
    """A batch on its way: what one reading of the rules makes of its events."""

    rules: Rules
    batches: Sequence[Batch]
    problems: dict[str, Problem]  # by fingerprint
    rows: list[tuple[Event, Problem | None]]  # the events to store, each with its (first) problem
    checks: list[CheckRecord]  # what the watchdog must know after a restart


class _World:
    """What letting go of what is held needs to know, as of one turn."""

    def __init__(self, rules: Rules, now: float, book: Book, changed: Mapping[str, Alert]) -> None:
        self._rules = rules
        self._now = now
        self._book = book
        self._changed = changed

    def rule(self, name: str) -> Rule | None:
        return self._rules.by_name.get(name)

    def alert(self, fingerprint: str) -> Alert | None:
        return self._changed.get(fingerprint) or self._book.get(fingerprint)

    def told_now(self, alert: Alert) -> Sequence[str]:
        rule = self.rule(alert.rule)
        if rule is None or needs_event(self._rules.config, rule.to):
            return ()
        reached = reached_by(self._rules.config, rule, self._now)
        return () if any(each.opens_at for each in reached) else [each.recipient for each in reached]

    def opens_at(self, recipient: str) -> float:
        reached = addresses(self._rules.config, (recipient,), self._now)
        opens = min((each.opens_at for each in reached), default=0.0)
        return opens if opens < NEVER else 0.0

    def windows_of(self, recipient: str) -> Windows:
        return windows_of(self._rules.config, recipient)


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
        self.rules = rules  # assigned by a reload; read once per batch
        self.book = Book(self._due)
        self.holds = Holds(self._hold_due)
        self.meters = Meters()
        self.turned_at = clock.monotonic()
        self.counts: Counter[str] = Counter()  # events by what became of them, for `relay status`
        self.tally: Counter[tuple[str, str, str]] = Counter()  # events by (source, rule, reason)
        self.commit_seconds = Histogram()
        self.stuck = ""  # why the store takes nothing now; empty: it does
        self._intake = intake
        self._store = store
        self._clock = clock
        self._outlets = outlets
        self.ids = ids
        self._tell_stuck = stuck  # called once when the store begins to refuse
        self._positions: dict[tuple[str, int, int], Position] = {}  # that caused nothing yet
        self._positions_at = clock.monotonic()  # when the latest positions were written
        self._offset = clock.now() - clock.monotonic()  # changes when the clock is set
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
        now = self._clock.now()
        rules, problems, rows, batches = batch.rules, batch.problems, batch.rows, batch.batches
        commit = Commit()
        changed: dict[str, Alert] = {}
        for problem in problems.values():
            await self._decide(rules, problem, now, commit, changed)
        await self._decide_due(rules, now, commit, changed)
        await self._wake_meters(rules, now, commit, changed, rows)
        await self._release(rules, now, commit, changed)
        commit.meters = self.meters.changed()
        for event, owner in rows:
            alert, reason = owner.fate(event) if owner else (0, Reason.NO_RULE.value)
            commit.events.append(StoredEvent(event, alert, reason, now))
        self.tally.update([_counted_as(event, owner) for event, owner in rows])
        commit.alerts.extend(changed.values())
        commit.checks = batch.checks
        holds, commit.holds_over = self.holds.changes()
        commit.holds = [StoredHold(hold.key, hold.kind.value, dumped(hold)) for hold in holds]
        self._take_positions(batches, commit)
        held = commit.holds or commit.holds_over or commit.deliveries
        if commit.events or commit.alerts or commit.positions or commit.checks or commit.meters or held:
            await self._write(commit)
        for latest in changed.values():
            self.remember(latest)
        self._hand_over(commit.deliveries)
        for each in batches:
            if each.done is not None:
                each.done(None)
        self.turned_at = self._clock.monotonic()

    def remember(self, alert: Alert) -> None:
        """The alert as it is in the store."""
        self.book.put(alert)
        self.holds.note(alert)

    def reschedule(self) -> None:
        """The rules or the clock changed: ask anew when what is due."""
        self.book.reschedule()
        self.holds.reschedule()
        self.meters.reschedule()

    async def recall(self) -> None:
        """At start: what the rules have counted so far."""
        self.meters.load(await self._store.meters(), self._clock.now())
        await self.adopt(self.rules)

    async def adopt(self, rules: Rules) -> None:
        """These rules from now on; what is on its way stays as it was sorted."""
        asked = [rule.name for rule in rules.config.rules if self.meters.is_new_to(rule)]
        known = await self._store.fingerprints(asked) if asked else []
        self.rules = rules
        self.meters.apply(rules.by_name, self._clock.now())
        self.meters.learn(known, self._clock.now())
        self.reschedule()

    def waiting_positions(self) -> Sequence[Position]:
        """Positions handed over that aren't in the store yet."""
        return list(self._positions.values())

    def status(self) -> Json:
        """For `relay status`."""
        return {
            "events": dict(self.counts),
            "live_alerts": len(self.book),
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
        for batch in batches:
            checks += batch.checks
            for event in batch.events:
                if event.id and not self.ids.add(event.program, event.id):
                    self.counts["repeated_ids"] += 1
                    continue
                if event.program and beats.LABEL in event.labels and (record := self._watched.beat(event)):
                    checks.append(record)
                owner: Problem | None = None
                for problem in self._problems(rules, event, problems):
                    if owner is None or owner.rule.absent is not None:  # one that only looks on comes last
                        owner = problem
                self.counts["matched" if owner else "unmatched"] += 1
                if owner or event.program:  # what a writer was told is stored, is stored
                    rows.append((event, owner))
                else:
                    self.tally[_counted_as(event, None)] += 1
        return Sorted(rules, batches, problems, rows, checks)

    def _problems(self, rules: Rules, event: Event, problems: dict[str, Problem]) -> list[Problem]:
        """The problems that the event belongs to, known or new; it is counted in each."""
        if told.is_over(event):
            return self._ended(rules, event, problems)
        taken, ends = self._route(rules, event)
        found = self._covered(rules, event, problems) if taken and self._watched.down else []
        if found:  # rules that only look on see it all the same
            taken = [rule for rule in taken if rule.absent is not None]
        for rule in (*taken, *(rule for rule in ends if rule not in taken)):
            if event.source == told.WATCHDOG:
                key = key_of(event, rule)
            else:
                self._serial += 1
                key = subject(event, rule, serial=str(self._serial))
            problem = problems.get(key.key)
            if problem is None:
                problem = problems[key.key] = Problem(rule, key)
            problem.events.append(event)
            if rule in ends:
                problem.ending.add(id(event))
            found.append(problem)
        return found

    def _ended(self, rules: Rules, event: Event, problems: dict[str, Problem]) -> list[Problem]:
        """The check's alerts, by whatever rule they came: the event ends them."""
        found = []
        for rule, alert in alerts_of(event.module, rules.by_name, self.book, rules.config.operators):
            known = Problem(rule, Fingerprint(alert.fingerprint, alert.title))
            problem = problems.setdefault(alert.fingerprint, known)
            problem.over = event
            found.append(problem)
        return found

    def _covered(self, rules: Rules, event: Event, problems: dict[str, Problem]) -> list[Problem]:
        """The alerts of the outage that the event belongs to: it is counted there, not told apart."""
        if event.source in {RELAY, told.WATCHDOG}:
            return []
        name = rules.outages.outage_of(event, self._watched.down)
        found = []
        if not name:
            return []
        module, operators = told.module_of(name), rules.config.operators
        for rule, alert in alerts_of(module, rules.by_name, self.book, operators):
            known = Problem(rule, Fingerprint(alert.fingerprint, alert.title), linked=True)
            problem = problems.setdefault(alert.fingerprint, known)
            problem.events.append(event)
            found.append(problem)
        return found

    def _route(self, rules: Rules, event: Event) -> tuple[Sequence[Rule], Sequence[Rule]]:
        """The rules that take the event, and those of whose pair it is the end.

        None takes what relay itself has logged, or it would go round.
        """
        found = rules.route(event)
        if event.source == RELAY:
            return found, ()
        ends = rules.ruleset.ends(event)
        if (found or ends) and own_log.is_own(event.message, event.labels):
            self.counts["own_lines"] += 1
            return (), ()
        return found, ends

    async def _decide(
        self, rules: Rules, problem: Problem, now: float, commit: Commit, changed: dict[str, Alert]
    ) -> None:
        """What one problem's events lead to: the alert as it is now, and what is owed to whom."""
        before = self.book.get(problem.fingerprint.key)
        if problem.over is not None:
            self._end(rules, problem, problem.over, now, commit, changed)
            return
        event, rule, key = problem.events[0], problem.rule, problem.fingerprint
        if event.source == RELAY and "cleared" in event.labels:
            if before is None:
                return
            over = structs.replace(rule, resolve_after=0.0)
            decision = decide(over, before, None, reached_by(rules.config, rule, now, event), now)
            decision = self._owe(rules, decision, before, event, now, commit)
            problem.alert, problem.reason = decision.alert.id, decision.reason.value
            changed[key.key] = decision.alert
            return
        problem.alert = before.id if before else 0
        arrived = Arrived(problem.events, now, live=before is not None, ending=problem.ending)
        outcome = Outcome(state=None, told=tuple(problem.events))
        if not problem.linked:
            outcome = self.meters.take(rule, key.key, arrived)
        problem.held = {id(each): held for each, held in outcome.held}
        await self._follow(rules, problem, outcome, now, commit, changed)

    async def _follow(
        self,
        rules: Rules,
        problem: Problem,
        outcome: Outcome,
        now: float,
        commit: Commit,
        changed: dict[str, Alert],
    ) -> None:
        """What a meter let pass becomes an alert, or part of one; then the alert may be over."""
        rule, key = problem.rule, problem.fingerprint
        before = changed.get(key.key) or self.book.get(key.key)
        if outcome.told:
            if before is not None and before.state is AlertState.RESOLVED:
                commit.alerts.append(before)  # it ended in this very turn
                before = None
            occurrence = fold(outcome.told)
            if outcome.earlier:
                occurrence = structs.replace(
                    occurrence,
                    count=occurrence.count + outcome.earlier,
                    first=min(occurrence.first, outcome.since),
                )
            reached = reached_by(rules.config, rule, now, outcome.told[0])
            new_id = before.id if before else self._store.next_ids(1)
            if any(map(told.is_pressing, outcome.told)):
                occurrence = structs.replace(occurrence, pressing="what became of the remedy")
            decision = decide(rule, before, occurrence, reached, now, new_id=new_id, fingerprint=key)
            if before is None:
                commit.samples[decision.alert.id] = outcome.told[0]
            decision = self._owe(rules, decision, before, outcome.told[0], now, commit, outcome.counted)
            reason = decision.reason
            if problem.linked and reason is Reason.WINDOW:
                reason = Reason.LINKED
            problem.alert, problem.reason = decision.alert.id, reason.value
            changed[key.key] = before = decision.alert
        if outcome.over and before is not None and before.state is not AlertState.RESOLVED:
            sample = outcome.held[-1][0] if outcome.held else None
            about = sample
            if needs_event(rules.config, rule.to):
                about = await self._sample(before.id, commit) or sample
            reached = reached_by(rules.config, rule, now, about)
            alert = structs.replace(before, last_seen=max(before.last_seen, now))
            decision = end(rule, alert, reached, now, outcome.over)
            decision = self._owe(rules, decision, before, sample, now, commit, (outcome.over,))
            changed[key.key] = decision.alert

    async def _wake_meters(
        self,
        rules: Rules,
        now: float,
        commit: Commit,
        changed: dict[str, Alert],
        rows: list[tuple[Event, Problem | None]],
    ) -> None:
        """What rules make of time passing without an event; what they then tell of is stored like one."""
        if self._clock.monotonic() < self._timers_from:
            return
        for rule, key, outcome in self.meters.wake(now, MOST_DUE):
            problem = Problem(rule, Fingerprint(key, outcome.title))
            await self._follow(rules, problem, outcome, now, commit, changed)
            rows.extend((event, problem) for event in outcome.told)

    def _end(
        self,
        rules: Rules,
        problem: Problem,
        over: Event,
        now: float,
        commit: Commit,
        changed: dict[str, Alert],
    ) -> None:
        """The check says that it is over; events of the same batch are counted first."""
        before = self.book.get(problem.fingerprint.key)
        if before is None:  # it ended between being sorted and being decided
            return
        count = before.count + len(problem.events)
        alert = structs.replace(before, count=count, last_seen=over.time, touched_at=now)
        reached = reached_by(rules.config, problem.rule, now, over)
        decision = end(problem.rule, alert, reached, now, over.message.partition("\n")[0])
        decision = self._owe(rules, decision, before, over, now, commit)
        problem.alert, problem.reason = decision.alert.id, decision.reason.value
        changed[problem.fingerprint.key] = decision.alert

    async def _decide_due(self, rules: Rules, now: float, commit: Commit, changed: dict[str, Alert]) -> None:
        """Alerts whose time has come without an event: reminders, resolutions, closing lines."""
        if self._clock.monotonic() < self._timers_from:
            return
        ready = self.book.pop_due(now, MOST_DUE)
        surplus = len(self.book) - MOST_LIVE
        if surplus > 0:
            # As if they had been quiet for long: they end now, with their closing lines.
            ready += [structs.replace(alert, touched_at=0.0) for alert in self.book.quietest(surplus)]
        for alert in ready:
            if alert.fingerprint in changed:
                continue
            rule = rules.by_name.get(alert.rule)
            sample: Event | None = None
            if rule and needs_event(rules.config, rule.to):
                sample = await self._sample(alert.id, commit)
            reached = reached_by(rules.config, rule, now, sample) if rule else []
            decision = decide(rule, alert, None, reached, now)
            if decision.told and sample is None:
                sample = await self._sample(alert.id, commit)
            decision = self._owe(rules, decision, alert, sample, now, commit)
            changed[alert.fingerprint] = decision.alert

    def _owe(
        self,
        rules: Rules,
        decision: Decision,
        before: Alert | None,
        sample: Event | None,
        now: float,
        commit: Commit,
        counted: tuple[str, ...] = (),
    ) -> Decision:
        """Deliveries of one decision, as far as nothing holds them back; what has become of it.

        With what the rule counted, and how much it held back until now.
        """
        if decision.reason is Reason.WINDOW or decision.reason is Reason.QUIET:
            return decision
        own = decision.alert.rule == rules.own.name  # few by themselves, and needed most in a storm
        rule = None if own else rules.by_name.get(decision.alert.rule)
        decision = self.holds.judge(rules.config, rule, decision, before, sample, now)
        alert = decision.alert
        counted += self.meters.owed(alert.rule, alert.fingerprint)
        for each in decision.told:
            commit.deliveries.append(self._delivery(rules, each, decision, before, sample, now, counted))
        if decision.told:
            self.meters.settle(alert.rule, alert.fingerprint, now)
        commit.traces[alert.id] = {**decision.trace, "counted": counted} if counted else decision.trace
        return decision

    async def _release(self, rules: Rules, now: float, commit: Commit, changed: dict[str, Alert]) -> None:
        """What was held and is due: one message each, and the alerts whose events it makes up for."""
        if self._clock.monotonic() < self._timers_from:
            return

        world = _World(rules, now, self.book, changed)
        tellings, reminded = self.holds.release(world, now)
        changed.update({alert.fingerprint: alert for alert in reminded})
        for telling in tellings:
            for part in telling.parts:
                lines = part.account.lines
                sample = await self._sample(lines[0].alert, commit) if part.account.alerts == 1 else None
                for reached in self._reached(rules, telling.hold, part, now):
                    name, opens_at = reached.recipient, reached.opens_at
                    if telling.hold.kind is Kind.BUDGET or self.holds.afford(
                        rules.config, name, part.account, now, opens_at
                    ):
                        commit.deliveries.append(
                            self._held_delivery(rules, telling, part, reached, sample, now)
                        )

    async def _sample(self, alert: int, commit: Commit) -> Event | None:
        if alert in commit.samples:
            return commit.samples[alert]
        row = await self._store.alert(alert)
        return row.sample if row else None

    def _reached(self, rules: Rules, hold: Hold, part: Part, now: float) -> Sequence[Reached]:
        """Who was to be told; if they are gone, whom the rule names now; else the operators."""
        rule = rules.by_name.get(hold.rule)
        for to in (part.to, rule.to if rule else (), rules.config.operators):
            if reached := [each for each in addresses(rules.config, to, now) if each.opens_at < NEVER]:
                return reached
        log.error("nobody_to_tell", held=hold.key, events=part.account.events)
        return ()

    def _held_delivery(
        self, rules: Rules, telling: Telling, part: Part, reached: Reached, sample: Event | None, now: float
    ) -> Delivery:
        """What was held, to one recipient."""
        over = part.account.is_over if telling.goes_on is None else not telling.goes_on

        def written(key: str) -> Message:
            return held_message(
                telling.hold, part.account, telling.reason, sample, key=key, ends=over, note=telling.note
            )

        one = Told(reached.recipient, reached.addresses, telling.reason)
        delivery = self._addressed(rules, one, one.reason, written, now)
        match telling.hold.kind:
            case Kind.GROUP | Kind.STORM:
                return structs.replace(delivery, thread=telling.hold.key)
            case Kind.BUDGET:  # this recipient's alone: nothing newer makes it stale, nobody shares it
                return structs.replace(delivery, alert=0)
        return delivery

    def _delivery(
        self,
        rules: Rules,
        told: Told,
        decision: Decision,
        before: Alert | None,
        sample: Event | None,
        now: float,
        counted: tuple[str, ...],
    ) -> Delivery:
        own = sample is not None and sample.source == RELAY
        avoid = sample.labels.get("avoid", "") if sample is not None and own else ""
        return self._addressed(
            rules,
            told,
            Reason.OPERATORS if own else told.reason,
            lambda key: message(decision, before, sample, key, told, counted),
            now,
            avoid=avoid,
        )

    def _addressed(
        self,
        rules: Rules,
        told: Told,
        reason: Reason,
        written: Callable[[str], Message],
        now: float,
        *,
        avoid: str = "",
    ) -> Delivery:
        """A message to one recipient as an outbox row, with a seat if there is one; `written` takes a key."""
        number = self._store.next_ids(1)
        text = written(f"{self._store.id}-{number}")
        first, *others = self._outlets.order(told.addresses, avoid)
        expire = max(rules.config.backends[each.backend].expire for each in told.addresses)
        seated = not told.not_before and self._outlets.seat(first, number)
        due_at = max(now, told.not_before)
        return Delivery(
            id=number,
            alert=text.alert,
            recipient=told.recipient,
            reason=reason,
            address=first,
            fallbacks=tuple(others),
            message=text,
            state=DeliveryState.SENDING if seated else DeliveryState.PENDING,
            created_at=due_at,  # what waits for someone's hours isn't late then
            next_at=due_at,
            expires_at=due_at + expire,
            lease_until=now + LEASE if seated else 0.0,
        )

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
        now, rule = self._clock.now(), self.rules.by_name.get(alert.rule)
        if rule is None or not alert.standings:
            return due(alert, rule, now)
        return due(alert, rule, now, expected_by(self.rules.config, rule, now, alert.standings))

    def _heed_clock(self) -> None:
        """A clock that was set makes due times wrong: ask anew."""
        offset = self._clock.now() - self._clock.monotonic()
        if abs(offset - self._offset) > CLOCK_SET:
            log.warning("clock_was_set", seconds=round(offset - self._offset, 1))
            self.meters.clock_set(offset - self._offset, self._clock.now())
            self.reschedule()
        self._offset = offset


def _counted_as(event: Event, owner: Problem | None) -> tuple[str, str, str]:
    """(source, rule, reason)."""
    if owner is None:
        return event.source, "", Reason.NO_RULE.value
    return event.source, owner.rule.name, owner.reason_of(event)
