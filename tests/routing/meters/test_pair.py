from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.config import schema
from relay.models import Event, Level, Reason
from relay.routing.meters.pair import GIVE_UP, KEEP_END, SETTLE, SKEW, Open, Pair
from tests.routing.build import match
from tests.routing.meters.rig import NOW, Driven, at


def meter(within: float = 7200.0) -> Pair:
    return Pair(schema.Pair(ends=match(message="finished"), within=within, by=("job",)))


def begun(second: float) -> Event:
    return at(second, "job nightly started", job="nightly")


def finished(second: float) -> Event:
    return at(second, "job nightly finished", job="nightly")


def end(driven: Driven, now: float, event: Event) -> tuple[str, str]:
    outcome = driven.take(now, event, ending=[event])
    return str(outcome.held[0][1]), outcome.over


def test_what_ends_in_time_is_told_to_nobody_and_leaves_nothing() -> None:
    driven = Driven(meter())
    ((_, held),) = driven.take(0, begun(0)).held
    assert str(held) == "opened: people are told if nothing ends it within 2 h"
    assert end(driven, 3600, finished(3600)) == ("paired: it ends what was open for 1 h", "")
    assert driven.state is None


def test_what_is_overdue_is_told_and_a_late_end_resolves_it() -> None:
    driven = Driven(meter())
    driven.take(0, begun(0), begun(10))
    ((second, fired),) = driven.until(8000)
    assert second == 7200
    (event,) = fired.told
    assert event.message == "job nightly started\nnot ended within 2 h (job=nightly); begun 2 times"
    assert (event.level, event.labels, event.time) == (Level.ERROR, {"job": "nightly"}, NOW + 7200)
    assert fired.title == "not ended within 2 h: job nightly started"
    assert end(driven, 9000, finished(9000))[1] == "it ended after 2 h 30 min"
    assert driven.state is None


def test_the_end_may_be_read_before_the_beginning() -> None:
    driven = Driven(meter())
    assert end(driven, 6, finished(5)) == ("paired: nothing was open that it ends", "")
    ((_, held),) = driven.take(7, begun(0)).held
    assert (held.reason, held.why) == (Reason.PAIRED, "what ends it came before it")
    assert driven.state is None


def test_an_end_without_a_beginning_is_forgotten_after_a_while() -> None:
    driven = Driven(meter())
    end(driven, 6, finished(5))
    assert [when for when, _ in driven.until(1e6)] == [6 + KEEP_END]
    assert driven.state is None


def test_the_end_of_an_earlier_run_ends_nothing_newer() -> None:
    driven = Driven(meter())
    driven.take(1000, begun(1000))
    assert end(driven, 1001, finished(1000 - SKEW - 1))[0] == "paired: it is older than what is open"
    assert isinstance(driven.state, Open)
    assert driven.state.since == NOW + 1000


def test_a_backlog_gets_a_moment_for_its_end_to_be_read() -> None:
    driven = Driven(meter())
    driven.take(50_000, begun(0))
    assert driven.until(50_000) == []
    end(driven, 50_001, finished(100))
    assert driven.state is None
    driven.take(50_000, begun(0))
    assert [when for when, _ in driven.until(60_000)] == [50_000 + SETTLE]


def test_nobody_waits_for_ever() -> None:
    driven = Driven(meter())
    driven.take(0, begun(0))
    (_, (when, given_up)) = driven.until(1e9)
    assert when == 7200 + GIVE_UP
    assert given_up.over == "nothing ended it for 7 d 2 h: relay waits no longer"
    assert driven.state is None


def test_a_clock_that_is_set_neither_hides_nor_fakes() -> None:
    for seconds in (86_400.0, -3600.0):
        driven = Driven(meter())
        driven.take(0, begun(0))
        driven.clock_set(seconds)
        assert driven.until(1000 + seconds) == []
        assert end(driven, 1000 + seconds, finished(1000 + seconds))[0].startswith("paired: it ends what")


def test_what_is_kept_of_a_huge_event_is_little() -> None:
    driven = Driven(meter())
    labels = {f"l{number}": "x" * 9999 for number in range(999)}
    driven.take(0, at(0, "y" * 99_999, **labels, job="nightly"))
    assert isinstance(driven.state, Open)
    assert driven.state.event is not None
    assert len(driven.state.event.message) == 500
    assert sum(map(len, driven.state.event.labels.values())) < 11_000
    assert driven.state.event.labels["job"] == "nightly"


steps = st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=30)


@settings(max_examples=200, derandomize=True)
@given(steps, st.integers(15, 100))
def test_it_tells_what_the_model_tells(gaps: list[tuple[int, bool]], within: int) -> None:
    """The model walks second by second; ends come in order, so one that nothing opened changes nothing."""
    driven = Driven(meter(float(within)))
    events, now = {}, 0
    for gap, is_end in gaps:
        now += gap
        events[now] = is_end
    fired, over = [], []
    wanted, wanted_over, opened, told = [], [], None, False
    for second in range(1, now + 200):
        fired += [when for when, outcome in driven.until(second - 0.5) if outcome.told]
        if opened is not None and not told and second - 0.5 >= max(opened + within, opened + SETTLE):
            wanted.append(float(max(opened + within, opened + SETTLE)))
            told = True
        if second not in events:
            continue
        if events[second]:
            if end(driven, second, finished(second))[1]:
                over.append(second)
            if told:
                wanted_over.append(second)
            opened, told = None, False
        else:
            driven.take(second, begun(second))
            opened = second if opened is None else opened
    assert (fired, over) == (wanted, wanted_over)
