from __future__ import annotations

from typing import Any

from relay.config.schema import Config, Owner, Person, Rota, Team, Way
from relay.config.windows import window
from relay.models import Address
from relay.routing.calendar import NEVER
from relay.routing.recipients import Reached, addresses, expected_by, needs_event, reached_by, told_now
from tests.routing.build import event, rule
from tests.routing.test_rota import at

DAY = 86400.0
PEOPLE: dict[str, Any] = {
    "wang": {"rtx": "wangwei", "mail": "w@example.com"},
    "li": {"rtx": "lina"},
    "zhao": {"rtx": "zhao"},
}


def reached(names: tuple[str, ...], now: float = 0.0, **more: Any) -> list[str]:
    config = Config(recipients={**PEOPLE, **more})
    return [each.recipient for each in addresses(config, names, now)]


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


def test_a_rota_of_teams_reaches_the_team_on_duty() -> None:
    turns = Rota(rota=("day", "zhao"), every=DAY, from_="2026-01-05T00:00Z")
    assert reached(("oncall",), at("UTC", 2026, 1, 5, 12), oncall=turns, day=("li", "wang")) == ["li", "wang"]


# -- hours ------------------------------------------------------------------------------------------------

NIGHT, WORK = (window("22:00-06:00"),), (window("09:00-18:00"),)


def who(names: tuple[str, ...], hour: int, **recipients: Any) -> list[Reached]:
    """At that hour of a Monday in UTC."""
    return addresses(Config(recipients=recipients), names, at("UTC", 2026, 1, 5, hour))


def person(**hours: Any) -> Person:
    return Person(addresses={"rtx": "x"}, zone="UTC", **hours)


def test_someone_outside_of_their_hours_waits_for_them() -> None:
    (off,) = who(("wang",), 3, wang=person(active=WORK))
    assert (off.opens_at, off.addresses) == (at("UTC", 2026, 1, 5, 9), (Address("rtx", "x"),))
    (on,) = who(("wang",), 9, wang=person(active=WORK))
    assert on.opens_at == 0.0


def test_the_hours_are_those_of_the_persons_zone() -> None:
    berlin = Person(addresses={"rtx": "x"}, zone="Europe/Berlin", active=WORK)
    assert [bool(who(("wang",), hour, wang=berlin)[0].opens_at) for hour in (7, 8, 16, 17)] == [
        True,
        False,
        False,
        True,
    ]


def test_addresses_have_hours_of_their_own() -> None:
    ways: dict[str, str | Way] = {
        "mail": Way(to="w@example.com", active=WORK),
        "phone": Way(to="123", mute=WORK),
        "rtx": "w",
    }
    wang = Person(addresses=ways, zone="UTC")
    assert [each.backend for each in who(("wang",), 12, wang=wang)[0].addresses] == ["mail", "rtx"]
    assert [each.backend for each in who(("wang",), 20, wang=wang)[0].addresses] == ["phone", "rtx"]


def test_the_addresses_of_one_who_waits_are_those_that_open_first() -> None:
    ways: dict[str, str | Way] = {
        "mail": Way(to="w@example.com", active=WORK),
        "phone": Way(to="123", active=NIGHT),
    }
    (wang,) = who(("wang",), 20, wang=Person(addresses=ways, zone="UTC"))
    assert (wang.addresses, wang.opens_at) == ((Address("phone", "123"),), at("UTC", 2026, 1, 5, 22))


def test_a_team_with_hours_and_a_way_around_it() -> None:
    people = {"wang": {"rtx": "w"}, "night": Team(team=("wang",), active=NIGHT, zone="UTC")}
    assert who(("night",), 12, **people)[0].opens_at == at("UTC", 2026, 1, 5, 22)
    assert who(("night", "wang"), 12, **people)[0].opens_at == 0.0  # reached by name at any time
    assert who(("wang", "night"), 12, **people)[0].opens_at == 0.0


def test_all_that_stands_on_the_way_must_be_open() -> None:
    people = {"wang": person(active=WORK), "team": Team(team=("wang",), mute=WORK, zone="UTC")}
    assert who(("team",), 12, **people)[0].opens_at == NEVER


def test_a_rule_has_hours_too() -> None:
    config = Config(recipients={"wang": person(active=WORK)})
    quiet = rule(mute=(window("08:00-10:00"),), zone="UTC")
    (wang,) = reached_by(config, quiet, at("UTC", 2026, 1, 5, 3))
    assert wang.opens_at == at("UTC", 2026, 1, 5, 10)


def test_who_waits_behind_a_rota_is_looked_at_again_when_the_turn_ends() -> None:
    weekly = Rota(rota=("wang", "li"), every=7 * DAY, from_="2026-01-01T12:00", zone="UTC")
    tuesdays = person(active=(window("tue 09:00-18:00"),))
    people: dict[str, Any] = {"wang": tuesdays, "li": {"rtx": "l"}, "oncall": weekly}
    config = Config(recipients=people)
    (wang,) = addresses(config, ("oncall",), at("UTC", 2026, 1, 7, 3))
    assert (wang.recipient, wang.via, wang.opens_at) == ("wang", "oncall", at("UTC", 2026, 1, 13, 9))
    assert wang.look_at == at("UTC", 2026, 1, 8, 12)
    assert addresses(config, ("oncall",), wang.look_at)[0].recipient == "li"


def test_who_may_be_told_now() -> None:
    config = Config(recipients={"wang": person(active=WORK), "li": {"rtx": "l"}})
    assert [each.recipient for each in told_now(config, ("wang", "li"), at("UTC", 2026, 1, 5, 3))] == ["li"]


def test_teams_with_hours_in_a_circle_end() -> None:
    people = {name: Team(team=(other, "wang"), active=WORK, zone="UTC") for name, other in ("ab", "ba")}
    assert [each.recipient for each in who(("a",), 12, wang={"rtx": "w"}, **people)] == ["wang"]


def test_an_owner_takes_an_event_to_know() -> None:
    owner = Owner(
        owner="/srv/shop/CODEOWNERS", root="/srv/shop", else_=("li",), entries=(("*.py", ("@wang",)),)
    )
    config = Config(recipients={**PEOPLE, "author": owner, "team": ("author",)})
    trace = 'Traceback (most recent call last):\n  File "/srv/shop/pay.py", line 3, in refund\nKeyError: 1'
    by = rule(to=("team",))
    assert needs_event(config, by.to)
    assert not needs_event(config, ("wang", "li"))
    assert [each.recipient for each in reached_by(config, by, 0.0, event(trace))] == ["wang"]
    assert [each.recipient for each in reached_by(config, by, 0.0, event("no trace"))] == ["li"]
    assert expected_by(config, by, 0.0, ()) == []
