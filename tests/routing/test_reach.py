from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from relay.config.schema import Config, Owner, Person, Rota, Rule, Way
from relay.config.windows import window
from relay.models import Attempt, Level
from relay.routing.reach import findings, in_words, unmatched, unreachable
from relay.routing.ruleset import Ruleset
from tests.routing.build import NOW, event, match, rule

pytestmark = pytest.mark.usefixtures("berlin")  # the host's hours are told
ZONE = "Europe/Berlin"


def person(active: str = "", mute: str = "") -> Person:
    def read(text: str) -> tuple[Any, ...]:
        return (window(text),) if text else ()

    return Person(addresses={"rtx": "x"}, zone=ZONE, active=read(active), mute=read(mute))


def told(*rules: Rule, **recipients: Any) -> list[str]:
    found = findings(Config(rules=rules, recipients=recipients), NOW)
    assert all(problem.severity == "warning" for problem in found)
    return [problem.text for problem in found]


def test_whoever_is_always_reached_gives_nothing_to_say() -> None:
    assert told(rule(), wang={"rtx": "w"}) == []
    assert told(rule(to=("wang", "li")), wang=person("09:00-18:00"), li=person(mute="09:00-18:00")) == []
    assert told(rule(to=()), wang=person("09:00-18:00")) == []


def test_hours_in_which_nobody_is_reached() -> None:
    (text,) = told(rule(), wang=person("mon-fri 09:00-18:00"))
    hours = "mon-fri 00:00-09:00 18:00-24:00, sat-sun"
    assert text == f"a critical alert by rule 'payments' reaches nobody {hours}: it waits"


def test_hours_in_which_only_one_of_a_rota_sleeps() -> None:
    weekly = Rota(rota=("wang", "li"), every=7 * 86400.0, from_="2026-01-05T00:00", zone=ZONE)
    text = told(rule(to=("oncall",)), oncall=weekly, wang=person(mute="02:00-03:30"), li={"rtx": "l"})
    assert text == [
        "a critical alert by rule 'payments' reaches nobody mon-sun 02:00-03:30 in some weeks: it waits"
    ]


def test_a_rule_with_hours_is_looked_at_too() -> None:
    quiet = rule(mute=(window("sun"),), zone=ZONE)
    assert told(quiet, wang={"rtx": "w"}) == [
        "a critical alert by rule 'payments' reaches nobody sun: it waits"
    ]


def test_windows_that_never_open() -> None:
    over = (window("2020-01-01..2020-12-31"),)
    assert told(rule(active=over), wang={"rtx": "w"}) == [
        "rule 'payments' tells nobody, ever: its windows never open"
    ]
    found = told(rule(), wang=person("mon", "mon"))
    assert found == [
        "recipient 'wang' is never told anything: their windows never open",
        "rule 'payments' reaches nobody in the next 4 weeks: all its recipients are silent",
    ]
    ways: dict[str, str | Way] = {"mail": Way(to="w", active=(window("mon"),)), "rtx": "w"}
    tuesdays = Person(addresses=ways, zone=ZONE, active=(window("tue"),))
    assert "recipient 'wang' is never told by mail: no time is left for it" in told(wang=tuesdays)


def test_what_cannot_be_known_beforehand_is_left_alone() -> None:
    owner = Owner(owner="/x/CODEOWNERS", else_=("wang",))
    assert told(rule(to=("author",)), author=owner, wang=person("mon")) == []
    assert told(rule(continue_=True), wang=person("mon")) == []


def test_half_hours_in_words() -> None:
    assert in_words({0, 1, 2}) == "mon 00:00-01:30"
    assert in_words(range(336)) == "mon-sun"
    assert in_words({47, 48}) == "mon 23:30-24:00, tue 00:00-00:30"


def test_modules_that_no_rule_takes() -> None:
    ruleset = Ruleset(Config(rules=(rule(match=match(module="pay.*", level=Level.ERROR)),)))
    seen = [
        event(module="web"),
        event(module="pay.refund", level=Level.INFO),
        event(module="pay.refund"),
        event(module="pay.stock", level=Level.WARNING),
        event(module="relay.backend", source="relay"),
    ]
    assert list(unmatched(ruleset, seen)) == ["web", "pay.stock"]


def test_people_whose_addresses_all_refused() -> None:
    refused = Attempt(
        delivery=1,
        backend="rtx",
        to="w",
        started_at=NOW,
        seconds=0.1,
        outcome="rejected",
        detail="no such user",
    )
    config = Config(recipients={"wang": {"rtx": "w"}, "li": {"rtx": "w", "mail": "l"}, "team": ("wang",)})
    assert list(unreachable(config, [refused])) == ["wang"]
    assert unreachable(config, [replace(refused, outcome="temporary")]) == {}
