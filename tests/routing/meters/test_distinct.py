from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.config import schema
from relay.models import Reason
from relay.routing.meters.distinct import TIMES, Distinct, Values
from tests.routing.meters.rig import NOW, Driven, at


def meter(count: int = 3, within: float = 60.0) -> Distinct:
    return Distinct(schema.Distinct(of="host", count=count, within=within))


def test_the_same_value_counts_once_and_the_values_are_listed() -> None:
    driven = Driven(meter())
    held = driven.take(0, at(0, host="a"), at(1, host="a"), at(2, host="b")).held
    assert [str(why) for _, why in held][-1] == "below: 2 of 3 values of host within 1 min"
    outcome = driven.take(42, at(42, host="c"))
    assert outcome.counted == ("3 values of host in 42 s", "a", "b", "c")
    assert (len(outcome.told), outcome.earlier, outcome.since) == (1, 3, NOW)


def test_a_value_that_comes_all_the_time_drives_out_no_other() -> None:
    driven = Driven(meter())
    driven.take(0, at(0, host="a"))
    for second in range(1, 50):
        driven.take(second, *(at(second, host="b") for _ in range(100)))
    outcome = driven.take(55, at(55, host="c"))
    assert (len(outcome.told), outcome.earlier) == (1, 4901)


def test_what_has_no_such_label_is_not_counted_and_said_so() -> None:
    driven = Driven(meter())
    ((_, held),) = driven.take(0, at(0)).held
    assert (held.reason, held.why) == (Reason.BELOW, "it has no host to count")
    outcome = driven.take(1, *(at(1, host=host) for host in "abc"))
    assert len(outcome.told) == 3
    assert driven.state is not None
    assert driven.meter.owed(driven.state) == ("1 earlier stayed below 3 within 1 min",)


def test_many_values_are_listed_in_part_and_long_ones_are_still_told_apart() -> None:
    outcome = Driven(meter(count=30)).take(0, *(at(0, host=f"{'x' * 100}{number}") for number in range(30)))
    assert outcome.counted[0] == "30 values of host in 0 s"
    assert (len(outcome.counted), outcome.counted[-1]) == (22, "and 10 more")


def test_a_clock_that_is_set_hides_nothing() -> None:
    driven = Driven(meter())
    driven.take(0, at(0, host="a"), at(1, host="b"))
    driven.clock_set(-7200)
    assert len(driven.take(-7190, at(-7190, host="c")).told) == 1


def modelled(events: list[tuple[int, str]], count: int, within: int) -> list[bool]:
    """Whether each event passes: all that ever came is looked at."""
    passed = []
    for number, (time, _) in enumerate(events):
        before = events[: number + 1]
        starts = [start for start, _ in before if start <= time <= start + within]
        passed.append(
            any(
                len({value for each, value in before if start <= each <= start + within}) >= count
                for start in starts
            )
        )
    return passed


def check(events: list[tuple[int, str]], count: int, within: int, batch: int) -> None:
    driven = Driven(meter(count, float(within)))
    wanted = modelled(events, count, within)
    told = earlier = 0
    for start in range(0, len(events), batch):
        part = events[start : start + batch]
        made = [at(time, host=value) for time, value in part]
        outcome = driven.take(10_000, *made)
        passed = {id(each) for each in outcome.told}
        for one, passes in zip(made, wanted[start : start + batch], strict=True):
            assert not passes or id(one) in passed
        assert bool(passed) == any(wanted[start : start + batch])
        assert len(passed) + len(outcome.held) == len(made)
        told, earlier = told + len(outcome.told), earlier + outcome.earlier
    assert driven.state is None or isinstance(driven.state, Values)
    if driven.state is not None:
        waiting = sum(held for _, times in driven.state.values for _, held in times)
        assert told + earlier + waiting + driven.state.strays == len(events)  # each is accounted for once


few_of_each = st.lists(st.tuples(st.integers(0, 100), st.sampled_from("abcdefghijkl")), max_size=30).filter(
    lambda events: all([value for _, value in events].count(each) <= TIMES for _, each in events)
)


@settings(max_examples=200, derandomize=True)
@given(few_of_each, st.integers(2, 5), st.sampled_from([5, 20]), st.integers(1, 6))
def test_in_any_order_it_passes_what_the_model_passes(
    events: list[tuple[int, str]], count: int, within: int, batch: int
) -> None:
    check(events, count, within, batch)


in_order = st.lists(st.tuples(st.integers(0, 500), st.sampled_from("abcdef")), max_size=100).map(sorted)


@settings(max_examples=100, derandomize=True)
@given(in_order, st.integers(2, 5), st.sampled_from([5, 20]), st.integers(1, 20))
def test_in_order_it_does_however_often_each_comes(
    events: list[tuple[int, str]], count: int, within: int, batch: int
) -> None:
    check(events, count, within, batch)
