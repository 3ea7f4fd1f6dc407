"""What decide makes of people's hours: nobody is told outside of them, and nothing is lost on anyone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.config.schema import Rule
from relay.models import Address, Alert, AlertState, Level, Reason, Standing
from relay.routing.calendar import NEVER
from relay.routing.decide import Decision, decide, due, fold
from relay.routing.recipients import Reached
from tests.routing.build import NOW, PROBLEM, event, rule

RULE = rule(repeat=(600.0,), resolve_after=3600.0)


def reached(name: str, opens: float = 0.0, **more: object) -> Reached:
    """`opens` in seconds from NOW; 0: within their hours."""
    at = NOW + opens if opens else 0.0
    return Reached(name, (Address("rtx", name),), at, **more)  # type: ignore[arg-type]


def tell(
    alert: Alert | None, at: float, people: Sequence[Reached], count: int = 0, by: Rule | None = RULE
) -> Decision:
    occurrence = fold([event()] * count) if count else None
    return decide(by, alert, occurrence, people, NOW + at, new_id=7, fingerprint=PROBLEM)


def told(decision: Decision) -> list[tuple[str, Reason, int]]:
    """(recipient, reason, events that are new to them)."""
    return [(each.recipient, each.reason, decision.alert.count - each.known) for each in decision.told]


def test_outside_of_everybodys_hours_it_is_held_and_told_in_one_message_when_they_begin() -> None:
    night = [reached("wang", 5000)]
    first = tell(None, 0, night, count=2)
    assert (first.reason, first.told) == (Reason.MUTED, ())
    assert (first.alert.state, first.alert.count, first.alert.notified_count) == (AlertState.FIRING, 2, 0)
    assert first.trace["waiting"] == {"wang": NOW + 5000}
    assert first.trace["next"] == NOW + 3600  # it may be over before
    again = tell(first.alert, 2000, night, count=3)
    assert again.reason is Reason.MUTED
    assert due(again.alert, RULE, NOW + 2000, night) == NOW + 5000
    morning = tell(again.alert, 5000, [reached("wang")])
    assert told(morning) == [("wang", Reason.FIRST, 5)]
    assert (morning.alert.notified_count, morning.alert.standings) == (5, ())


def test_one_who_is_up_is_told_and_the_other_hears_it_later_once() -> None:
    people = [reached("li"), reached("wang", 5000)]
    first = tell(None, 0, people, count=1)
    assert told(first) == [("li", Reason.FIRST, 1)]
    assert first.alert.standings == (Standing("wang", "", 0, 0.0, waiting=True),)
    reminder = tell(first.alert, 700, people, count=4)
    assert told(reminder) == [("li", Reason.REMINDER, 4)]
    counted = tell(reminder.alert, 1200, people, count=2)
    assert counted.reason is Reason.WINDOW
    up = [reached("li"), reached("wang")]
    meanwhile = tell(counted.alert, 1250, up)
    assert told(meanwhile) == [("wang", Reason.FIRST, 7)]
    assert meanwhile.alert.notified_count == 5  # li is told of the last two at the end of the window
    both = tell(tell(meanwhile.alert, 1260, up, count=1).alert, 1300, up)
    assert told(both) == [("li", Reason.REMINDER, 3), ("wang", Reason.REMINDER, 1)]
    assert both.alert.standings == ()


def test_one_who_was_told_before_their_hours_ended_is_told_what_is_new() -> None:
    up = [reached("wang")]
    alert = tell(tell(None, 0, up, count=2).alert, 300, up, count=3).alert
    off = [reached("wang", 3000)]
    assert due(alert, RULE, NOW + 300) == NOW + 600
    held = tell(alert, 600, off)
    assert held.reason is Reason.MUTED
    assert due(held.alert, RULE, NOW + 600, off) == NOW + 3000
    assert told(tell(held.alert, 3000, up)) == [("wang", Reason.REMINDER, 3)]


def test_resolved_while_they_were_off_one_message_says_so_when_their_hours_begin() -> None:
    off = [reached("wang", 9000)]
    alert = tell(None, 0, off, count=4).alert
    over = tell(alert, 3600, off)
    assert (over.reason, over.alert.state) == (Reason.RESOLVED, AlertState.RESOLVED)
    (only,) = over.told
    assert (only.recipient, only.reason, only.known, only.not_before) == (
        "wang",
        Reason.RESOLVED,
        0,
        NOW + 9000,
    )


def test_those_who_know_all_need_no_closing_line() -> None:
    by = rule(repeat=(600.0,))
    people = [reached("li"), reached("wang", 90_000)]
    alert = tell(None, 0, people, count=1, by=by).alert
    closing = tell(alert, 90_000, [reached("li"), reached("wang")], by=by)
    assert (closing.reason, told(closing)) == (Reason.CLOSED, [("wang", Reason.CLOSED, 1)])


def test_each_event_of_its_own_waits_in_the_outbox() -> None:
    decision = tell(None, 0, [reached("wang", 500), reached("li")], count=1, by=rule(fingerprint="event"))
    assert {each.recipient: each.not_before for each in decision.told} == {"wang": NOW + 500, "li": 0.0}


def test_whoever_never_has_hours_keeps_nothing_waiting() -> None:
    never = [Reached("wang", (Address("rtx", "w"),), NEVER)]
    alert = tell(None, 0, never, count=1).alert
    assert due(alert, RULE, NOW, never) == NOW + 3600
    decision = tell(alert, 3600, never)
    assert (decision.reason, decision.told) == (Reason.RESOLVED, ())
    assert msgspec.json.encode(decision.trace)  # no infinity


def test_whoever_is_on_duty_now_takes_over_what_was_waiting() -> None:
    wang = [reached("wang", 5000, via="oncall", turn_ends=NOW + 1000)]
    alert = tell(None, 0, wang, count=3).alert
    assert due(alert, RULE, NOW, wang) == NOW + 1000
    li = [reached("li", via="oncall")]
    assert told(tell(alert, 1000, li)) == [("li", Reason.FIRST, 3)]


def test_the_heir_of_one_who_waited_beside_another() -> None:
    people = [reached("zhao"), reached("wang", 5000, via="oncall", turn_ends=NOW + 1000)]
    alert = tell(None, 0, people, count=3).alert
    after = [reached("zhao"), reached("li", via="oncall")]
    assert due(alert, RULE, NOW + 1000, after) == 0.0  # now
    decision = tell(alert, 1000, after)
    assert told(decision) == [("li", Reason.FIRST, 3)]
    assert due(decision.alert, RULE, NOW + 1000, after) == NOW + 3600


def test_becoming_critical_waits_too() -> None:
    off = [reached("wang", 5000)]
    alert = tell(None, 0, [reached("wang")], count=1).alert
    decision = decide(RULE, alert, fold([event(level=Level.CRITICAL)]), off, NOW + 60)
    assert (decision.reason, decision.alert.level) == (Reason.MUTED, Level.CRITICAL)
    assert due(decision.alert, RULE, NOW + 60, off) == NOW + 3660  # over before their hours begin
    assert told(tell(decision.alert, 3660, off)) == [("wang", Reason.RESOLVED, 1)]


def test_an_acknowledged_alert_wakes_nobody() -> None:
    people = [reached("li"), reached("wang", 500)]
    acked = replace(tell(None, 0, people, count=1).alert, state=AlertState.ACKED)
    up = [reached("li"), reached("wang")]
    assert tell(acked, 500, up).told == ()
    assert due(acked, RULE, NOW + 500, up) == NOW + 3600


# -- against a slow, obvious model ------------------------------------------------------------------------


class Said(NamedTuple):
    at: int
    recipient: str
    events: int  # that they hadn't been told of


Hours = dict[str, list[tuple[int, int]]]  # by recipient, when they are within their hours


def is_up(hours: Hours, name: str, second: int) -> bool:
    return any(start <= second < end for start, end in hours[name])


def opening(hours: Hours, name: str, second: int) -> float:
    if is_up(hours, name, second):
        return 0.0
    return min((start for start, _ in hours[name] if start > second), default=NEVER)


class Model:
    """Second by second, with nothing but counters."""

    def __init__(self, hours: Hours) -> None:
        self.hours = hours
        self.said: list[Said] = []
        self.live = self.ever_told = False
        self.quiet = self.since_told = self.owed = 0
        self.untold = dict.fromkeys(hours, 0)
        self.waits = dict.fromkeys(hours, False)

    def say(self, second: float, name: str) -> None:
        self.said.append(Said(int(second), name, self.untold[name]))
        self.untold[name] = 0

    def attempt(self, second: int) -> None:
        up = [name for name in self.hours if is_up(self.hours, name, second)]
        self.waits = {name: name not in up for name in self.hours}
        for name in up:
            self.say(second, name)
        if up:
            self.since_told, self.owed, self.ever_told = 0, 0, True

    def resolve(self, second: int) -> None:
        for name in self.hours:
            self.say(opening(self.hours, name, second) or second, name)
        self.waits = dict.fromkeys(self.hours, False)
        self.live = False

    def catch_up(self, second: int) -> None:
        for name in self.hours:
            if self.waits[name] and is_up(self.hours, name, second):
                self.say(second, name)
                self.waits[name] = False

    def event(self, second: int, came: int, repeat: int) -> None:
        self.quiet = 0
        if not self.live:
            self.live, self.ever_told, self.owed = True, False, 0
        self.owed += came
        self.untold = {name: count + came for name, count in self.untold.items()}
        if not self.ever_told or self.since_told >= repeat:
            self.attempt(second)


def modelled(arrivals: dict[int, int], hours: Hours, repeat: int, resolve: int, end: int) -> list[Said]:
    model = Model(hours)
    for second in range(end):
        model.quiet, model.since_told = model.quiet + 1, model.since_told + 1
        if model.live and model.quiet >= resolve:
            model.resolve(second)
        if model.live and model.owed and (model.since_told >= repeat or not model.ever_told):
            model.attempt(second)
        elif model.live and model.ever_told:
            model.catch_up(second)
        if came := arrivals.get(second, 0):
            model.event(second, came, repeat)
    return sorted(model.said)


class Daemon:
    """What the pipeline does with one alert, restarted after every step."""

    def __init__(self, by: Rule, hours: Hours) -> None:
        self.rule = by
        self.hours = hours
        self.alert: Alert | None = None
        self.said: list[Said] = []
        self.now = 0  # seconds

    def reached(self, second: int) -> list[Reached]:
        return [reached(name, opening(self.hours, name, second)) for name in self.hours]

    def until(self, second: int) -> None:
        """Let time pass up to and including that second."""
        while self.alert is not None:
            at = due(self.alert, self.rule, NOW + self.now, self.reached(self.now))
            if at is None or at > NOW + second:
                return
            self.now = max(self.now, int(at - NOW))
            people = self.reached(self.now)
            self._take(decide(self.rule, self.alert, None, people, NOW + self.now), self.now)

    def events(self, second: int, count: int) -> None:
        occurrence = fold([event(time=NOW + second)] * count)
        people = self.reached(second)
        self.now = second
        self._take(
            decide(
                self.rule,
                self.alert,
                occurrence,
                people,
                NOW + second,
                new_id=second + 1,
                fingerprint=PROBLEM,
            ),
            second,
        )

    def _take(self, decision: Decision, second: int) -> None:
        for each in decision.told:
            at = int(each.not_before - NOW) if each.not_before else second
            self.said.append(Said(at, each.recipient, decision.alert.count - each.known))
        self.alert = msgspec.json.decode(msgspec.json.encode(decision.alert), type=Alert)


bounds = st.lists(st.integers(1, 500), min_size=2, max_size=8, unique=True).map(sorted)
intervals = bounds.map(lambda edges: list(zip(edges[::2], edges[1::2], strict=False)))
arrivals = st.dictionaries(st.integers(1, 400), st.integers(1, 3), min_size=1, max_size=25)


@settings(max_examples=300, derandomize=True)
@given(
    arrivals,
    st.fixed_dictionaries({"wang": intervals, "li": intervals}),
    st.integers(5, 90),
    st.integers(5, 200),
)
def test_it_says_what_the_model_says(came: dict[int, int], hours: Hours, repeat: int, resolve: int) -> None:
    hours = {name: [*ranges, (1000, 2000)] for name, ranges in hours.items()}  # in the end all are up
    daemon = Daemon(rule(repeat=(float(repeat),), resolve_after=float(resolve)), hours)
    for second in sorted(came):
        daemon.until(second)
        daemon.events(second, came[second])
    daemon.until(1900)
    assert sorted(daemon.said) == modelled(came, hours, repeat, resolve, 1900)
    for name, ranges in hours.items():
        mine = [said for said in daemon.said if said.recipient == name]
        assert sum(said.events for said in mine) == sum(came.values())
        assert all(any(start <= said.at < end for start, end in ranges) for said in mine)


@pytest.mark.parametrize("back", [1.0, 3600.0, 86400.0])
def test_a_clock_set_back_loses_nobody_who_waits(back: float) -> None:
    alert = tell(None, 0, [reached("li"), reached("wang", 500)], count=2).alert
    now = NOW + 10 - back
    up = [reached("li"), reached("wang")]
    at = due(alert, RULE, now, up)
    assert at == 0.0
    decision = decide(RULE, alert, None, up, now)
    assert told(decision) == [("wang", Reason.FIRST, 2)]
