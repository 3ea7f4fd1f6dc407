from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.config import schema
from relay.models import Level, Reason
from relay.routing.meters.absent import Absent
from tests.routing.meters.rig import NOW, Driven, at


def meter(for_: float = 600.0, grace: float | None = None) -> Absent:
    return Absent(schema.Absent(for_=for_, grace=grace), "beat")


def test_it_fires_once_when_nothing_came_for_so_long_and_is_over_when_something_does() -> None:
    driven = Driven(meter())
    outcome = driven.take(100, at(100))
    ((_, held),) = outcome.held
    assert (outcome.told, held.reason, outcome.over) == ((), Reason.SEEN, "")
    ((second, fired),) = driven.until(10_000)
    assert second == 700
    (event,) = fired.told
    assert (event.level, event.time) == (Level.ERROR, NOW + 700)
    assert event.message == "nothing matched for 10 min; wanted: something every 10 min"
    assert fired.title == "beat: nothing matched for 10 min"
    over = driven.take(1300, at(1300)).over
    assert over == "something matched again, after 20 min"
    assert [when for when, _ in driven.until(10_000)] == [1900]


def test_a_rule_that_never_saw_anything_fires_too() -> None:
    ((second, fired),) = Driven(meter()).until(1000)
    assert second == 600
    assert "and never since the rule is there" in fired.told[0].message


@pytest.mark.parametrize(("grace", "wanted"), [(None, 5300.0), (60.0, 5060.0), (3600.0, 8600.0)])
def test_after_a_start_it_waits_for_the_grace(grace: float | None, wanted: float) -> None:
    driven = Driven(meter(grace=grace))
    driven.take(0, at(0))
    driven.watched = NOW + 5000  # relay was down from 0 to 5000
    assert [when for when, _ in driven.until(10_000)] == [wanted]


def test_a_backlog_read_after_a_start_counts_when_it_was_written() -> None:
    driven = Driven(meter(grace=60.0))
    driven.take(0, at(-700))  # read at the very first: nothing is known of how late such events are
    driven.take(100, at(100))
    driven.watched = NOW + 5000
    driven.take(5001, at(200), at(4000))
    assert [when for when, _ in driven.until(10_000)] == [5060]  # 4000 is long ago
    driven = Driven(meter(grace=60.0))
    driven.take(100, at(100))
    driven.watched = NOW + 5000
    driven.take(5001, at(200), at(4900))
    assert [when for when, _ in driven.until(10_000)] == [5500]


def test_a_program_whose_clock_is_an_hour_behind_is_no_false_alarm() -> None:
    driven = Driven(meter(grace=60.0))
    for second in range(100, 3000, 100):
        driven.take(second, at(second - 3600))
    driven.watched = NOW + 3000  # a restart
    driven.take(3010, at(3010 - 3600))
    assert driven.until(3600) == []


def test_a_clock_that_is_set_is_no_false_alarm_and_hides_nothing() -> None:
    for seconds in (86_400.0, -86_400.0):
        driven = Driven(meter())
        driven.take(0, at(0))
        driven.until(300)
        driven.clock_set(seconds)
        assert [when for when, _ in driven.until(5000 + max(0.0, seconds))] == [600 + seconds]


@settings(max_examples=200, derandomize=True)
@given(
    st.lists(st.integers(1, 400), max_size=30),
    st.integers(10, 100),
    st.sets(st.integers(1, 3000), max_size=3),
)
def test_it_fires_where_the_gaps_are(gaps: list[int], longest: int, restarts: set[int]) -> None:
    """The model: a gap longer than allowed fires once, unless a start is so near that the grace covers it."""
    grace = 5
    driven = Driven(meter(float(longest), float(grace)))
    times: list[int] = []
    for gap in gaps:
        times.append((times[-1] if times else 0) + gap)
    end = (times[-1] if times else 0) + 500
    fired, over = [], []
    for second in range(1, end + 1):
        fired += [when for when, _ in driven.until(second - 0.5)]
        if second in restarts:
            driven.watched = NOW + second
        if second in times:
            over.append(bool(driven.take(second, at(second)).over))
    wanted, seen, due = [], 0.0, float(max(longest, grace))
    for second in range(1, end + 1):
        if due <= second - 0.5:
            wanted.append(due)
            due = float("inf")
        if second in restarts:
            due = max(due, second + grace)
        if second in times:
            seen, due = (
                second,
                max(second + longest, max([r for r in restarts if r <= second], default=0) + grace),
            )
    assert fired == wanted
    assert sum(over) <= len(fired) <= sum(over) + 1
    assert seen == (times[-1] if times else 0)
