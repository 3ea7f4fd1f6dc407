"""Silences, inhibitions and acknowledgements meet groups, storms and budgets: each event is told of once."""

from __future__ import annotations

from typing import Any

import pytest

from relay.config.schema import Config, Inhibit, Match, Rule, Step, Storm, Text
from relay.models import Acknowledge, EndSilence, Event, Level, Reason, Silence
from relay.rulebook import RELAY
from tests.fakes import FakeSettings, event
from tests.replay import NOW, Replay, accounted

GROUPED: dict[str, Any] = {"group_by": ("host",), "resolve_after": 3600.0, "repeat": (600.0, 1800.0)}


def replay(*, budget: tuple[str, ...] = (), more: tuple[Rule, ...] = (), **fields: Any) -> Replay:
    usual: dict[str, Any] = {"storm": False, "flap": False, "to": ("wang",)}
    pay = Rule(name="pay", match=Match(module=(Text("glob", "pay*"),)), **usual | fields)
    config = Config(
        operators=("ops",),
        backends={"a": FakeSettings()},
        recipients={"wang": {"a": "wang"}, "ops": {"a": "ops"}, "li": {"a": "li"}},
        budget=budget,
        rules=(pay, *more),
    )
    return Replay(config)


def silence(now: float, *matchers: str, seconds: float = 1000.0) -> Silence:
    return Silence(
        id=900, matchers=matchers, author="li", reason="deploy", created_at=now, ends_at=now + seconds
    )


def web1(message: str = "timeout", **fields: Any) -> Event:
    return event(message, labels={"host": "web1"}, **fields)


async def passing(told: Replay, seconds: float, every: float = 5.0) -> None:
    """Turns as they come in life: a silence's end is found by looking."""
    for _ in range(int(seconds / every)):
        told.clock.advance(every)
        await told.take()


async def test_a_groups_message_says_nothing_of_a_silenced_alert_which_is_told_later() -> None:
    told = replay(**GROUPED)
    await told.take(orders=[silence(NOW, "message=deadlock")])
    await told.take(web1(), web1("deadlock"), web1("deadlock"))
    await passing(told, 60)
    (first,) = told.messages()
    assert (first.title, first.count) == ("timeout", 1)
    await told.take(web1("deadlock"), web1("disk full"))  # a flush to come, while it has counted
    await passing(told, 500)
    assert [each.title for each in told.messages()] == ["timeout", "disk full"]
    await passing(told, 900)  # the silence is over after 1000 s
    assert [each.title for each in told.messages()] == ["timeout", "disk full", "deadlock"]
    assert accounted(told.messages()) == 5


async def test_what_was_told_before_its_silence_is_not_reminded_of_along_with_others() -> None:
    told = replay(**GROUPED)
    await told.take(web1(), web1("deadlock"))
    await passing(told, 60)
    await told.take(orders=[silence(told.clock.now(), "message=deadlock", seconds=5000)])
    await told.take(web1("deadlock"), web1("deadlock"))  # within its window: nothing to hold back yet
    await told.take(web1("disk full"))
    await passing(told, 400)
    assert told.messages()[1].title == "disk full"
    assert "deadlock" not in told.messages()[1].text
    await passing(told, 800)  # its reminder would be due
    assert len(told.told) == 2
    await told.take(orders=[EndSilence(900, "li")])
    await passing(told, 1200)  # what merely goes on waits for the group's `repeat`
    assert (told.messages()[2].title, told.messages()[2].more) == ("deadlock", 2)
    await passing(told, 8000, every=60)
    assert accounted(told.messages()) == 5


async def test_what_ends_under_its_silence_leaves_its_group_and_is_closed_once() -> None:
    told = replay(**GROUPED | {"resolve_after": 120.0})
    await told.take(orders=[silence(NOW, "host=web1")])
    await told.take(web1(), web1("deadlock"))
    await passing(told, 900)
    assert told.told == []
    assert told.store.held == {}
    await passing(told, 200)
    (closing,) = told.messages()
    assert closing.reason is Reason.SUMMARY
    assert "held back 2 events of 2 alerts" in closing.title


