from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.config import schema
from relay.models import Reason
from relay.routing.meters.base import Outcome
from relay.routing.meters.rate import SLOTS, Counts, Rate
from tests.routing.meters.rig import NOW, Driven, at

WIDTH = 50.0  # seconds of a slot of 5 minutes


def meter(factor: float = 5.0, least: int = 20) -> Rate:
    return Rate(schema.Jump(factor=factor, within=300.0, over=3600.0, least=least))


def calm(driven: Driven, first: int, last: int, every: int = 30) -> None:
    for second in range(first, last, every):
        outcome = driven.take(second, at(second))
        assert outcome.told == ()


def burst(driven: Driven, second: int, count: int) -> Outcome:
    return driven.take(second, *(at(second) for _ in range(count)))


def test_before_it_knows_what_is_usual_nothing_is_a_jump_and_it_says_so() -> None:
    driven = Driven(meter())
    outcome = burst(driven, 60, 1000)
    assert outcome.told == ()
    assert outcome.held[0][1].reason is Reason.USUAL
    assert outcome.held[0][1].why.startswith("1,000 in 5 min; what is usual is known in 1 h")


def test_a_jump_is_told_with_its_numbers_and_all_that_belongs_to_it() -> None:
    driven = Driven(meter())
    calm(driven, 0, 5000)
    assert str(burst(driven, 5000, 1).held[0][1]).startswith("usual: 9 in 5 min, usually 10")
    outcome = burst(driven, 5010, 60)
    assert outcome.counted[0] == "69 in 5 min"
    assert outcome.counted[1].startswith("usually 10")
    assert len(outcome.told) + outcome.earlier == 69
    assert len(burst(driven, 5020, 5).told) == 5  # while it is up all belong to it


def test_fewer_than_least_are_no_jump_and_from_nothing_least_are() -> None:
    driven = Driven(meter())
    assert burst(driven, 5000, 19).told == ()
    assert len(burst(driven, 5001, 1).told) + 19 == 20


def test_it_is_over_when_nothing_comes_or_when_it_is_as_before() -> None:
    driven = Driven(meter())
    calm(driven, 0, 5000)
    burst(driven, 5000, 100)
    woken = driven.until(20_000)
    assert woken[-1][1].over.endswith("in 5 min now, usually 10")
    assert 5250 <= woken[-1][0] <= 5360
    assert isinstance(driven.state, Counts)
    assert not driven.state.jumped


def test_a_new_speed_that_lasts_is_the_usual_one() -> None:
    driven = Driven(meter())
    calm(driven, 0, 5000)
    overs = []
    for second in range(5000, 12_000, 10):
        overs += [outcome.over for _, outcome in driven.until(second)]
        overs.append(burst(driven, second, 2).over)
    (over,) = filter(None, overs)
    assert over.endswith("taken as usual")


def test_a_backlog_is_counted_by_its_own_times() -> None:
    driven = Driven(meter())
    calm(driven, 0, 5000)
    steady = [at(second) for second in range(5000, 40_000, 30)]
    driven.watched = NOW + 5000
    assert driven.take(40_000, *steady).told == ()
    jump = [at(39_000) for _ in range(80)]
    driven = Driven(meter())
    calm(driven, 0, 5000)
    outcome = driven.take(40_000, *steady, *jump)
    assert set(map(id, jump)) <= set(map(id, outcome.told))


def test_after_a_long_stop_it_learns_anew() -> None:
    driven = Driven(meter())
    calm(driven, 0, 5000, every=10)
    driven.watched = NOW + 50_000
    assert burst(driven, 50_010, 100).told == ()


def test_an_hour_behind_its_alerts_are_no_flapping() -> None:
    driven = Driven(meter())
    for second in range(3600, 9000, 30):
        driven.take(second, at(second - 3600))
    told = 0
    for second in range(9000, 10_000, 5):
        assert not [outcome for _, outcome in driven.until(second) if outcome.over]
        told += len(driven.take(second, at(second - 3600)).told)
    assert told > 0


def test_a_clock_that_is_set_is_no_jump_and_hides_none() -> None:
    for seconds in (86_400.0, -86_400.0):
        driven = Driven(meter())
        calm(driven, 0, 5000)
        driven.clock_set(seconds)
        assert driven.take(5000 + seconds, at(5000 + seconds)).told == ()
        assert burst(driven, int(5020 + seconds), 60).told


def test_a_flood_leaves_a_small_state() -> None:
    driven = Driven(Rate(schema.Jump(factor=5.0, within=60.0, over=18_000.0)))
    for second in range(0, 100_000, 40):
        driven.take(second, at(second), at(second))
    assert isinstance(driven.state, Counts)
    assert len(driven.state.slots) <= SLOTS * 303


class Model:
    """Every event's time, counted anew each time."""

    def __init__(self, by: Rate) -> None:
        self.by = by
        self.slots: list[int] = []

    def is_jump(self, second: float) -> bool:
        slot = int((NOW + second) / WIDTH)
        count = sum(slot - SLOTS < each <= slot for each in self.slots)
        past = sum(slot - SLOTS - 72 < each <= slot - SLOTS for each in self.slots)
        known = (slot - SLOTS - 72 + 1) * WIDTH >= NOW
        return known and count >= max(self.by.settings.least, self.by.settings.factor * past / 12)


@settings(max_examples=150, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 600), st.integers(1, 40)), min_size=1, max_size=60))
def test_it_jumps_first_where_the_model_does_and_counts_each_event_once(
    arrivals: list[tuple[int, int]],
) -> None:
    by = meter(factor=3.0)
    driven, model, second, told, held, earlier = Driven(by), Model(by), 2000, 0, 0, 0
    up = False
    for gap, count in arrivals:
        second += gap
        up = up and not [outcome for _, outcome in driven.until(second) if outcome.over]
        outcome = burst(driven, second, count)
        model.slots += [int((NOW + second) / WIDTH)] * count
        if not up and not outcome.over:
            assert bool(outcome.told) == model.is_jump(second)
        up = bool(outcome.told)
        told, held, earlier = told + len(outcome.told), held + len(outcome.held), earlier + outcome.earlier
    assert told + held == sum(count for _, count in arrivals)
    assert earlier <= held
