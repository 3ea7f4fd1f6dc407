"""What becomes of alerts within a turn: by their events, by time alone, by what people want.

A decision goes through two hands before anybody is told. Silences and inhibitions come first (`Hushes`): what
they hush is still owed by the alert itself. What is left goes to groups, storms, flapping and budgets
(`Holds`), which tell it later in a message of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog
from msgspec import structs

from relay.book import Book
from relay.config.schema import Rule
from relay.holds import Holds
from relay.hushes import Hushes
from relay.meters import Meters
from relay.models import Acknowledge, Alert, AlertState, EndSilence, Event, Order, Reason, Silence
from relay.outbox.store import Store
from relay.owing import Owing
from relay.placing import linked
from relay.routing import hush as hush_lines
from relay.routing.decide import Around, Decision, decide, end, fold
from relay.routing.escalation import acknowledged, audience, expected, next_step
from relay.routing.inhibit import seen
from relay.routing.meters.base import Arrived, Outcome
from relay.routing.recipients import Reached, addresses, needs_event
from relay.routing.silence import key_of as hush_key
from relay.routing.silence import words_of
from relay.rulebook import RELAY
from relay.turn import Problem, Turn
from relay.watchdog import told

log = structlog.get_logger()

MOST_DUE: Final = 500  # alerts whose time has come, per transaction
_UNEVENTFUL: Final = (Reason.WINDOW, Reason.QUIET, Reason.ACKED)  # the trace of what came before says more


class Deciding:
    """Decides, and enters in the turn what comes of it."""

    def __init__(
        self, store: Store, book: Book, holds: Holds, hushes: Hushes, meters: Meters, owing: Owing
    ) -> None:
        self._store = store
        self._book = book
        self._holds = holds
        self._hushes = hushes
        self._meters = meters
        self._owing = owing

    # --- events ---

    async def problem(self, turn: Turn, problem: Problem) -> None:
        """What one problem's events lead to: the alert as it is now, and what is owed to whom."""
        before = self._now(turn, problem.fingerprint.key)
        if problem.over is not None:
            self._ended(turn, problem, problem.over, before)
            return
        event, key = problem.events[0], problem.fingerprint.key
        if event.source == RELAY and "cleared" in event.labels:
            self._cleared(turn, problem, event, before)
            return
        problem.alert = before.id if before else 0
        outcome = Outcome(state=None, told=tuple(problem.events))
        if not problem.linked:
            live = before is not None
            arrived = Arrived(problem.events, turn.now, live=live, ending=problem.ending)
            outcome = self._meters.take(problem.rule, key, arrived)
        problem.held = {id(each): held for each, held in outcome.held}
        await self.follow(turn, problem, outcome)

    async def follow(self, turn: Turn, problem: Problem, outcome: Outcome) -> None:
        """What a meter let pass becomes an alert, or part of one; then the alert may be over."""
        if outcome.told:
            self._told(turn, problem, outcome)
        before = self._now(turn, problem.fingerprint.key)
        if outcome.over and before is not None and before.state is not AlertState.RESOLVED:
            await self._stands_no_more(turn, problem.rule, before, outcome)

    def _told(self, turn: Turn, problem: Problem, outcome: Outcome) -> None:
        rule, key, event = problem.rule, problem.fingerprint, outcome.told[0]
        before = self._now(turn, key.key)
        if before is not None and before.state is AlertState.RESOLVED:
            turn.commit.alerts.append(before)  # it ended in this very turn
            before = None
        occurrence = fold(outcome.told)
        if outcome.earlier:
            count = occurrence.count + outcome.earlier
            occurrence = structs.replace(occurrence, count=count, first=min(occurrence.first, outcome.since))
        if pressing := next(filter(None, map(told.pressing, outcome.told)), ""):
            occurrence = structs.replace(occurrence, pressing=pressing)
        new_id = before.id if before else self._store.next_ids(1)
        reached = audience(turn.rules.config, rule, before, turn.now, event)

        def decided(around: Around) -> Decision:
            return decide(
                rule, before, occurrence, reached, turn.now, new_id=new_id, fingerprint=key, around=around
            )

        decision = self._unless_hushed(turn, decided, before, event, Around())
        if any(map(told.is_given_up, outcome.told)):
            decision = structs.replace(decision, last_word=True)
        if rule.inhibit:
            equal = seen(rule, decision.alert.equal, outcome.told)
            decision = structs.replace(decision, alert=structs.replace(decision.alert, equal=equal))
        turn.commit.silences += self._hushes.saw(decision.alert, event, turn.now)
        if before is None:
            turn.commit.samples[decision.alert.id] = event
        decision = self._take(turn, decision, before, event, outcome.counted)
        reason = linked(decision.reason) if problem.linked else decision.reason
        problem.alert, problem.reason = decision.alert.id, reason.value

    async def _stands_no_more(self, turn: Turn, rule: Rule, before: Alert, outcome: Outcome) -> None:
        """The condition that the alert stands for is over."""
        about = sample = outcome.held[-1][0] if outcome.held else None
        if needs_event(turn.rules.config, rule.to):
            about = await turn.sample(self._store, before.id) or sample
        reached = audience(turn.rules.config, rule, before, turn.now, about)
        alert = structs.replace(before, last_seen=max(before.last_seen, turn.now))
        decision = end(rule, alert, reached, turn.now, outcome.over)
        self._take(turn, decision, before, sample, (outcome.over,))

    def _cleared(self, turn: Turn, problem: Problem, event: Event, before: Alert | None) -> None:
        """Relay's own trouble is over."""
        if before is None:
            return
        over = structs.replace(problem.rule, resolve_after=0.0)
        reached = audience(turn.rules.config, over, before, turn.now, event)

        def decided(around: Around) -> Decision:
            return decide(over, before, None, reached, turn.now, around=around)

        decision = self._unless_hushed(turn, decided, before, event, Around())
        decision = self._take(turn, decision, before, event)
        problem.alert, problem.reason = decision.alert.id, decision.reason.value

    def _ended(self, turn: Turn, problem: Problem, over: Event, before: Alert | None) -> None:
        """The check says that it is over; events of the same batch are counted first."""
        if before is None:  # it ended between being sorted and being decided
            return
        count = before.count + len(problem.events)
        alert = structs.replace(before, count=count, last_seen=over.time, touched_at=turn.now)
        reached = audience(turn.rules.config, problem.rule, before, turn.now, over)
        decision = end(problem.rule, alert, reached, turn.now, over.message.partition("\n")[0])
        decision = self._take(turn, decision, before, over)
        problem.alert, problem.reason = decision.alert.id, decision.reason.value

    # --- time ---

    async def later(self, turn: Turn, alert: Alert, *, unaccepted: bool = False) -> Decision | None:
        """What becomes of an alert by time alone; None: events had their say in this turn."""
        if alert.fingerprint in turn.changed:
            return None
        rule, config, now = turn.rule_of(alert), turn.rules.config, turn.now
        sample: Event | None = None
        if rule and (alert.hushed or needs_event(config, rule.to)):
            sample = await turn.sample(self._store, alert.id)
        reached = audience(config, rule, alert, now, sample) if rule else []
        step = next_step(rule, alert)
        around = Around(next=addresses(config, step.to, now) if step else (), unaccepted=unaccepted)

        def decided(around: Around) -> Decision:
            return decide(rule, alert, None, reached, now, around=around)

        decision = decided(around)
        if decision.told or alert.hushed:
            sample = sample or await turn.sample(self._store, alert.id)
            decision = self._unless_hushed(turn, decided, alert, sample, around)
        return self._take(turn, decision, alert, sample)

    async def lift(self, turn: Turn) -> None:
        """Silences whose time is over, hushes that are, and silences that soon will be."""
        turn.commit.silences += self._hushes.run_out(turn.now)
        for key in self._hushes.over(turn.now):
            await self._let_go(turn, key)
        for silence in self._hushes.ending(turn.now):
            self._recall(turn, silence)

    async def _let_go(self, turn: Turn, key: str) -> None:
        """A hush is over: its alerts that go on are told of, and then what only its closing line can tell."""
        going_on: Counter[str] = Counter()
        for fingerprint in self._hushes.hushed_by(key)[:MOST_DUE]:
            alert = self._book.get(fingerprint)
            decision = alert and await self.later(turn, alert)
            if decision and decision.alert.state is not AlertState.RESOLVED:
                going_on.update(told.recipient for told in decision.told)
        if self._hushes.hushed_by(key):
            return  # the rest has its turn next
        words = self._hushes.words(key)
        for account in self._hushes.close(key):
            text = hush_lines.closing(account, words, going_on[account.recipient], turn.now, "")
            known = addresses(turn.rules.config, (account.recipient,), turn.now)
            person = known[0] if known else Reached(account.recipient, account.addresses)
            self._owing.note(turn, person, text)
        turn.commit.closed.append(key)

    def _recall(self, turn: Turn, silence: Silence) -> None:
        """A silence ends soon: its author is told, and those from whom it holds something back."""
        turn.commit.silences.append(silence)
        config, now = turn.rules.config, turn.now
        found = map(self._book.get, self._hushes.hushed_by(hush_key(silence)))
        alerts = [alert for alert in found if alert is not None]
        waiting: dict[str, tuple[Reached, list[Alert]]] = {
            person.recipient: (person, []) for person in addresses(config, (silence.author,), now)
        }
        for alert in alerts:
            rule = turn.rule_of(alert)
            for person in expected(config, rule, alert, now) if rule else ():
                waiting.setdefault(person.recipient, (person, []))[1].append(alert)
        for person, theirs in waiting.values():
            if person.opens_at:
                continue  # by then it is over
            text = hush_lines.ending(words_of(silence), silence.ends_at, theirs or alerts, now, "")
            self._owing.note(turn, person, text)

    # --- people ---

    def heed(self, turn: Turn, order: Order) -> None:
        """What somebody wants done."""
        match order:
            case Silence():
                self._hushes.put(order)
                turn.commit.silences.append(order)
            case EndSilence():
                ended = self._hushes.end(order.silence, order.by, turn.now)
                turn.commit.silences += [ended] if ended else []
            case Acknowledge():
                self._acknowledge(turn, order)

    def _acknowledge(self, turn: Turn, order: Acknowledge) -> None:
        found = self._book.by_id(order.alert)
        alert = self._now(turn, found.fingerprint) if found is not None else None
        if alert is None:
            return
        latest = acknowledged(alert, order, turn.rule_of(alert), turn.now)
        if latest is not alert:
            log.info("alert_acknowledged", alert=alert.id, by=order.by, undone=order.undo)
            what = "no longer acknowledged, by" if order.undo else "acknowledged by"
            turn.commit.traces[alert.id] = {
                "at": turn.now,
                "rule": alert.rule,
                "reason": Reason.ACKED.value,
                "why": f"{what} {order.by}",
                "until": latest.acked_until,
                "count": alert.count,
                "told": {},
            }
        turn.changed[latest.fingerprint] = latest
        self._hushes.note(latest)

    # --- what comes of a decision ---

    def _unless_hushed(
        self,
        turn: Turn,
        decided: Callable[[Around], Decision],
        before: Alert | None,
        sample: Event | None,
        around: Around,
    ) -> Decision:
        """A decision; where it would tell someone, or is about what is hushed, with what hushes it now."""
        marked = before.hushed if before is not None else ""
        plain = decided(around)
        if not marked and (self._hushes.idle() or not plain.told):
            return plain
        hush = self._hushes.on(plain.alert, sample, turn.now)
        if hush is not None:
            self._hushes.called(hush)
        elif not marked:
            return plain
        over = self._hushes.words(marked) if marked else ""
        return decided(structs.replace(around, hush=hush, over=over))

    def _take(
        self,
        turn: Turn,
        decision: Decision,
        before: Alert | None,
        sample: Event | None,
        counted: tuple[str, ...] = (),
    ) -> Decision:
        """What a decision leads to becomes part of this turn's transaction; what has become of it.

        With what the rule counted, and how much it held back until now.
        """
        if decision.reason not in _UNEVENTFUL:
            own = decision.alert.rule == turn.rules.own.name  # few by themselves, and needed most in a storm
            rule = None if own else turn.rule_of(decision.alert)
            decision = self._holds.judge(turn.rules.config, rule, decision, before, sample, turn.now)
            alert = decision.alert
            counted += self._meters.owed(alert.rule, alert.fingerprint)
            for each in decision.told:
                self._owing.told(turn, each, decision, before, sample, counted)
            if decision.told:
                self._meters.settle(alert.rule, alert.fingerprint, turn.now)
            trace = decision.trace
            turn.commit.traces[alert.id] = {**trace, "counted": counted} if counted else trace
        if decision.booked:
            turn.commit.withheld += self._hushes.book(decision)
        turn.changed[decision.alert.fingerprint] = decision.alert
        self._hushes.note(decision.alert)
        return decision

    def _now(self, turn: Turn, fingerprint: str) -> Alert | None:
        return turn.changed.get(fingerprint) or self._book.get(fingerprint)
