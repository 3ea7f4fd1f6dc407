from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.config.schema import Rule
from relay.models import Alert, AlertState, Event, Level, Reason
from relay.routing.decide import MOST_HOSTS, Decision, decide, due, end, fold
from relay.routing.recipients import Reached
from tests.routing.build import NOW, PROBLEM, WANG, event, rule

RULE = rule(repeat=(600.0, 1800.0))
RESOLVING = rule(repeat=(600.0, 1800.0), resolve_after=900.0)
DAY = 86400.0


def tell(
    alert: Alert | None,
    at: float,
    events: Sequence[Event] = (),
    by: Rule | None = RULE,
    reached: Sequence[Reached] = (WANG,),
) -> Decision:
    """What becomes of the alert when `events` come (or just time passes) at NOW + `at` seconds."""
    occurrence = fold(events) if events else None
    return decide(by, alert, occurrence, reached, NOW + at, new_id=7, fingerprint=PROBLEM)


def some(count: int, level: Level = Level.ERROR) -> list[Event]:
    return [event(level=level) for _ in range(count)]


def begun(by: Rule = RULE, count: int = 1) -> Alert:
    return tell(None, 0, some(count), by).alert


# -- events -------------------------------------------------------------------------------------------------


def test_the_first_is_told_at_once() -> None:
    decision = tell(None, 0, [event(labels={"host": "a"}), event(time=NOW - 5, level=Level.CRITICAL)])
    assert decision.reason is Reason.FIRST
    assert [(told.recipient, told.addresses) for told in decision.told] == [("wang", WANG.addresses)]
    alert = decision.alert
    assert (alert.id, alert.fingerprint, alert.title) == (7, PROBLEM.key, PROBLEM.title)
    assert (alert.count, alert.notified_count, alert.level) == (2, 2, Level.CRITICAL)
    assert (alert.first_seen, alert.last_seen, alert.hosts) == (NOW - 5, NOW, ("a",))
    assert alert.state is AlertState.FIRING


def test_within_the_window_it_is_counted_and_nobody_told() -> None:
    decision = tell(begun(), 599, some(3))
    assert (decision.reason, decision.told) == (Reason.WINDOW, ())
    assert (decision.alert.count, decision.alert.notified_count) == (4, 1)
    assert decision.alert.touched_at == NOW + 599


def test_the_reminder_comes_by_time_alone_if_events_came() -> None:
    alert = tell(begun(), 5, some(3)).alert
    assert due(alert, RULE) == NOW + 600
    decision = tell(alert, 600)
    assert (decision.reason, len(decision.told)) == (Reason.REMINDER, 1)
    assert (decision.alert.notified_count, decision.alert.reminders) == (4, 1)


def test_without_new_events_the_next_event_after_the_window_is_told_at_once() -> None:
    alert = begun()
    assert tell(alert, 700).alert is alert
    assert tell(alert, 5000, some(1)).reason is Reason.REMINDER


def test_windows_grow_and_the_last_step_repeats() -> None:
    alert, told_at = begun(), [0.0]
    for at in range(60, 12_000, 60):
        decision = tell(alert, at, some(1))
        alert = decision.alert
        if decision.told:
            told_at.append(at)
    assert told_at == [0, 600, 2400, 4200, 6000, 7800, 9600, 11400]


def test_becoming_critical_is_told_at_once_but_only_once() -> None:
    first = tell(begun(), 10, some(1, Level.CRITICAL))
    assert (first.reason, first.alert.level) == (Reason.REMINDER, Level.CRITICAL)
    assert tell(first.alert, 20, some(1, Level.CRITICAL)).reason is Reason.WINDOW


def test_an_acknowledged_alert_counts_in_silence_and_resolves() -> None:
    acked = replace(begun(RESOLVING), state=AlertState.ACKED)
    counted = tell(acked, 5000, some(2, Level.CRITICAL), RESOLVING)
    assert (counted.reason, counted.told, counted.alert.count) == (Reason.ACKED, (), 3)
    assert counted.alert.state is AlertState.ACKED
    assert due(counted.alert, RESOLVING) == NOW + 5900
    assert tell(counted.alert, 5900, by=RESOLVING).reason is Reason.RESOLVED


def test_after_it_resolved_it_is_a_new_problem() -> None:
    over = tell(begun(RESOLVING), 900, by=RESOLVING).alert
    again = decide(RESOLVING, over, fold(some(1)), (WANG,), NOW + 901, new_id=8, fingerprint=PROBLEM)
    assert (again.reason, again.alert.id, again.alert.count) == (Reason.FIRST, 8, 1)


def test_a_rule_without_recipients_keeps_count_and_tells_nobody() -> None:
    silent = rule(to=())
    first = tell(None, 0, some(1), silent, ())
    again = tell(first.alert, 9999, some(1), silent, ())
    assert (first.reason, again.reason) == (Reason.DROPPED, Reason.DROPPED)
    assert again.alert.count == 2
    assert tell(again.alert, 9 * DAY, by=silent, reached=()).told == ()


