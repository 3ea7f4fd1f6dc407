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
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import structlog
from msgspec import Struct, field, structs

from relay import log as own_log
from relay.book import Book, RecentIds
from relay.clock import Clock
from relay.config.schema import Config, Rule
from relay.errors import StoreBusyError, StoreFullError
from relay.hushes import Hushes
from relay.links import Links
from relay.metrics import Histogram
from relay.models import (
    Acknowledge,
    Address,
    Alert,
    AlertState,
    Batch,
    Delivery,
    DeliveryState,
    EndSilence,
    Event,
    Json,
    Message,
    Order,
    Position,
    Reason,
    Silence,
)
from relay.outbox.store import Commit, Store, StoredEvent
from relay.routing import hush as hush_lines
from relay.routing.calendar import NEVER
from relay.routing.decide import Around, Decision, Occurrence, Told, decide, due, fold
from relay.routing.escalation import acknowledged, audience, expected, next_step
from relay.routing.fingerprint import Fingerprint, fingerprint
from relay.routing.inhibit import seen
from relay.routing.recipients import Reached, addresses, needs_event
from relay.routing.render import message
from relay.routing.ruleset import Ruleset
from relay.routing.silence import key_of as hush_key
from relay.routing.silence import words_of
from relay.sources.intake import Intake
from relay.sources.scan.sieve import Sieves
from relay.unheard import Unheard

log = structlog.get_logger()

MOST_EVENTS: Final = 2000  # per transaction
MOST_DUE: Final = 500  # alerts whose time has come, per transaction
MOST_LIVE: Final = 50_000  # live alerts in memory; beyond, the quietest are closed
POSITIONS_EVERY: Final = 1.0  # seconds that positions which caused nothing may wait
TURN: Final = 5.0  # seconds at most between two turns, so that the watchdog sees them
GRACE: Final = (
    10.0  # seconds after start in which nothing is resolved: what was written meanwhile is read first
)
CLOCK_SET: Final = 2.0  # seconds by which the wall clock may stray from the monotonic one between two turns
LEASE: Final = 120.0  # seconds a handed-over delivery stays claimed
RELAY: Final = "relay"  # source and first module name of relay's own events

_UNEVENTFUL: Final = (Reason.WINDOW, Reason.QUIET, Reason.ACKED)  # the trace of what came before says more


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
        )
        note = Rule(name="relay reports", to=config.operators, fingerprint="event", repeat=())
        by_name = {rule.name: rule for rule in (*config.rules, own, note)}
        return cls(config, ruleset, by_name, own, note)

    def route(self, event: Event) -> Sequence[Rule]:
        """The rules that take the event; relay's own news go to the operators."""
        if event.source == RELAY:
            return (self.note if "note" in event.labels else self.own,)
        return self.ruleset.route(event)


class Problem(Struct):
    """Events of one problem within one batch: counted before anything is decided."""

    rule: Rule
    fingerprint: Fingerprint
    events: list[Event] = field(default_factory=list)
    alert: int = 0  # the alert's id, once decided
    reason: str = ""