async def test_an_acknowledged_alert_is_not_reminded_of_along_with_its_group() -> None:
    told = replay(**GROUPED, ack_for=2000.0)
    await told.take(web1(), web1("deadlock"))
    await passing(told, 60)
    (deadlock,) = [each for each in told.pipeline.book.all() if each.title == "deadlock"]
    await told.take(orders=[Acknowledge(deadlock.id, "wang")])
    await told.take(web1("deadlock"), web1(), web1("disk full"))
    await passing(told, 1500)
    texts = [f"{each.title} {each.text}" for each in told.messages()[1:]]
    assert texts
    assert not any("deadlock" in text for text in texts)
    await passing(told, 1000)  # it lapses after 2000 s
    assert any("deadlock" in f"{each.title} {each.text}" for each in told.messages()[2:])
    assert accounted(told.messages()) == 5


async def test_what_a_silence_holds_back_costs_nobody_their_budget_nor_is_it_in_the_digest() -> None:
    told = replay(budget=("2/10m",), resolve_after=86400.0)
    await told.take(orders=[silence(NOW, "message=deadlock", seconds=300)])
    for _ in range(5):
        await told.take(web1("deadlock"))
    await told.take(web1())
    assert [each.title for each in told.messages("wang")] == ["timeout"]
    await told.take(web1("disk full"), web1("no route"))  # the budget is spent: one waits for the digest
    assert [each.title for each in told.messages("wang")] == ["timeout", "disk full"]
    await passing(told, 400)
    assert len(told.messages("wang")) == 2  # the silence is over, and the budget still spent
    await passing(told, 900)
    assert accounted(told.messages("wang")) == 8
    digest = told.messages("wang")[2]
    assert digest.reason is Reason.BUDGET
    assert "deadlock (x5)" in digest.text
    assert "no route" in digest.text


async def test_a_silenced_alert_is_no_part_of_a_storm() -> None:
    told = replay(storm=Storm(count=2, within=60.0), resolve_after=86400.0)
    await told.take(orders=[silence(NOW, "message=/^job/")])
    await told.take(*(web1(f"job {word} failed") for word in ("alpha", "beta", "gamma", "delta")))
    await told.take(web1(), web1("deadlock"))
    assert [each.title for each in told.messages()] == ["timeout", "deadlock"]
    await passing(told, 60)
    assert len(told.told) == 2


async def test_what_nobody_acknowledged_goes_to_the_next_past_groups_and_storms() -> None:
    told = replay(**GROUPED, escalate=(Step(after=120.0, to=("ops",)),))
    await told.take(web1())
    await passing(told, 60)
    assert [each.recipient for each in told.told] == ["wang"]
    await passing(told, 65)
    assert [(each.recipient, each.reason) for each in told.told[1:]] == [("ops", Reason.ESCALATED)]
    await told.take(web1("deadlock"), web1())
    await passing(told, 2500)
    assert {each.recipient for each in told.told[2:]} == {"wang", "ops"}
    assert accounted(told.messages("wang")) == 3


def own(message: str = "the disk is full") -> Event:
    return event(message, source=RELAY, module="relay.store", labels={"subject": "disk", "host": "web1"})


@pytest.mark.parametrize(
    ("matcher", "silenced"),
    [("module=*", False), ("host=web1", False), ("module=relay.*", True), ("module!=pay", False)],
)
async def test_relays_own_trouble_is_silenced_by_name_only(matcher: str, *, silenced: bool) -> None:
    told = replay()
    await told.take(orders=[silence(NOW, matcher)])
    await told.take(own())
    assert [each.recipient for each in told.told] == ([] if silenced else ["ops"])


@pytest.mark.parametrize(
    ("inhibit", "hidden"),
    [
        (Inhibit(equal=("host",)), False),
        (Inhibit(match=Match(module=(Text("glob", "relay.*"),))), True),
    ],
)
async def test_relays_own_trouble_is_inhibited_by_name_only(inhibit: Inhibit, *, hidden: bool) -> None:
    told = replay(inhibit=(inhibit,))
    await told.take(web1(level=Level.CRITICAL))
    await told.take(own())
    assert [each.recipient for each in told.told] == ["wang", *([] if hidden else ["ops"])]
