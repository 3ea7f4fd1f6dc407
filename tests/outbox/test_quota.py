from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.outbox.quota import Quota


def test_places_are_free_until_the_window_is_full_and_again_when_it_has_slid_on() -> None:
    quota = Quota([(2, 60.0)])
    assert [quota.take(100.0), quota.take(110.0)] == [0.0, 0.0]
    assert quota.take(130.0) == 30.0
    assert quota.take(159.0) == 1.0
    assert quota.take(160.0) == 0.0
    assert quota.take(161.0) == 9.0


def test_every_window_holds() -> None:
    quota = Quota([(5, 1.0), (6, 60.0)])
    assert [quota.take(0.0) for _ in range(5)] == [0.0] * 5
    assert quota.take(0.5) == 0.5
    assert quota.take(1.0) == 0.0
    assert quota.take(1.5) == 58.5


def test_no_windows_no_limit() -> None:
    quota = Quota([])
    assert [quota.take(1.0) for _ in range(1000)] == [0.0] * 1000


def test_looking_takes_nothing() -> None:
    quota = Quota([(1, 60.0)])
    assert [quota.wait(0.0), quota.wait(0.0), quota.take(0.0), quota.wait(20.0)] == [0.0, 0.0, 0.0, 40.0]


def test_a_place_given_back_is_free() -> None:
    quota = Quota([(2, 60.0)])
    quota.take(0.0)
    quota.take(5.0)
    quota.give_back(0.0)
    assert quota.take(10.0) == 0.0
    assert quota.take(10.0) == 55.0
    quota.give_back(99.0)  # never taken: nothing happens
    assert quota.take(10.0) == 55.0


def test_what_an_earlier_process_sent_counts() -> None:
    quota = Quota([(3, 60.0)])
    quota.preload([50.0, 10.0, 30.0, -500.0])
    assert quota.take(60.0) == 10.0


def test_several_places_are_taken_at_once_or_none() -> None:
    quota = Quota([(5, 60.0)])
    assert [quota.take(0.0, 2), quota.take(10.0, 2)] == [0.0, 0.0]
    assert quota.take(20.0, 3) == 40.0
    assert (quota.room(20.0), quota.room(60.0)) == (1, 3)
    assert quota.take(60.0, 9) == 10.0  # more than there are: all of them


def test_when_each_of_the_next_ones_may_go() -> None:
    quota = Quota([(1, 1.0), (3, 60.0)])
    quota.take(0.0)
    assert quota.waits(0.5, 4) == [0.5, 1.5, 59.5, 60.5]
    assert quota.waits(0.5, 0) == []
    assert quota.wait(0.5) == 0.5


@pytest.mark.parametrize("window", [(0, 1.0), (1, 0.0), (-1, 1.0)])
def test_a_window_that_nothing_fits_is_refused(window: tuple[int, float]) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Quota([window])


@settings(max_examples=200, derandomize=True)
@given(
    windows=st.lists(st.tuples(st.integers(1, 8), st.integers(1, 20)), min_size=1, max_size=3),
    steps=st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=80),
    sent_before=st.lists(st.integers(-40, 0), max_size=10),
)
def test_no_window_ever_holds_too_many(
    windows: list[tuple[int, int]], steps: list[tuple[int, bool]], sent_before: list[int]
) -> None:
    quota = Quota(windows)
    quota.preload(map(float, sent_before))
    now = 0.0
    taken: list[float] = []
    for step, keep in steps:
        now += step
        expected = _free(windows, [*map(float, sent_before), *taken], now)
        wait = quota.take(now)
        assert (wait == 0.0) == expected
        if wait == 0.0 and keep:
            taken.append(now)
        elif wait == 0.0:
            quota.give_back(now)


def _free(windows: list[tuple[int, int]], taken: list[float], now: float) -> bool:
    """Whether one more now keeps every window's number, counted one by one."""
    return all(sum(now - seconds < time <= now for time in taken) < number for number, seconds in windows)
