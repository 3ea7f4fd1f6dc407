from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.config import schema
from relay.models import Reason
from relay.routing.meters.threshold import EXACT, Points, Threshold
from tests.routing.meters.rig import NOW, Driven, at


def meter(count: int = 3, within: float = 60.0) -> Threshold:
    return Threshold(schema.Threshold(count=count, within=within))


def test_below_it_is_held_and_says_how_far_it_is() -> None:
    driven = Driven(meter())
    for second, why in ((0, "1 of 3 within 1 min"), (10, "2 of 3 within 1 min")):
        outcome = driven.take(second, at(second))
        assert outcome.told == ()
        ((_, held),) = outcome.held
        assert (held.reason, held.why, str(held)) == (Reason.BELOW, why, f"below: {why}")


def test_reached_it_says_in_what_time_and_lists_what_was_counted() -> None:
    driven = Driven(meter())
    driven.take(0, at(0, "timeout after 1 ms", host="web1"))
    driven.take(10, at(10, "timeout after 2 ms"))
    outcome = driven.take(42, at(42, "timeout after 2 ms"))
    assert (len(outcome.told), outcome.earlier, outcome.since) == (1, 2, NOW)
    assert outcome.counted == ("3 in 42 s", "timeout after 1 ms [web1]", "timeout after 2 ms (x2)")
    assert outcome.held == ()


def test_while_the_window_is_full_all_pass_and_then_it_starts_anew() -> None:
    driven = Driven(meter())
    driven.take(0, at(0), at(1), at(2))
    assert len(driven.take(61, at(61)).told) == 1  # with those of second 1 and 2
    assert driven.take(300, at(300)).told == ()


@pytest.mark.parametrize(("last", "told"), [(60.0, 3), (60.001, 0)])
def test_the_window_holds_its_ends(last: float, told: int) -> None:
    assert len(Driven(meter()).take(last, at(0), at(30), at(last)).told) == told


def test_what_stayed_below_is_told_with_the_next_message_once() -> None:
    driven = Driven(meter())
    driven.take(0, at(0))
    driven.take(1000, at(1000), at(1001))
    driven.take(5000, at(5000), at(5001), at(5002))
    assert driven.state is not None
    assert driven.meter.owed(driven.state) == ("3 earlier stayed below 3 within 1 min",)
    driven.state = driven.meter.settled(driven.state)
    assert driven.meter.owed(driven.state) == ()


def test_a_backlog_read_at_once_is_counted_by_its_own_times() -> None:
    hourly = [at(3600.0 * hour) for hour in range(10)]
    assert Driven(meter()).take(40_000, *hourly).told == ()
    burst = [at(7200 + second) for second in range(3)]
    outcome = Driven(meter()).take(40_000, *hourly[:2], *burst[:2], *hourly[3:], burst[2])
    assert [each.time - NOW for each in outcome.told] == [7200, 7201, 7202]
    assert [each.time - NOW for each, _ in outcome.held] == [0, 3600] + [3600.0 * n for n in range(3, 10)]


def test_an_event_that_claims_to_be_from_the_future_counts_as_now() -> None:
    driven = Driven(meter())
    driven.take(0, at(1e9), at(float("inf")))
    assert len(driven.take(5, at(float("nan"))).told) == 1


def test_a_clock_that_is_set_neither_hides_nor_fakes() -> None:
    for seconds in (7200.0, -7200.0):
        driven = Driven(meter())
        driven.take(0, at(0))
        driven.take(10, at(10))
        driven.clock_set(seconds)
        assert len(driven.take(20 + seconds, at(20 + seconds)).told) == 1


def test_long_unused_it_is_forgotten() -> None:
    driven = Driven(meter())
    driven.take(0, at(0))
    driven.until(2 * 86400)
    assert driven.state is None


def test_a_flood_leaves_a_small_state() -> None:
    for count in (3, EXACT, 10_000):
        driven = Driven(meter(count=count, within=600.0))
        for second in range(0, 1000, 10):
            driven.take(second, *(at(second + number / 50) for number in range(500)))
        assert isinstance(driven.state, Points)
        assert len(driven.state.points) <= 2 * EXACT


def modelled(times: list[int], count: int, within: float, step: float) -> list[bool]:
    """Whether each event passes: all that ever came is looked at."""
    passed, before = [], []
    for time in times:
        slot = int((NOW + time) / step)
        before.append(slot)
        span = int(within / step + 1e-6)
        passed.append(
            any(
                sum(start <= each <= start + span for each in before) >= count
                for start in before
                if start <= slot <= start + span
            )
        )
    return passed


def check(times: list[int], count: int, within: float, batch: int) -> None:
    driven = Driven(meter(count, within))
    step = Threshold(schema.Threshold(count=count, within=within)).step
    wanted = modelled(times, count, within, step)
    told = earlier = 0
    for start in range(0, len(times), batch):
        events = [at(time) for time in times[start : start + batch]]
        outcome = driven.take(10_000, *events)
        passed = {id(each) for each in outcome.told}
        for event, passes in zip(events, wanted[start : start + batch], strict=True):
            assert not passes or id(event) in passed
        assert bool(passed) == any(wanted[start : start + batch])
        assert len(passed) + len(outcome.held) == len(events)
        told, earlier = told + len(outcome.told), earlier + outcome.earlier
    assert isinstance(driven.state, Points)
    waiting = sum(held for _, _, held in driven.state.points)
    assert told + earlier + waiting + driven.state.strays == len(times)  # each is accounted for once


@settings(max_examples=200, derandomize=True)
@given(
    st.lists(st.integers(0, 100), min_size=1, max_size=16),
    st.integers(2, 5),
    st.sampled_from([5.0, 20.0]),
    st.integers(1, 6),
)
def test_in_any_order_it_passes_what_the_model_passes(
    times: list[int], count: int, within: float, batch: int
) -> None:
    check(times, count, within, batch)


@settings(max_examples=50, derandomize=True)
@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=200).map(sorted),
    st.sampled_from([3, 20, 150]),
    st.sampled_from([5.0, 200.0, 900.0]),
    st.integers(1, 40),
)
def test_in_order_it_does_however_many_come(times: list[int], count: int, within: float, batch: int) -> None:
    check(times, count, within, batch)
