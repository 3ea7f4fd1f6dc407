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
from relay.holds import Holds
from relay.hushes import Hushes
from relay.models import Acknowledge, Alert, AlertState, EndSilence, Event, Order, Reason, Silence
from relay.outbox.store import Store
from relay.owing import Owing
from relay.routing import hush as hush_lines
from relay.routing.decide import Around, Decision, Occurrence, decide, end, fold
from relay.routing.escalation import acknowledged, audience, expected, next_step
from relay.routing.inhibit import seen
from relay.routing.recipients import Reached, addresses, needs_event
from relay.routing.silence import key_of as hush_key
from relay.routing.silence import words_of
from relay.rulebook import RELAY
from relay.turn import Problem, Turn
from relay.watchdog import told

log = structlog.get_logger()

MOST_DUE: Final = 500  # alerts whose time has come, per transaction
_COUNTED: Final = (Reason.WINDOW, Reason.ACKED)  # what an outage's events come to, were it no outage
_UNEVENTFUL: Final = (Reason.WINDOW, Reason.QUIET, Reason.ACKED)  # the trace of what came before says more


class Deciding:
    """Decides, and enters in the turn what comes of it."""

    def __init__(self, store: Store, book: Book, holds: Holds, hushes: Hushes, owing: Owing) -> None:
        self._store = store
        self._book = book
        self._holds = holds
        self._hushes = hushes
        self._owing = owing

    # --- events ---

    def problem(self, turn: Turn, problem: Problem) -> None:
        """What one problem's events lead to: the alert as it is now, and what is owed to whom."""
        before = self._now(turn, problem.fingerprint.key)
        if problem.over is not None:
            self._ended(turn, problem, problem.over, before)
            return
        event, rule, key = problem.events[0], problem.rule, problem.fingerprint
        occurrence: Occurrence | None = None
        new_id = before.id if before else 0
        if event.source == RELAY and "cleared" in event.labels:
            if before is None:
                return
            rule = structs.replace(rule, resolve_after=0.0)
        else:
            new_id = new_id or self._store.next_ids(1)
            occurrence = fold(problem.events)
            if any(map(told.is_pressing, problem.events)):
                occurrence = structs.replace(occurrence, pressing="what became of the remedy")
        reached = audience(turn.rules.config, rule, before, turn.now, event)

        def decided(around: Around) -> Decision:
            return decide(
                rule, before, occurrence, reached, turn.now, new_id=new_id, fingerprint=key, around=around
            )

        decision = self._unless_hushed(turn, decided, before, event, Around())
        if rule.inhibit:
            equal = seen(rule, decision.alert.equal, problem.events)
            decision = structs.replace(decision, alert=structs.replace(decision.alert, equal=equal))
        turn.commit.silences += self._hushes.saw(decision.alert, event, turn.now)
        if before is None:
            turn.commit.samples[decision.alert.id] = event
        decision = self._take(turn, decision, before, event)
        reason = Reason.LINKED if problem.linked and decision.reason in _COUNTED else decision.reason
        problem.alert, problem.reason = decision.alert.id, reason.value

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

    def _take(self, turn: Turn, decision: Decision, before: Alert | None, sample: Event | None) -> Decision:
        """What a decision leads to becomes part of this turn's transaction; what has become of it."""
        if decision.reason not in _UNEVENTFUL:
            own = decision.alert.rule == turn.rules.own.name  # few by themselves, and needed most in a storm
            rule = None if own else turn.rule_of(decision.alert)
            decision = self._holds.judge(turn.rules.config, rule, decision, before, sample, turn.now)
            for each in decision.told:
                self._owing.told(turn, each, decision, before, sample)
            turn.commit.traces[decision.alert.id] = decision.trace
        if decision.booked:
            turn.commit.withheld += self._hushes.book(decision)
        turn.changed[decision.alert.fingerprint] = decision.alert
        self._hushes.note(decision.alert)
        return decision

    def _now(self, turn: Turn, fingerprint: str) -> Alert | None:
        return turn.changed.get(fingerprint) or self._book.get(fingerprint)
