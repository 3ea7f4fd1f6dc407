from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relay.config.checks import Heartbeat, MissesOf
from relay.models import CheckRecord
from relay.watchdog.standing import Turn, excused, judged, outage, restarted, started
from relay.watchdog.verdict import Verdict
from tests.watchdog.build import FAILED, HELD, LATE, UNKNOWN, WALL, after, at, watch

N, FELL, ROSE = Turn.NOTHING, Turn.FELL, Turn.ROSE


def test_down_after_so_many_in_a_row_and_up_again_after_so_many() -> None:
    entry = watch(failures=3, recovers=2)
    standing, turns = after([HELD, FAILED, FAILED, HELD, FAILED, FAILED, FAILED, FAILED, HELD, HELD], entry)
    assert turns == [N, N, N, N, N, N, FELL, N, N, ROSE]
    assert standing.word == "up"
    assert standing.record.since == WALL + 100


def test_so_many_of_the_latest() -> None:
    entry = watch(failures=MissesOf(count=3, of=5))
    assert after([FAILED, HELD, FAILED, HELD, FAILED], entry)[1][-1] is FELL
    assert FELL not in after([FAILED, HELD, HELD, FAILED, HELD, FAILED, HELD, HELD], entry)[1]


def test_what_cannot_be_judged_is_never_down_and_is_said_once() -> None:
    standing, turns = after([HELD, *[UNKNOWN] * 50, HELD], watch(failures=3))
    assert turns[3] is Turn.BLINDED
    assert [turn for turn in turns if turn is not N] == [Turn.BLINDED]
    assert not standing.record.down
    assert after([HELD, UNKNOWN], watch())[0].word == "unknown"


def test_unknown_neither_ends_nor_lengthens_a_row() -> None:
    assert after([FAILED, UNKNOWN, FAILED], watch(failures=2))[1] == [N, N, FELL]
    assert after([FAILED, UNKNOWN, HELD, FAILED], watch(failures=2))[1] == [N, N, N, N]


def test_a_look_while_relay_was_held_up_says_nothing() -> None:
    assert after([FAILED, LATE, LATE, LATE], watch(failures=2))[1] == [N, N, N, N]


def test_a_service_gets_time_to_start() -> None:
    standing, turns = after([FAILED] * 6, watch(failures=1, start_grace=60.0))
    assert turns == [N, N, N, N, N, FELL]
    assert standing.word == "down"
    assert after([FAILED] * 2, watch(failures=1, start_grace=60.0))[0].word == "starting"


def test_the_first_success_ends_the_time_to_start() -> None:
    assert after([HELD, FAILED], watch(failures=1, start_grace=600.0))[1] == [N, FELL]


def test_a_restart_is_given_its_time_and_then_judged() -> None:
    entry = watch(failures=1, start_grace=25.0)
    down, _ = after([HELD, FAILED], entry)
    again = restarted(down, entry, at(20))
    again, turn = judged(again, entry, FAILED, at(40))
    assert turn is N
    unhelped, turn = judged(again, entry, FAILED, at(50))
    assert turn is Turn.UNHELPED
    assert judged(unhelped, entry, FAILED, at(60))[1] is N  # the verdict is given once
    up, turn = judged(again, entry, HELD, at(50))
    assert turn is ROSE
    assert not up.verifying


def test_an_outage_goes_on_over_a_restart_of_relay() -> None:
    record = CheckRecord(name="web", down=True, since=WALL - 100, first_seen=1.0)
    standing, turns = after([FAILED, HELD], watch(failures=1, start_grace=5.0), record)
    assert turns == [Turn.UNHELPED, ROSE]
    assert not standing.record.down


def test_how_long_it_was_down_does_not_depend_on_the_clock_being_set() -> None:
    standing, _ = after([HELD, FAILED, FAILED], watch(failures=2))
    assert outage(standing, at(50)) == 30
    assert outage(standing, type(at(0))(WALL - 9999, 1050.0)) == 30
    known = started(CheckRecord(name="web", down=True, since=WALL + 500), watch(), at(0))
    assert outage(known, at(10)) == 0  # the clock was set back while relay was away


def test_a_heartbeat_is_overdue_or_not() -> None:
    assert after([FAILED], watch(check=(), heartbeat=Heartbeat(every=60.0)))[1] == [FELL]


def test_who_is_excused_starts_afresh() -> None:
    entry = watch(failures=2, start_grace=15.0)
    standing, _ = after([HELD, FAILED], entry)
    fresh = excused(standing, entry, at(20))
    fresh, turn = judged(fresh, entry, FAILED, at(30))
    assert turn is N
    assert judged(fresh, entry, FAILED, at(40))[1] is FELL


@given(
    st.lists(st.sampled_from([HELD, FAILED, UNKNOWN, LATE]), max_size=60),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_falls_and_rises_alternate(looks: list[Verdict], failures: int, recovers: int) -> None:
    _, turns = after(looks, watch(failures=failures, recovers=recovers))
    moves = [turn for turn in turns if turn in {FELL, ROSE}]
    assert moves == [FELL, ROSE] * (len(moves) // 2) + [FELL] * (len(moves) % 2)
