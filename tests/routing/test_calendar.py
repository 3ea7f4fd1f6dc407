from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.config.windows import dates, window
from relay.routing.calendar import NEVER, Days, Gate, is_open, opens_at, wall

BERLIN, SHANGHAI, HALF = "Europe/Berlin", "Asia/Shanghai", "Australia/Lord_Howe"  # the last goes half an hour
# National Day 2026: off from the 1st to the 7th, the Saturday after it is worked instead.
CHINA = Days(
    off=frozenset(range(date(2026, 10, 1).toordinal(), date(2026, 10, 8).toordinal())),
    on=frozenset({date(2026, 9, 20).toordinal(), date(2026, 10, 10).toordinal()}),
)


def gate(active: str = "", mute: str = "", zone: str = SHANGHAI, days: Days = CHINA) -> Gate:
    """Windows separated by semicolons."""

    def read(text: str) -> tuple[object, ...]:
        return tuple(window(each) for each in text.split(";") if each)

    return Gate(read(active), read(mute), zone, days)  # type: ignore[arg-type]


def at(text: str, zone: str = SHANGHAI, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def shown(now: float, zone: str = SHANGHAI) -> str:
    return wall(now, zone).isoformat(timespec="minutes")


@pytest.mark.parametrize(
    ("active", "moment", "is_within"),
    [
        ("09:00-18:00", "2026-03-02T09:00", True),
        ("09:00-18:00", "2026-03-02T17:59", True),
        ("09:00-18:00", "2026-03-02T18:00", False),  # the end is outside
        ("22:00-06:00", "2026-03-02T23:00", True),
        ("22:00-06:00", "2026-03-02T05:59", True),
        ("22:00-06:00", "2026-03-02T06:00", False),
        ("00:00-24:00", "2026-03-02T23:59", True),
        ("fri 22:00-06:00", "2026-03-07T05:00", True),  # Saturday morning belongs to Friday
        ("fri 22:00-06:00", "2026-03-06T05:00", False),
        ("sun 22:00-06:00", "2026-03-09T05:00", True),  # over the turn of the week
        ("mon-fri 09:00-18:00", "2026-03-07T12:00", False),
        ("sat-mon", "2026-03-09T12:00", True),
        ("sat-mon", "2026-03-10T12:00", False),
        ("Saturday, wed 08:00-09:00 20:00-21:00", "2026-03-04T20:30", True),
        ("2028-02-29", "2028-02-29T12:00", True),
        ("2028-02-28 22:00-06:00", "2028-02-29T05:00", True),
        ("2026-12-31..2027-01-02", "2027-01-01T00:00", True),
        ("2026-12-31..2027-01-02", "2027-01-03T00:00", False),
        ("workdays 09:00-18:00", "2026-09-30T12:00", True),
        ("workdays 09:00-18:00", "2026-10-01T12:00", False),  # a Thursday that is a holiday
        ("workdays 09:00-18:00", "2026-10-10T12:00", True),  # a Saturday that is worked instead
        ("workdays 09:00-18:00", "2026-10-11T12:00", False),
        ("holidays", "2026-10-03T12:00", True),  # a Saturday within the holiday
        ("weekends", "2026-10-03T12:00", False),
        ("weekends", "2026-10-10T12:00", False),
        ("weekends", "2026-10-11T12:00", True),
        ("mon-fri", "2026-10-01T12:00", True),  # no calendar is asked about days of the week
        ("08:00-09:00;20:00-21:00", "2026-03-02T20:00", True),
    ],
)
def test_within(active: str, moment: str, *, is_within: bool) -> None:
    assert is_open(gate(active), at(moment)) is is_within
    assert is_open(gate(mute=active), at(moment)) is not is_within


def test_mute_comes_before_active() -> None:
    lunch = gate("09:00-18:00", "12:00-13:00")
    assert [is_open(lunch, at(f"2026-03-02T{hour}:30")) for hour in (11, 12, 13)] == [True, False, True]
    assert shown(opens_at((lunch,), at("2026-03-02T12:30"))) == "2026-03-02T13:00"


@pytest.mark.parametrize(
    ("active", "now", "opens"),
    [
        ("09:00-18:00", "2026-03-02T03:00", "2026-03-02T09:00"),
        ("09:00-18:00", "2026-03-02T18:00", "2026-03-03T09:00"),
        ("mon-fri 09:00-18:00", "2026-03-06T20:00", "2026-03-09T09:00"),
        ("workdays 09:00-18:00", "2026-09-30T18:00", "2026-10-08T09:00"),
        ("workdays 09:00-18:00", "2026-10-09T18:00", "2026-10-10T09:00"),
        ("2028-02-29 10:00-11:00", "2027-03-01T00:00", "2028-02-29T10:00"),
    ],
)
def test_the_next_opening(active: str, now: str, opens: str) -> None:
    assert shown(opens_at((gate(active),), at(now))) == opens


def test_it_is_open_now() -> None:
    assert opens_at((), 0.0) == 0.0
    assert opens_at((gate("09:00-18:00"),), at("2026-03-02T09:00") + 0.5) == 0.0


def test_windows_that_never_open() -> None:
    assert opens_at((gate("2020-01-01..2020-12-31"),), at("2026-03-02T09:00")) == NEVER
    assert opens_at((gate("mon", "mon"),), at("2026-03-02T09:00")) == NEVER
    assert opens_at((gate("09:00-10:00"), gate("11:00-12:00")), at("2026-03-02T09:00")) == NEVER


def test_when_clocks_go_forward_the_hour_left_out_is_skipped() -> None:
    left_out, wide = gate("02:00-03:00", zone=BERLIN), gate("02:30-05:00", zone=BERLIN)
    night = at("2026-03-29T01:00", BERLIN)
    assert shown(opens_at((left_out,), night), BERLIN) == "2026-03-30T02:00"
    assert shown(opens_at((wide,), night), BERLIN) == "2026-03-29T03:00"  # half past two isn't there


def test_when_clocks_go_back_the_hour_comes_twice() -> None:
    twice = gate("02:15-02:45", zone=BERLIN)
    first = opens_at((twice,), at("2026-10-25T01:00", BERLIN))
    assert first == at("2026-10-25T02:15", BERLIN)
    assert opens_at((twice,), first + 1800) == at("2026-10-25T02:15", BERLIN, fold=1) == first + 3600


def test_gates_of_several_zones_meet() -> None:
    both = (gate("09:00-18:00", zone=SHANGHAI), gate("09:00-18:00", zone=BERLIN))
    opens = opens_at(both, at("2026-03-02T00:00"))
    assert shown(opens) == "2026-03-02T16:00"
    assert shown(opens, BERLIN) == "2026-03-02T09:00"


def test_a_time_of_the_host(berlin: None) -> None:
    night = gate("22:00-06:00", zone="")
    assert shown(opens_at((night,), at("2026-03-29T12:00", BERLIN)), BERLIN) == "2026-03-29T22:00"


def test_each_day_is_of_one_kind() -> None:
    start = date(2026, 9, 1).toordinal()
    kinds = [CHINA.kind(day) for day in range(start, start + 61)]
    assert (kinds.count("holidays"), kinds.count("workdays")) == (7, 61 - 7 - kinds.count("weekends"))


# -- against a slow, obvious model: minute by minute ---------------------------------------------------------

times = st.integers(0, 95).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
spans = st.tuples(times, times).filter(lambda pair: pair[0] != pair[1]).map("-".join)
days = st.sampled_from(["", "mon", "sat,sun", "fri-mon", "workdays", "weekends", "holidays", "2026-10-04"])
texts = st.tuples(days, st.one_of(spans, st.just(""))).map(" ".join).filter(str.strip)
some = st.lists(texts, max_size=2).map(";".join)
gates = st.builds(gate, some, some, st.sampled_from([SHANGHAI, BERLIN, HALF, "UTC"]))
starts = st.sampled_from(
    ["2026-03-28T18:00", "2026-10-24T12:00", "2026-10-03T09:30", "2026-04-04T06:10", "2028-02-28T23:59"]
)


@settings(max_examples=150, derandomize=True)
@given(st.lists(gates, min_size=1, max_size=2).map(tuple), starts)
def test_the_next_opening_is_the_first_open_minute(asked: tuple[Gate, ...], start: str) -> None:
    now = at(start, "UTC")
    first = next((m for m in range(9 * 1440) if all(is_open(each, now + 60 * m) for each in asked)), None)
    found = opens_at(asked, now)
    if first is None:
        assert found > now + 9 * 86400
    elif first == 0:
        assert found == 0.0
    else:
        assert found == now + 60 * first


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "an empty window"),
        ("9-18", "'9-18' is no date"),
        ("25:00-26:00", "'25:00-26:00' has a time that no clock shows"),
        ("09:00-09:75", "'09:00-09:75' has a time"),
        ("09:00-09:00", "begins and ends at the same time"),
        ("mon-fry", "'mon-fry' is no day (did you mean"),
        ("workday", "'workday' is no day (did you mean 'workdays'?)"),
        ("2026-02-29", "'2026-02-29' is no date"),
        ("2026-10-07..2026-10-01", "ends before it begins"),
    ],
)
def test_what_is_no_window(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        window(text)


def test_dates_hold_both_ends() -> None:
    week = dates("2026-10-01..2026-10-07")
    assert date.fromordinal(week.first) + timedelta(days=6) == date.fromordinal(week.last)