def test_recipients_given_by_a_reload_are_told_of_all_that_was_dropped() -> None:
    dropped = tell(None, 0, some(3), rule(to=()), ()).alert
    decision = tell(dropped, 60)
    assert (decision.reason, decision.alert.notified_count) == (Reason.FIRST, 3)


def test_nobody_reached_is_said_in_the_trace() -> None:
    decision = tell(None, 0, some(1), RULE, ())
    assert (decision.reason, decision.told) == (Reason.FIRST, ())
    assert "none of the rule's recipients" in decision.trace["why"]


def test_an_event_of_its_own_is_told_and_over() -> None:
    decision = tell(None, 0, some(1), rule(fingerprint="event"))
    assert (decision.reason, decision.alert.state) == (Reason.FIRST, AlertState.RESOLVED)
    assert due(decision.alert, RULE) is None


def test_without_repeat_there_are_no_reminders_but_a_closing_line() -> None:
    once = rule(repeat=())
    alert = tell(begun(once), 99_999, some(2), once).alert
    assert alert.notified_count == 1
    assert due(alert, once) == NOW + 99_999 + DAY
    closing = tell(alert, 99_999 + DAY, by=once)
    assert (closing.reason, closing.alert.notified_count, len(closing.told)) == (Reason.CLOSED, 3, 1)


def test_hosts_are_remembered_up_to_a_limit() -> None:
    alert = begun()
    for number in range(20):
        alert = tell(alert, 1, [event(labels={"host": f"h{number}"})]).alert
    assert alert.hosts == tuple(f"h{number}" for number in range(MOST_HOSTS))


# -- time ---------------------------------------------------------------------------------------------------


def test_quiet_for_long_it_resolves_with_what_was_not_told_yet() -> None:
    alert = tell(begun(RESOLVING), 10, some(4), RESOLVING).alert
    assert tell(alert, 909, by=RESOLVING).reason is Reason.REMINDER  # the window was over at 600
    decision = tell(alert, 910, by=RESOLVING)
    assert (decision.reason, decision.alert.state) == (Reason.RESOLVED, AlertState.RESOLVED)
    assert (decision.alert.notified_count, len(decision.told)) == (5, 1)
    assert due(decision.alert, RESOLVING) is None
    assert tell(decision.alert, 5000, by=RESOLVING).reason is Reason.QUIET


def test_without_resolve_after_it_closes_in_silence() -> None:
    decision = tell(begun(), DAY)
    assert (decision.reason, decision.told) == (Reason.CLOSED, ())
    assert decision.alert.state is AlertState.RESOLVED


def test_closing_waits_for_twice_the_last_step() -> None:
    slow = rule(repeat=(600.0, 2 * DAY))
    assert due(begun(slow), slow) == NOW + 4 * DAY


def test_a_vanished_rule_lets_the_alert_close_quietly() -> None:
    alert = tell(begun(), 10, some(1)).alert
    assert due(alert, None) == NOW + 3610
    assert tell(alert, 3609, by=None).alert is alert
    decision = tell(alert, 3610, by=None)
    assert (decision.reason, decision.told) == (Reason.CLOSED, ())
    assert decision.alert.state is AlertState.RESOLVED


@pytest.mark.parametrize("back", [1.0, 3600.0, DAY])
def test_a_clock_set_back_makes_no_silence_longer_than_configured(back: float) -> None:
    alert = tell(begun(RESOLVING), 10, some(1), RESOLVING).alert
    now = NOW + 11 - back
    assert due(alert, RESOLVING, now) == min(NOW, now) + 600
    moved = decide(RESOLVING, alert, None, (WANG,), now).alert
    assert due(moved, RESOLVING) == min(NOW, now) + 600
    told = decide(RESOLVING, moved, fold(some(1)), (WANG,), now + 600)
    assert told.reason is Reason.REMINDER


def test_the_trace_is_plain_json_and_says_when_time_acts_next() -> None:
    trace = tell(None, 0, some(1)).trace
    assert msgspec.json.decode(msgspec.json.encode(trace)) == trace
    assert trace["told"] == {"wang": ["rtx:wangwei", "mail:wang@example.com"]}
    assert trace["next"] == NOW + DAY


# -- against a slow, obvious model --------------------------------------------------------------------------


class Said(NamedTuple):
    at: int
    reason: Reason
    events: int  # accounted for


