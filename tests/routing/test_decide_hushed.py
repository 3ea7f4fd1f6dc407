"""Decisions under silences, acknowledgements and escalation, against a slow and obvious model."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.config.schema import Rule, Step
from relay.models import Acknowledge, Address, Alert, AlertState, Level, Reason
from relay.routing.decide import Around, Decision, decide, due, fold
from relay.routing.escalation import acknowledged, audience
from relay.routing.hush import Hush
from relay.routing.recipients import Reached
from tests.routing.build import NOW, PROBLEM, WANG, config, event, rule

OPS = Reached("ops", (Address("mail", "ops@example.com"),))
HUSH = Hush("silence 1", Reason.SILENCED, "silence 1 of li (deploy)", "li", "deploy", NOW + 100)
OTHER = Hush("silence 2", Reason.SILENCED, "silence 2")
RULE = rule(repeat=(60.0,), resolve_after=300.0, escalate=(Step(after=100.0, to=("ops",)),))


def tell(
    alert: Alert | None, at: float, count: int = 0, held: Hush | None = None, level: Level = Level.ERROR
) -> Decision:
    occurrence = fold([event(time=NOW + at, level=level)] * count) if count else None
    around = Around(hush=held, next=(OPS,))
    return decide(RULE, alert, occurrence, (WANG,), NOW + at, new_id=7, fingerprint=PROBLEM, around=around)


def test_a_held_first_is_owed_and_the_trace_says_by_whom_it_is_held() -> None:
    held = tell(None, 0, 3, HUSH)
    assert (held.reason, held.told, held.booked) == (Reason.SILENCED, (), "")
    assert (held.alert.count, held.alert.notified_count, held.alert.notified_at) == (3, 0, 0.0)
    assert held.alert.hushed == "silence 1"
    assert held.trace["hush"]["author"] == "li"
    assert held.trace["hush"]["reason"] == "deploy"
    assert "wang" in held.trace["spared"]
    assert due(held.alert, RULE) == NOW + 300  # its end; nothing else happens by time alone
    freed = tell(held.alert, 100)
    assert (freed.reason, freed.alert.hushed, freed.alert.notified_count) == (Reason.FIRST, "", 3)
    assert freed.notes == ("silence 1 is over: it held this back",)


def test_a_held_alert_that_ends_is_booked() -> None:
    held = tell(None, 0, 3, HUSH).alert
    ended = tell(held, 300, held=HUSH)
    assert (ended.booked, ended.told) == ("silence 1", ())
    assert [(each.recipient, each.known) for each in ended.spared] == [("wang", 0)]
    assert ended.alert.state is AlertState.RESOLVED
    assert tell(held, 300).booked == "silence 1"  # though the silence is over just then


def test_the_end_of_what_was_told_is_told() -> None:
    alert = tell(tell(None, 0, 1).alert, 70, 2, HUSH).alert
    assert (alert.hushed, alert.notified_count) == ("silence 1", 1)
    ended = tell(alert, 370, held=HUSH)
    assert (ended.reason, len(ended.told), ended.alert.notified_count) == (Reason.RESOLVED, 1, 3)


def test_from_one_silence_into_the_next() -> None:
    held = tell(None, 0, 1, HUSH).alert
    moved = tell(held, 100, held=OTHER)
    assert (moved.alert.hushed, moved.told) == ("silence 2", ())


def test_no_step_is_taken_while_a_silence_holds_and_its_time_begins_anew() -> None:
    told = tell(None, 0, 1).alert
    held = tell(told, 100, held=HUSH)
    assert (held.reason, held.alert.step, held.alert.hushed) == (Reason.SILENCED, 0, "silence 1")
    freed = tell(held.alert, 200)
    assert (freed.reason, freed.alert.hushed) == (Reason.QUIET, "")
    assert due(freed.alert, RULE) == NOW + 300
    assert tell(freed.alert, 299).told == ()


def test_escalation_accounts_for_nothing() -> None:
    alert = tell(tell(None, 0, 1).alert, 50, 4).alert
    alert = tell(alert, 60).alert
    alert = tell(alert, 99, 2).alert
    step = tell(alert, 100)
    assert (step.reason, [each.recipient for each in step.told]) == (Reason.ESCALATED, ["ops"])
    assert (step.alert.notified_count, step.alert.count, step.alert.step) == (5, 7, 1)
    assert step.notes == ("escalated: not acknowledged in 1 min",)
    people: dict[str, Any] = {"wang": {"rtx": "w"}, "ops": {"mail": "o"}}
    told = audience(config(RULE, **people), RULE, step.alert, NOW)
    assert [each.recipient for each in told] == ["wang", "ops"]
    assert tell(step.alert, 119).told == ()


@pytest.mark.parametrize(("at", "reason"), [(59.0, Reason.QUIET), (60.0, Reason.ESCALATED)])
def test_what_nobody_accepts_is_told_to_the_next_in_a_minute(at: float, reason: Reason) -> None:
    alert = tell(None, 0, 1).alert
    around = Around(next=(OPS,), unaccepted=True)
    assert decide(RULE, alert, None, (WANG,), NOW + at, around=around).reason is reason


def test_an_acknowledgement_stops_the_steps_and_lapses() -> None:
    alert = tell(None, 0, 1).alert
    acked = acknowledged(alert, Acknowledge(7, "wang", NOW + 200), RULE, NOW + 10)
    assert (acked.state, acked.acked_by) == (AlertState.ACKED, "wang")
    counted = tell(acked, 150, 5)
    assert (counted.reason, counted.told) == (Reason.ACKED, ())
    assert "acknowledged by wang" in counted.trace["why"]
    assert due(counted.alert, RULE) == NOW + 200
    lapsed = tell(counted.alert, 200)
    assert (lapsed.reason, lapsed.alert.state) == (Reason.REMINDER, AlertState.FIRING)
    assert lapsed.notes == ("the acknowledgement by wang has lapsed",)
    assert lapsed.alert.stepped_at == NOW + 200


def test_acknowledged_for_the_rules_own_time_undone_or_too_late() -> None:
    alert = tell(None, 0, 1).alert
    acked = acknowledged(alert, Acknowledge(7, "wang"), RULE, NOW)
    assert acked.acked_until == NOW + RULE.ack_for
    undone = acknowledged(acked, Acknowledge(7, "li", undo=True), RULE, NOW + 5)
    assert (undone.state, undone.stepped_at) == (AlertState.FIRING, NOW + 5)
    assert acknowledged(undone, Acknowledge(7, "li", undo=True), RULE, NOW + 5) is undone
    over = replace(alert, state=AlertState.RESOLVED)
    assert acknowledged(over, Acknowledge(7, "wang"), RULE, NOW) is over


def test_acknowledged_under_a_silence_that_is_over_its_end_is_told_all_the_same() -> None:
    held = tell(None, 0, 2, HUSH).alert
    acked = acknowledged(held, Acknowledge(7, "wang", NOW + 900), RULE, NOW + 10)
    freed = tell(acked, 100)
    assert (freed.told, freed.alert.hushed) == ((), "")
    ended = tell(freed.alert, 300)
    assert (ended.reason, len(ended.told), ended.alert.notified_count) == (Reason.RESOLVED, 1, 2)


def test_its_end_says_who_acknowledged_it() -> None:
    acked = acknowledged(tell(None, 0, 1).alert, Acknowledge(7, "wang"), RULE, NOW)
    ended = tell(acked, 300)
    assert (ended.reason, ended.notes) == (Reason.RESOLVED, ("acknowledged by wang",))


# -- against a model --------------------------------------------------------------------------------------


class Said(NamedTuple):
    at: int
    reason: Reason
    events: int  # accounted for, by a message or by booking


class History(NamedTuple):
    arrivals: dict[int, int]
    repeat: int
    resolve: int
    after: int  # of the one step
    silences: list[tuple[int, int]]
    acks: list[tuple[int, int]]  # at, for how long


def modelled(history: History, end: int) -> list[Said]:  # noqa: C901, PLR0912 - plain on purpose
    """Second by second: what the page on silences says, with nothing but counters."""
    said: list[Said] = []
    is_open = was_told = is_acked = was_held = False
    untold = quiet = window = unstepped = acked_for = steps = 0
    for second in range(end):
        quiet, window, unstepped, acked_for = quiet + 1, window + 1, unstepped + 1, acked_for - 1
        silent = any(start <= second < stop for start, stop in history.silences)

        def tell(reason: Reason) -> None:
            nonlocal untold, window, unstepped, was_told, was_held
            said.append(Said(second, reason, untold))  # noqa: B023 - called in this round only
            unstepped = unstepped if was_told else 0
            untold, window, was_told, was_held = 0, 0, True, False

        if is_open and quiet >= history.resolve:
            said.append(Said(second, Reason.RESOLVED if was_told or not was_held else Reason.SUMMARY, untold))
            is_open = False
        if is_open:
            if was_held and not silent:
                was_held, unstepped = False, 0
                if untold and not (is_acked and acked_for > 0):
                    is_acked = False
                    tell(Reason.REMINDER if was_told else Reason.FIRST)
            if is_acked and acked_for <= 0:
                is_acked, unstepped = False, 0
            if not is_acked and was_told and not was_held and not steps and unstepped >= history.after:
                if silent:
                    was_held = True
                else:
                    said.append(Said(second, Reason.ESCALATED, 0))
                    steps, unstepped = 1, 0
            if untold and not is_acked and not was_held and window >= history.repeat:
                if silent:
                    was_held = True
                else:
                    tell(Reason.REMINDER if was_told else Reason.FIRST)
        for at, lasts in history.acks:
            if at == second and is_open:
                is_acked, acked_for = True, lasts
        came = history.arrivals.get(second, 0)
        if not came:
            continue
        quiet = 0
        if not is_open:
            is_open, was_told, is_acked, was_held, steps, untold = True, False, False, False, 0, 0
            window = history.repeat
        untold += came
        if is_acked or (was_told and not was_held and window < history.repeat):
            continue
        if silent:
            was_held = True
        else:
            tell(Reason.REMINDER if was_told else Reason.FIRST)
    return said


class Daemon:
    """What the pipeline does with one alert, restarted after every step."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.rule: Rule = rule(
            repeat=(float(history.repeat),),
            resolve_after=float(history.resolve),
            escalate=(Step(after=float(history.after), to=("ops",)),),
        )
        self.alert: Alert | None = None
        self.said: list[Said] = []

    def held(self, second: int) -> Hush | None:
        silent = any(start <= second < stop for start, stop in self.history.silences)
        return HUSH if silent else None

    def second(self, second: int) -> None:
        now = NOW + second
        while self.alert is not None:
            at = due(self.alert, self.rule)
            freed = self.alert.hushed and not self.held(second)
            if not freed and (at is None or at > now):
                break
            before = self.alert
            self._decide(second, 0)
            if self.alert == before:
                break
        for at_second, lasts in self.history.acks:
            if at_second == second and self.alert is not None:
                order = Acknowledge(self.alert.id, "li", now + lasts)
                self.alert = acknowledged(self.alert, order, self.rule, now)
        if came := self.history.arrivals.get(second, 0):
            self._decide(second, came)

    def _decide(self, second: int, count: int) -> None:
        now, before = NOW + second, self.alert
        occurrence = fold([event(time=now)] * count) if count else None
        around = Around(hush=self.held(second), next=(OPS,))
        made = decide(
            self.rule, before, occurrence, (WANG,), now, new_id=second + 1, fingerprint=PROBLEM, around=around
        )
        lived = before is not None and before.id == made.alert.id
        accounted = made.alert.notified_count - (before.notified_count if before and lived else 0)
        if made.told:
            self.said.append(Said(second, made.reason, accounted))
        elif made.booked:
            assert [made.alert.count - each.known for each in made.spared] == [accounted]
            self.said.append(Said(second, Reason.SUMMARY, accounted))
        kept = msgspec.json.decode(msgspec.json.encode(made.alert), type=Alert)
        self.alert = None if kept.state is AlertState.RESOLVED else kept


spans = st.tuples(st.integers(0, 300), st.integers(1, 120))
histories = st.builds(
    History,
    st.dictionaries(st.integers(1, 300), st.integers(1, 3), min_size=1, max_size=25),
    st.integers(2, 60),
    st.integers(5, 120),
    st.integers(3, 90),
    st.lists(spans.map(lambda span: (span[0], span[0] + span[1])), max_size=3),
    st.lists(spans, max_size=3, unique_by=lambda ack: ack[0]),
)


@settings(max_examples=400, derandomize=True)
@given(histories)
def test_it_says_what_the_model_says(history: History) -> None:
    daemon = Daemon(history)
    for second in range(700):
        daemon.second(second)
    assert daemon.said == modelled(history, 700)
    assert sum(said.events for said in daemon.said) == sum(history.arrivals.values())
