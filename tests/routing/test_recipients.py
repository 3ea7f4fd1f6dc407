from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from relay.config.schema import Config, Rota
from relay.models import Address
from relay.routing.recipients import addresses
from relay.routing.rota import on_duty

DAY = 86400.0
PEOPLE = {"wang": {"rtx": "wangwei", "mail": "w@example.com"}, "li": {"rtx": "lina"}, "zhao": {"rtx": "zhao"}}


def reached(names: tuple[str, ...], now: float = 0.0, **more: Any) -> list[str]:
    config = Config(recipients={**PEOPLE, **more})
    return [each.recipient for each in addresses(config, names, now)]


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_person_has_addresses_in_order() -> None:
    (wang,) = addresses(Config(recipients=dict(PEOPLE)), ("wang",), 0.0)
    assert wang.addresses == (Address("rtx", "wangwei"), Address("mail", "w@example.com"))


def test_teams_are_expanded_each_person_once() -> None:
    assert reached(("team", "zhao", "li"), team=("li", "inner"), inner=("wang", "li")) == [
        "li",
        "wang",
        "zhao",
    ]


def test_teams_that_hold_each_other_end() -> None:
    assert reached(("a",), a=("b", "wang"), b=("a", "li")) == ["li", "wang"]


def test_unknown_names_and_people_without_address_reach_nobody() -> None:
    assert reached(("nobody", "empty"), empty={}) == []


def at(zone: str, *moment: int) -> float:
    return datetime(*moment, tzinfo=ZoneInfo(zone)).timestamp()  # type: ignore[misc,arg-type] # year, month, ...


def test_a_rota_takes_turns() -> None:
    weekly = Rota(rota=("wang", "li"), every=7 * DAY, from_="2026-01-05T09:00+08:00")
    turns = [on_duty(weekly, at("Asia/Shanghai", 2026, 1, day, 9)) for day in (1, 5, 11, 12, 18, 19)]
    assert turns == ["wang", "wang", "wang", "li", "li", "wang"]
    assert on_duty(weekly, at("Asia/Shanghai", 2026, 1, 12, 8, 59)) == "wang"


def test_a_rota_of_teams_reaches_the_team_on_duty() -> None:
    turns = Rota(rota=("day", "zhao"), every=DAY, from_="2026-01-05T00:00Z")
    assert reached(("oncall",), at("UTC", 2026, 1, 5, 12), oncall=turns, day=("li", "wang")) == ["li", "wang"]


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