def modelled(arrivals: dict[int, int], repeat: tuple[int, ...], resolve: int, end: int) -> list[Said]:
    """Second by second, with nothing but counters."""
    said: list[Said] = []
    is_open, untold, quiet, silence, reminders = False, 0, 0, 0, 0
    for second in range(end):
        quiet, silence = quiet + 1, silence + 1
        window = repeat[min(reminders, len(repeat) - 1)]
        if is_open and quiet >= resolve:
            said.append(Said(second, Reason.RESOLVED, untold))
            is_open, untold = False, 0
        came = arrivals.get(second, 0)
        if is_open and untold and silence >= window:
            said.append(Said(second, Reason.REMINDER, untold))
            untold, silence, reminders = 0, 0, reminders + 1
            window = repeat[min(reminders, len(repeat) - 1)]
        if not came:
            continue
        quiet = 0
        if not is_open:
            said.append(Said(second, Reason.FIRST, came))
            is_open, silence, reminders = True, 0, 0
        elif silence >= window:
            said.append(Said(second, Reason.REMINDER, untold + came))
            untold, silence, reminders = 0, 0, reminders + 1
        else:
            untold += came
    return said


class Daemon:
    """What the pipeline does with one alert, restarted after every step."""

    def __init__(self, by: Rule) -> None:
        self.rule = by
        self.alert: Alert | None = None
        self.said: list[Said] = []

    def until(self, second: float) -> None:
        """Let time pass up to and including that second."""
        while self.alert is not None:
            at = due(self.alert, self.rule)
            if at is None or at > NOW + second:
                return
            self._take(decide(self.rule, self.alert, None, (WANG,), at), at)

    def events(self, second: int, count: int) -> None:
        occurrence = fold([event(time=NOW + second)] * count)
        decision = decide(
            self.rule, self.alert, occurrence, (WANG,), NOW + second, new_id=second, fingerprint=PROBLEM
        )
        self._take(decision, NOW + second)

    def _take(self, decision: Decision, at: float) -> None:
        alert = decision.alert
        lived = self.alert is not None and self.alert.id == alert.id
        told_before = self.alert.notified_count if lived and self.alert is not None else 0
        if decision.told:
            self.said.append(Said(int(at - NOW), decision.reason, alert.notified_count - told_before))
        self.alert = msgspec.json.decode(msgspec.json.encode(alert), type=Alert)


histories = st.dictionaries(st.integers(1, 400), st.integers(1, 3), min_size=1, max_size=30)
steps = st.lists(st.integers(2, 90), min_size=1, max_size=3).map(tuple)


@settings(max_examples=200, derandomize=True)
@given(histories, steps, st.integers(2, 120))
def test_it_says_what_the_model_says(arrivals: dict[int, int], repeat: tuple[int, ...], resolve: int) -> None:
    daemon = Daemon(rule(repeat=tuple(map(float, repeat)), resolve_after=float(resolve)))
    for second in sorted(arrivals):
        daemon.until(second)
        daemon.events(second, arrivals[second])
    daemon.until(1000)
    assert daemon.said == modelled(arrivals, repeat, resolve, 1000)
    assert sum(said.events for said in daemon.said) == sum(arrivals.values())


@settings(max_examples=100, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(1, 200_000), st.integers(1, 3)), min_size=1, max_size=25),
    st.sampled_from([(60.0,), (600.0, 3600.0), (3600.0, 14400.0, 86400.0), ()]),
)
def test_without_resolve_after_each_event_is_accounted_for_once(
    gaps: list[tuple[int, int]], repeat: tuple[float, ...]
) -> None:
    daemon, second = Daemon(rule(repeat=repeat)), 0
    for gap, count in gaps:
        second += gap
        daemon.until(second)
        daemon.events(second, count)
    daemon.until(second + 10 * DAY)
    assert daemon.alert is not None
    assert daemon.alert.state is AlertState.RESOLVED
    assert sum(said.events for said in daemon.said) == sum(count for _, count in gaps)
    for earlier, later in zip(daemon.said, daemon.said[1:], strict=False):
        if later.reason is Reason.REMINDER:
            assert later.at - earlier.at >= min(repeat)


# -- what the alert's cause says itself ----------------------------------------------------------------------


def test_what_presses_is_told_within_the_window_but_not_to_who_acknowledged() -> None:
    pressing = replace(fold([event()]), pressing="what became of the remedy")
    told = decide(RULE, begun(), pressing, (WANG,), NOW + 1)
    assert (told.reason, told.trace["why"]) == (Reason.REMINDER, "what became of the remedy")
    acked = replace(begun(), state=AlertState.ACKED)
    assert decide(RULE, acked, pressing, (WANG,), NOW + 1).reason is Reason.ACKED


@pytest.mark.parametrize("state", [AlertState.FIRING, AlertState.ACKED])
def test_the_cause_says_that_it_is_over(state: AlertState) -> None:
    decision = end(RULE, replace(begun(), state=state), (WANG,), NOW + 5, "it recovered")
    assert (decision.reason, decision.alert.state) == (Reason.RESOLVED, AlertState.RESOLVED)
    assert [told.recipient for told in decision.told] == ["wang"]
    assert decision.trace["why"] == "it recovered"


def test_nobody_hears_the_end_of_what_nobody_was_told_of() -> None:
    decision = end(rule(to=()), replace(begun(), notified_at=0.0), (WANG,), NOW + 5, "it recovered")
    assert (decision.alert.state, decision.told) == (AlertState.RESOLVED, ())
