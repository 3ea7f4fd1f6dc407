"""What matchers mean, and when a silence is over."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from relay.config.schema import Config, Mute
from relay.config.windows import window
from relay.models import Level, Reason, Silence
from relay.routing.rota import moment
from relay.routing.silence import BadMatcherError, conditions_of, muffler, over, planned
from tests.fakes import alert
from tests.routing.build import NOW, event, match

ALERT = alert(
    "0123456789abcdef", id=17, rule="payments", module="pay.refund", title="timeout", hosts=("web1",)
)
EVENT = event(labels={"host": "web1", "team": "pay"})
SILENCE = Silence(
    id=12,
    matchers=("module=pay.*",),
    author="wang",
    reason="deploy",
    created_at=NOW,
    ends_at=NOW + 3600,
    quiet_since=NOW,
)


def holds(*matchers: str, stored: bool = True) -> bool:
    return all(test(ALERT, EVENT if stored else None) for test in conditions_of(matchers))


@pytest.mark.parametrize(
    "matcher",
    ["module=pay.*", "module=/pay[.]r.*/", "level=error", "level=warning", "rule=payments", "rule!=db",
     "message=after", "message=/AFTER \\d+/i", "alert=17", "fingerprint=0123456789abcdef", "host=web1",
     "host=/^web/", "host=web?", "host!=web2", "host=~web[12]", "host!~web", "team!~", "source=shop",
     "label.host=web1", "nothing!=there", " module = pay.* "],
)  # fmt: skip
def test_it_holds(matcher: str) -> None:
    assert holds(matcher)


@pytest.mark.parametrize(
    "matcher",
    ["module=pay", "level=critical", "rule=pay", "message=deadlock", "alert=1", "host=web", "host=~web",
     "host!=web1", "label.module=pay.refund", "nothing=there"],
)  # fmt: skip
def test_it_does_not_hold(matcher: str) -> None:
    assert not holds(matcher)


def test_all_must_hold() -> None:
    assert holds("module=pay.*", "host=web1")
    assert not holds("module=pay.*", "host=web2")


def test_without_a_stored_event_the_alert_itself_is_asked() -> None:
    assert holds("module=pay.*", "host=web1", "message=timeout", stored=False)
    assert not holds("team=pay", stored=False)


@pytest.mark.parametrize(
    "matcher",
    [
        "",
        "module",
        "=x",
        "host=",
        "level=loud",
        "host=/(?=x)/",
        "host=~(",
        "message=/x/q",
        "a b=c",
        "x" * 2000,
    ],
)
def test_what_is_no_matcher(matcher: str) -> None:
    with pytest.raises(BadMatcherError):
        conditions_of([matcher])


@pytest.mark.parametrize("matchers", [[], ["a=b"] * 33])
def test_none_or_too_many(matchers: list[str]) -> None:
    with pytest.raises(BadMatcherError):
        conditions_of(matchers)


def test_its_hold_says_who_and_why() -> None:
    hush = muffler(SILENCE).hush
    assert (hush.key, hush.words) == ("silence 12", "silence 12 of wang (deploy)")
    assert (hush.reason, hush.author, hush.why, hush.ends_at) == (
        Reason.SILENCED,
        "wang",
        "deploy",
        NOW + 3600,
    )


def test_when_it_is_over() -> None:
    assert not over(SILENCE, NOW + 3599)
    assert over(SILENCE, NOW + 3600)
    assert over(replace(SILENCE, ended_at=NOW), NOW)
    quiet = replace(SILENCE, until_quiet=600.0, quiet_since=NOW + 100)
    assert not over(quiet, NOW + 699)
    assert over(quiet, NOW + 700)
    assert not over(quiet, NOW - 5000)  # the clock was set back


def test_one_of_the_rules() -> None:
    mute = Mute(
        match=match(level=Level.WARNING),
        rules=("payments",),
        every=(window("mon 07:00-09:00"),),
        zone="UTC",
        reason="dump",
    )
    nightly = planned("nightly", mute, Config())
    found = nightly.at(NOW)  # Monday 08:00
    assert found is not None
    assert found.hush.key == f"silence nightly@{NOW + 3600:.0f}"
    assert found.hush.words == "silence nightly of rules.yaml (dump)"
    assert found.hush.ends_at == NOW + 3600
    assert found.applies(ALERT, EVENT)
    assert not found.applies(replace(ALERT, rule="db"), EVENT)
    assert not found.applies(ALERT, event(level=Level.INFO))
    assert nightly.at(NOW + 3600) is None
    move = Mute(match=match(module="pay.*"), until="2026-01-05T09:00 UTC", reason="move")
    once = planned("move", move, Config())
    assert once.at(NOW) is not None
    assert once.at(NOW + 3600) is None


@pytest.mark.parametrize("day", ["2026-03-28", "2026-03-29", "2026-10-24", "2026-10-25"])
def test_each_window_has_a_name_of_its_own_when_clocks_are_set(day: str) -> None:
    mute = Mute(
        match=match(module="pay.*"), every=(window("22:00-06:00"),), zone="Europe/Berlin", reason="night"
    )
    night = planned("night", mute, Config())
    start = moment(f"{day}T12:00", "Europe/Berlin").timestamp()
    found = [night.at(start + minute * 60) for minute in range(24 * 60)]
    keys = list(dict.fromkeys(each.hush.key if each else "" for each in found))
    assert len(keys) == 2  # by day none, and one for the night
    assert keys[0] == ""
    last = max(number for number, each in enumerate(found) if each)
    assert keys[1] == f"silence night@{start + (last + 1) * 60:.0f}"
