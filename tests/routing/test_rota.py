from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.config.schema import Override, Rota
from relay.routing.rota import on_duty, turn

DAY = 86400.0


def at(zone: str, *moment: int) -> float:
    return datetime(*moment, tzinfo=ZoneInfo(zone)).timestamp()  # type: ignore[misc,arg-type] # year, month, ...


def test_a_rota_takes_turns() -> None:
    weekly = Rota(rota=("wang", "li"), every=7 * DAY, from_="2026-01-05T09:00+08:00")
    turns = [on_duty(weekly, at("Asia/Shanghai", 2026, 1, day, 9)) for day in (1, 5, 11, 12, 18, 19)]
    assert turns == ["wang", "wang", "wang", "li", "li", "wang"]
    assert on_duty(weekly, at("Asia/Shanghai", 2026, 1, 12, 8, 59)) == "wang"


@pytest.mark.usefixtures("berlin")
def test_the_hand_over_stays_at_nine_when_summer_time_begins() -> None:
    daily = Rota(
        rota=("wang", "li"), every=DAY, from_="2026-03-27T09:00"
    )  # the clocks go forward on the 29th
    before = [on_duty(daily, at("Europe/Berlin", 2026, 3, day, 8, 59)) for day in (28, 29, 30, 31)]
    after = [on_duty(daily, at("Europe/Berlin", 2026, 3, day, 9, 0)) for day in (28, 29, 30, 31)]
    assert before == ["wang", "li", "wang", "li"]
    assert after == ["li", "wang", "li", "wang"]


@pytest.mark.usefixtures("berlin")
def test_a_named_zone_counts_and_not_the_hosts() -> None:
    daily = Rota(rota=("wang", "li"), every=DAY, from_="2026-01-05T09:00 Asia/Shanghai")
    assert on_duty(daily, at("Asia/Shanghai", 2026, 1, 6, 8, 59)) == "wang"
    assert on_duty(daily, at("Asia/Shanghai", 2026, 1, 6, 9, 0)) == "li"


def weekly(*overrides: Override, zone: str = "Asia/Shanghai") -> Rota:
    return Rota(rota=("wang", "li"), every=7 * DAY, from_="2026-01-05T09:00", zone=zone, overrides=overrides)


def test_the_rotas_zone_holds_for_its_start() -> None:
    assert turn(weekly(), at("Asia/Shanghai", 2026, 1, 12, 9)).names == ("li",)
    assert turn(weekly(), at("Asia/Shanghai", 2026, 1, 12, 8, 59)).names == ("wang",)


def test_a_turn_says_when_it_began_and_ends() -> None:
    now = turn(weekly(), at("Asia/Shanghai", 2026, 1, 14, 12))
    assert (now.since, now.until) == (
        at("Asia/Shanghai", 2026, 1, 12, 9),
        at("Asia/Shanghai", 2026, 1, 19, 9),
    )
    before = turn(weekly(), at("Asia/Shanghai", 2025, 12, 1))
    assert (before.names, before.until) == (("wang",), at("Asia/Shanghai", 2026, 1, 12, 9))


def test_an_override_stands_in_for_its_time() -> None:
    rota = weekly(Override(from_="2026-01-06T12:00", until="2026-01-08T09:00", to=("zhao", "li")))
    hours = [(6, 11), (6, 12), (8, 8), (8, 9)]
    found = [turn(rota, at("Asia/Shanghai", 2026, 1, day, hour)) for day, hour in hours]
    assert [each.names for each in found] == [("wang",), ("zhao", "li"), ("zhao", "li"), ("wang",)]
    assert [each.instead for each in found] == [False, True, True, False]
    assert found[0].until == found[1].since == at("Asia/Shanghai", 2026, 1, 6, 12)
    assert found[1].until == found[3].since == at("Asia/Shanghai", 2026, 1, 8, 9)


def test_a_date_alone_is_a_whole_day_and_the_last_override_counts() -> None:
    rota = weekly(
        Override(from_="2026-01-06", until="2026-01-08", to=("zhao",)),
        Override(from_="2026-01-07", until="2026-01-07", to=("li",)),
    )
    moments = [(5, 23), (6, 0), (7, 0), (7, 23), (8, 0), (8, 23), (9, 0)]
    found = [turn(rota, at("Asia/Shanghai", 2026, 1, *moment)).names[0] for moment in moments]
    assert found == ["wang", "zhao", "li", "li", "zhao", "zhao", "wang"]


def test_a_hand_over_within_the_repeated_hour_happens_once() -> None:
    daily = Rota(rota=("wang", "li"), every=DAY, from_="2026-10-20T02:30", zone="Europe/Berlin")
    start = at("Europe/Berlin", 2026, 10, 25, 2)  # the clocks go back from three to two
    seen = [on_duty(daily, start + 60 * minute) for minute in range(150)]
    assert seen == ["wang"] * 30 + ["li"] * 120 or seen == ["li"] * 30 + ["wang"] * 120


@settings(max_examples=200, derandomize=True)
@given(
    st.sampled_from([3600.0, 6 * 3600.0, DAY, 7 * DAY]),
    st.sampled_from(["Europe/Berlin", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe"]),
    st.integers(-40 * 86400, 400 * 86400),
)
def test_turns_follow_one_another_without_gap(every: float, zone: str, after: int) -> None:
    rota = Rota(rota=("a", "b", "c"), every=every, from_="2026-01-05T09:00", zone=zone)
    now = at(zone, 2026, 1, 5, 9) + after
    this = turn(rota, now)
    assert this.since <= now < this.until
    following = turn(rota, this.until)
    assert following.since == this.until
    if this.since > float("-inf"):
        order = "abcabc"
        assert order[order.index(this.names[0]) + 1] == following.names[0]