class Sorted(Struct):
    """A batch on its way: what one reading of the rules makes of its events."""

    rules: Rules
    batches: Sequence[Batch]
    problems: dict[str, Problem]  # by fingerprint
    rows: list[tuple[Event, Problem | None]]  # the events to store, each with its (first) problem


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
    ) -> None:
        self.rules = rules  # swapped by `apply`; read once per batch
        self.book = Book(self._due)
        self.hushes = Hushes(rules.config)
        self.links = Links(rules.config.http)
        self._unheard = Unheard(store, clock)
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
        for order in [order for each in batches for order in each.orders]:
            self._heed_order(rules, order, now, commit, changed)
        for problem in sorted(problems.values(), key=lambda each: self.hushes.rank(each.rule)):
            self._decide(rules, problem, now, commit, changed)
        await self._decide_due(rules, now, commit, changed)
        for event, owner in rows:
            alert, reason = (owner.alert, owner.reason) if owner else (0, Reason.NO_RULE.value)
            commit.events.append(StoredEvent(event, alert, reason, now))
        self.tally.update([_counted_as(event, owner) for event, owner in rows])
        commit.alerts.extend(changed.values())
        self._take_positions(batches, commit)
        if commit.events or commit.alerts or commit.positions or commit.silences or commit.closed:
            await self._write(commit)
        for latest in changed.values():
            self.book.put(latest)
            self._unheard.note(latest, rules.by_name.get(latest.rule))
        self._hand_over(commit.deliveries)
        for each in batches:
            if each.done is not None:
                each.done(None)
        self.turned_at = self._clock.monotonic()

    async def remember(self) -> None:
        """What the store knows of the time before: live alerts, and what holds them back."""
        alerts = await self._store.live_alerts()
        await self.links.load(self._store)
        self.hushes.load(await self._store.silences(), await self._store.withheld(), alerts)
        for alert in alerts:
            self.book.put(alert)
            self._unheard.note(alert, self.rules.by_name.get(alert.rule))

    def apply(self, rules: Rules) -> None:
        """Take an edit of the rules."""
        self.rules = rules
        self.links.apply(rules.config.http)
        self.hushes.apply(rules.config, self.book.all())
        for alert in self.book.all():
            self._unheard.note(alert, rules.by_name.get(alert.rule))
        self.book.reschedule()

    def waiting_positions(self) -> Sequence[Position]:
        """Positions handed over that aren't in the store yet."""
        return list(self._positions.values())

    def status(self) -> Json:
        """For `relay status`."""
        return {
            "events": dict(self.counts),
            "live_alerts": len(self.book),
            "silences": self._silences_in_force(),
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
        upcoming = self.book.next_due()
        if upcoming is not None:
            wait = min(wait, max(0.0, upcoming - self._clock.now()))
        try:
            async with asyncio.timeout(wait):
                return await self._intake.get(MOST_EVENTS)
        except TimeoutError:
            return [Batch(events=[])]

    def _sort(self, batches: Sequence[Batch], rules: Rules) -> Sorted:
        """Events by problem; nothing is decided yet."""
        problems: dict[str, Problem] = {}
        rows: list[tuple[Event, Problem | None]] = []
        for batch in batches:
            for event in batch.events:
                if event.id and not self.ids.add(event.program, event.id):
                    self.counts["repeated_ids"] += 1
                    continue
                owner: Problem | None = None
                for rule in self._route(rules, event):
                    self._serial += 1
                    key = fingerprint(event, rule, serial=str(self._serial))
                    problem = problems.get(key.key)
                    if problem is None:
                        problem = problems[key.key] = Problem(rule, key)
                    problem.events.append(event)
                    owner = owner or problem
                self.counts["matched" if owner else "unmatched"] += 1
                if owner or event.program:  # what a writer was told is stored, is stored
                    rows.append((event, owner))
                else:
                    self.tally[_counted_as(event, None)] += 1
        return Sorted(rules, batches, problems, rows)

    def _route(self, rules: Rules, event: Event) -> Sequence[Rule]:
        """The rules that take the event; none takes what relay itself has logged, or it would go round."""
        found = rules.route(event)
        if found and event.source != RELAY and own_log.is_own(event.message, event.labels):
            self.counts["own_lines"] += 1
            return ()
        return found

    def _decide(
        self, rules: Rules, problem: Problem, now: float, commit: Commit, changed: dict[str, Alert]
    ) -> None:
        """What one problem's events lead to: the alert as it is now, and what is owed to whom."""
        event, rule, key = problem.events[0], problem.rule, problem.fingerprint
        before = changed.get(key.key) or self.book.get(key.key)
        occurrence: Occurrence | None = fold(problem.events)
        new_id = before.id if before else 0
        if event.source == RELAY and "cleared" in event.labels:
            if before is None:
                return
            rule, occurrence = structs.replace(rule, resolve_after=0.0), None
        elif before is None:
            new_id = self._store.next_ids(1)
        reached = audience(rules.config, rule, before, now, event)

        def decided(around: Around) -> Decision:
            return decide(
                rule, before, occurrence, reached, now, new_id=new_id, fingerprint=key, around=around
            )

        decision = self._unless_held(decided, before, event, now, Around())
        if rule.inhibit:
            equal = seen(rule, decision.alert.equal, problem.events)
            decision = structs.replace(decision, alert=structs.replace(decision.alert, equal=equal))
        commit.silences += self.hushes.saw(decision.alert, event, now)
        problem.alert, problem.reason = decision.alert.id, decision.reason.value
        if before is None:
            commit.samples[decision.alert.id] = event
        self._take(rules, decision, before, event, now, commit, changed)

    def _unless_held(
        self,
        decided: Callable[[Around], Decision],
        before: Alert | None,
        sample: Event | None,
        now: float,
        around: Around,
    ) -> Decision:
        """A decision; where it would tell someone, or is about what is held back, with what holds it now."""
        marked = before is not None and bool(before.hushed)
        if not marked and self.hushes.idle():
            return decided(around)
        plain = decided(around)
        if not marked and not plain.told:
            return plain
        hush = self.hushes.on(plain.alert, sample, now)
        if hush is not None:
            self.hushes.called(hush)
        elif not marked:
            return plain
        over = self.hushes.words(before.hushed) if before is not None and before.hushed else ""
        return decided(structs.replace(around, hush=hush, over=over))

    def _take(
        self,
        rules: Rules,
        decision: Decision,
        before: Alert | None,
        sample: Event | None,
        now: float,
        commit: Commit,
        changed: dict[str, Alert],
    ) -> None:
        """What a decision leads to becomes part of this turn's transaction."""
        self._owe(rules, decision, before, sample, now, commit)
        if decision.booked:
            commit.withheld += self.hushes.book(decision)
        changed[decision.alert.fingerprint] = decision.alert
        self.hushes.note(decision.alert)

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
            await self._decide_later(rules, alert, now, commit, changed)
        for alert in await self._unheard.look(now):
            await self._decide_later(rules, alert, now, commit, changed, unaccepted=True)
        commit.silences += self.hushes.run_out(now)
        for key in self.hushes.over(now):
            await self._let_go(rules, key, now, commit, changed)
        for silence in self.hushes.ending(now):
            self._recall(rules, silence, now, commit)

    async def _decide_later(
        self,
        rules: Rules,
        alert: Alert,
        now: float,
        commit: Commit,
        changed: dict[str, Alert],
        *,
        unaccepted: bool = False,
    ) -> Decision | None:
        """What becomes of an alert by time alone; None: events had their say in this turn."""
        if alert.fingerprint in changed:
            return None
        rule = rules.by_name.get(alert.rule)
        sample: Event | None = None
        if rule and (alert.hushed or needs_event(rules.config, rule.to)):
            sample = await self._sample(alert)
        reached = audience(rules.config, rule, alert, now, sample) if rule else []
        step = next_step(rule, alert)
        around = Around(next=addresses(rules.config, step.to, now) if step else (), unaccepted=unaccepted)

        def decided(around: Around) -> Decision:
            return decide(rule, alert, None, reached, now, around=around)

        decision = decided(around)
        if decision.told or alert.hushed:
            sample = sample or await self._sample(alert)
            decision = self._unless_held(decided, alert, sample, now, around)
        self._take(rules, decision, alert, sample, now, commit, changed)
        return decision

    async def _let_go(
        self, rules: Rules, key: str, now: float, commit: Commit, changed: dict[str, Alert]
    ) -> None:
        """A hold is over: its alerts that go on are told of, and then what only its closing line can tell."""
        going_on: Counter[str] = Counter()
        for held in self.hushes.hushed_by(key)[:MOST_DUE]:
            alert = self.book.get(held)
            decision = alert and await self._decide_later(rules, alert, now, commit, changed)
            if decision and decision.alert.state is not AlertState.RESOLVED:
                going_on.update(told.recipient for told in decision.told)
        if self.hushes.hushed_by(key):
            return  # the rest has its turn next
        words = self.hushes.words(key)
        for account in self.hushes.close(key):
            text = hush_lines.closing(account, words, going_on[account.recipient], now, "")
            known = addresses(rules.config, (account.recipient,), now)
            person = known[0] if known else Reached(account.recipient, account.addresses)
            self._owe_note(rules, person, text, now, commit)
        commit.closed.append(key)

    def _recall(self, rules: Rules, silence: Silence, now: float, commit: Commit) -> None:
        """A silence ends soon: its author is told, and those from whom it holds something back."""
        commit.silences.append(silence)
        found = map(self.book.get, self.hushes.hushed_by(hush_key(silence)))
        alerts = [alert for alert in found if alert is not None]
        waiting: dict[str, tuple[Reached, list[Alert]]] = {
            person.recipient: (person, []) for person in addresses(rules.config, (silence.author,), now)
        }
        for alert in alerts:
            rule = rules.by_name.get(alert.rule)
            for person in expected(rules.config, rule, alert, now) if rule else ():
                waiting.setdefault(person.recipient, (person, []))[1].append(alert)
        for person, theirs in waiting.values():
            if person.opens_at:
                continue  # by then it is over
            text = hush_lines.ending(words_of(silence), silence.ends_at, theirs or alerts, now, "")
            self._owe_note(rules, person, text, now, commit)

    def _heed_order(
        self, rules: Rules, order: Order, now: float, commit: Commit, changed: dict[str, Alert]
    ) -> None:
        """What somebody wants done."""
        match order:
            case Silence():
                self.hushes.put(order)
                commit.silences.append(order)
            case EndSilence():
                ended = self.hushes.end(order.silence, order.by, now)
                commit.silences += [ended] if ended else []
            case Acknowledge():
                self._acknowledge(rules, order, now, commit, changed)

    def _acknowledge(
        self, rules: Rules, order: Acknowledge, now: float, commit: Commit, changed: dict[str, Alert]
    ) -> None:
        found = self.book.by_id(order.alert)
        alert = changed.get(found.fingerprint, found) if found is not None else None
        if alert is None:
            return
        latest = acknowledged(alert, order, rules.by_name.get(alert.rule), now)
        if latest is not alert:
            log.info("alert_acknowledged", alert=alert.id, by=order.by, undone=order.undo)
            what = "no longer acknowledged, by" if order.undo else "acknowledged by"
            commit.traces[alert.id] = {
                "at": now,
                "rule": alert.rule,
                "reason": Reason.ACKED.value,
                "why": f"{what} {order.by}",
                "until": latest.acked_until,
                "count": alert.count,
                "told": {},
            }
        changed[latest.fingerprint] = latest
        self.hushes.note(latest)

    def _silences_in_force(self) -> int:
        planned = sum(held is not None for _, held in self.hushes.planned(self._clock.now()))
        return len(self.hushes.silences()) + planned

    async def _sample(self, alert: Alert) -> Event | None:
        row = await self._store.alert(alert.id)
        return row.sample if row else None

    def _owe(
        self,
        rules: Rules,
        decision: Decision,
        before: Alert | None,
        sample: Event | None,
        now: float,
        commit: Commit,
    ) -> None:
        """Deliveries of one decision."""
        if decision.reason in _UNEVENTFUL:
            return
        commit.traces[decision.alert.id] = decision.trace
        for told in decision.told:
            commit.deliveries.append(self._delivery(rules, told, decision, before, sample, now))

    def _delivery(
        self,
        rules: Rules,
        told: Told,
        decision: Decision,
        before: Alert | None,
        sample: Event | None,
        now: float,
    ) -> Delivery:
        own = sample is not None and sample.source == RELAY
        avoid = sample.labels.get("avoid", "") if sample is not None and own else ""
        text = message(decision, before, sample, "", told)
        person = Reached(told.recipient, told.addresses, told.not_before)
        delivery = self._addressed(rules, person, text, now, avoid)
        links = self._links_of(rules, decision.alert, told.recipient, now)
        return structs.replace(
            delivery,
            alert=decision.alert.id,
            reason=Reason.OPERATORS if own else told.reason,
            message=structs.replace(delivery.message, links=links),
        )

    def _links_of(
        self, rules: Rules, alert: Alert, recipient: str, now: float
    ) -> tuple[tuple[str, str], ...]:
        """What to do about an alert: its runbook, and while it fires what can be done by following a link."""
        rule = rules.by_name.get(alert.rule)
        runbook = (("runbook", rule.runbook),) if rule is not None and rule.runbook else ()
        firing = alert.state is AlertState.FIRING
        return runbook + (self.links.made(alert.id, recipient, now) if firing else ())

    def _owe_note(self, rules: Rules, person: Reached, text: Message, now: float, commit: Commit) -> None:
        """A delivery about what relay does, within their hours; not to addresses whose backend has gone."""
        ways = tuple(each for each in person.addresses if each.backend in rules.config.backends)
        if ways and person.opens_at < NEVER:
            person = structs.replace(person, addresses=ways)
            commit.deliveries.append(self._addressed(rules, person, text, now))

    def _addressed(
        self, rules: Rules, person: Reached, text: Message, now: float, avoid: str = ""
    ) -> Delivery:
        """A delivery of that message, with a seat if there is one; it waits for their hours."""
        number = self._store.next_ids(1)
        first, *others = self._outlets.order(person.addresses, avoid)
        expire = max(rules.config.backends[each.backend].expire for each in person.addresses)
        due_at = max(now, person.opens_at)
        seated = not person.opens_at and self._outlets.seat(first, number)
        return Delivery(
            id=number,
            alert=0,
            recipient=person.recipient,
            reason=text.reason,
            address=first,
            fallbacks=tuple(others),
            message=structs.replace(text, key=f"{self._store.id}-{number}"),
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

    def _due(self, alert: Alert) -> float | None:
        now, rule = self._clock.now(), self.rules.by_name.get(alert.rule)
        if rule is None or not alert.standings:
            return due(alert, rule, now)
        return due(alert, rule, now, expected(self.rules.config, rule, alert, now))

    def _heed_clock(self) -> None:
        """A clock that was set makes due times wrong: ask anew."""
        offset = self._clock.now() - self._clock.monotonic()
        if abs(offset - self._offset) > CLOCK_SET:
            log.warning("clock_was_set", seconds=round(offset - self._offset, 1))
            self.book.reschedule()
        self._offset = offset


def _counted_as(event: Event, owner: Problem | None) -> tuple[str, str, str]:
    """(source, rule, reason)."""
    if owner is None:
        return event.source, "", Reason.NO_RULE.value
    return event.source, owner.rule.name, owner.reason
