"""Groups, storms, flapping and budgets, through the real pipeline."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from relay.config.schema import Config, Flap, Match, Person, Rule, Storm, Text
from relay.config.windows import window
from relay.explain import explain
from relay.holds import Holds, due_of
from relay.models import Alert, AlertState, Event, Level, Reason
from relay.placing import Known
from relay.routing.decide import Decision
from tests.bench import day
from tests.fakes import FakeSettings, event
from tests.replay import Replay, accounted, named

WORDS = [f"{a}{b}{c}" for a in ("ba", "ko", "mi", "nu", "ze", "tar", "vol", "qui", "xen", "hob")
         for b in ("lan", "rit", "sum", "dek", "fop", "gid", "jav", "wen", "cul", "pam")
         for c in ("dor", "nel", "tis", "vak", "zum", "bry", "gox", "hef", "jit", "kol")]  # fmt: skip


def config(*rules: Rule, **fields: Any) -> Config:
    usual: dict[str, Any] = {
        "operators": ("ops",),
        "backends": {"a": FakeSettings()},
        "recipients": {"wang": {"a": "wang"}, "ops": {"a": "ops"}},
        "budget": (),
    }
    return Config(rules=rules, **usual | fields)


def rule(**fields: Any) -> Rule:
    usual: dict[str, Any] = {
        "name": "pay",
        "match": Match(module=(Text("glob", "pay*"),)),
        "to": ("wang",),
        "repeat": (600.0, 1800.0),
        "storm": False,
        "flap": False,
    }
    return Rule(**usual | fields)


def on(host: str, message: str = "timeout", **fields: Any) -> Event:
    return event(message, labels={"host": host}, **fields)


# -- groups -------------------------------------------------------------------------------------------------

GROUPED = rule(group_by=("host",), resolve_after=3600.0)


async def test_alerts_of_one_group_are_one_message_after_group_wait() -> None:
    replay = Replay(config(GROUPED))
    await replay.take(on("web1"), on("web1", "deadlock"))
    await replay.wait(10)
    await replay.take(on("web1"), on("web1", "deadlock"), on("web2", "deadlock"))
    assert replay.told == []
    assert replay.store.reasons == {"group": 3, "window": 2}
    await replay.wait(25)
    (one,) = replay.messages()
    assert (one.reason, one.title, one.count, one.state) == (
        Reason.GROUP, "2 problems of host=web1", 4, AlertState.FIRING)  # fmt: skip
    assert one.text == "[ERROR] pay: timeout (x2) #1\n[ERROR] pay: deadlock (x2) #2"
    await replay.wait(10)
    assert replay.messages()[1].title == "deadlock"  # alone in its group: as by itself
    assert accounted(replay.messages()) == 5


async def test_what_is_new_in_a_group_waits_for_its_interval_and_threads() -> None:
    replay = Replay(config(GROUPED))
    await replay.take(on("web1"))
    await replay.wait(60)
    await replay.take(on("web1", "deadlock"), on("web1"))
    await replay.wait(269)
    assert len(replay.told) == 1
    await replay.wait(2)
    first, second = replay.told
    assert first.thread == second.thread != ""
    assert second.message.text == "[ERROR] pay: deadlock #3\n[ERROR] pay: timeout #1"
    assert (second.message.more, second.message.variants) == (2, 1)


async def test_a_group_that_goes_on_reminds_by_repeat_with_all_that_was_counted() -> None:
    replay = Replay(config(GROUPED))
    await replay.take(on("web1"), on("web1", "deadlock"))
    for _ in range(60):
        await replay.wait(60)
        await replay.take(on("web1"), on("web1", "deadlock"))
    times = [each.created_at - replay.told[0].created_at for each in replay.told]
    assert [round(at, -2) for at in times] == [0.0, 600.0, 2400.0]
    await replay.wait(86400)
    assert accounted(replay.messages()) == 122


async def test_resolved_parts_are_listed_and_the_last_ends_the_group() -> None:
    replay = Replay(config(GROUPED))
    await replay.take(on("web1"), on("web1", "deadlock"))
    await replay.wait(1800)
    await replay.take(on("web1", "deadlock"))
    await replay.wait(1900)
    assert replay.messages()[-1].title == "timeout"
    assert replay.messages()[-1].state is AlertState.FIRING  # the other goes on
    await replay.wait(86400)
    assert replay.messages()[-1].state is AlertState.RESOLVED
    assert replay.store.held == {}
    assert accounted(replay.messages()) == 3


async def test_group_wait_alone_makes_each_problem_wait() -> None:
    replay = Replay(config(rule(group_wait=30.0)))
    await replay.take(event("timeout"), event("deadlock"))
    await replay.wait(20)
    await replay.take(event("timeout"))
    await replay.wait(15)
    assert [(each.title, each.count) for each in replay.messages()] == [("timeout", 2), ("deadlock", 1)]


async def test_a_group_whose_rule_is_gone_is_told_all_the_same() -> None:
    replay = Replay(config(GROUPED))
    await replay.take(on("web1"))
    other = Replay(config())
    other.store, other.clock = replay.store, replay.clock
    other.restart()
    await other.wait(60)
    assert [each.recipient for each in other.told] == ["wang"]


# -- storms -------------------------------------------------------------------------------------------------


async def test_a_storm_is_one_message_with_samples_until_it_is_over() -> None:
    replay = Replay(config(rule(storm=Storm(20, 60.0))))
    for second in range(100):
        await replay.take(*(event(f"{word} broke") for word in WORDS[second * 3 : second * 3 + 3]))
        await replay.wait(1)
    await replay.wait(3600)
    reasons = [each.reason for each in replay.messages()]
    assert reasons == [Reason.FIRST] * 20 + [Reason.STORM] * 2
    storm, end = replay.messages()[-2:]
    assert storm.title.startswith("a storm of rule pay: ")
    assert "more with" in storm.text
    assert "The storm is over" in end.text
    assert accounted(replay.messages()) == 300
    assert named(replay.messages()) == set(map(int, replay.store.alerts))
    await replay.take(event("one alone"))
    assert replay.messages()[-1].reason is Reason.FIRST


async def test_a_critical_one_passes_a_storm_of_others() -> None:
    replay = Replay(config(rule(storm=Storm(5, 60.0))))
    await replay.take(*(event(f"{word} broke") for word in WORDS[:50]))
    await replay.take(event("fire", level=Level.CRITICAL))
    assert replay.messages()[-1].title == "fire"
    await replay.take(*(event(f"{word} burns", level=Level.CRITICAL) for word in WORDS[:50]))
    await replay.wait(3600)
    assert len(replay.told) == 5 + 5 + 1  # a storm of critical ones is one too
    assert accounted(replay.messages()) == 101


async def test_many_groups_at_once_are_a_storm_too() -> None:
    replay = Replay(config(rule(group_by=("host",), storm=Storm(5, 60.0))))
    await replay.take(*(on(word, "disk full") for word in WORDS[:30]))
    await replay.wait(3600)
    assert [each.reason for each in replay.messages()] == [Reason.GROUP] * 5 + [Reason.STORM]
    assert accounted(replay.messages()) == 30


# -- flapping -----------------------------------------------------------------------------------------------

FLAPPING = rule(resolve_after=60.0, flap=Flap(3, 3600.0))


async def flap(replay: Replay, times: int) -> None:
    for _ in range(times):
        await replay.take(event())
        await replay.wait(300)


async def test_flapping_is_said_once_and_closed_with_one_line() -> None:
    replay = Replay(config(FLAPPING))
    await flap(replay, 10)
    reasons = [each.reason for each in replay.messages()]
    assert reasons == [Reason.FIRST, Reason.RESOLVED] * 2 + [Reason.FIRST, Reason.FLAPPING]
    assert replay.messages()[-1].state is AlertState.FIRING
    assert "resolved 3 times within 1 h" in replay.messages()[-1].text
    await replay.wait(7200)
    end = replay.messages()[-1]
    assert (end.reason, end.state, end.more) == (Reason.SETTLED, AlertState.RESOLVED, 7)
    assert "quiet now: resolved 7 more times" in end.text
    assert accounted(replay.messages()) == 10
    assert replay.store.held == {}


async def test_flapping_settles_when_it_fires_steadily() -> None:
    replay = Replay(config(FLAPPING))
    await flap(replay, 4)
    for _ in range(100):
        await replay.take(event())
        await replay.wait(50)
    settled = next(each for each in replay.messages() if each.reason is Reason.SETTLED)
    assert settled.state is AlertState.FIRING
    assert "firing steadily now" in settled.text
    await replay.wait(86400)
    assert accounted(replay.messages()) == 104


async def test_what_becomes_critical_is_told_though_it_flaps() -> None:
    replay = Replay(config(FLAPPING))
    await flap(replay, 4)
    await replay.take(event(level=Level.CRITICAL))
    assert replay.messages()[-1].level is Level.CRITICAL


async def test_flapping_can_be_switched_off() -> None:
    replay = Replay(config(rule(resolve_after=60.0, flap=False)))
    await flap(replay, 5)
    assert len(replay.told) == 10


# -- budgets ------------------------------------------------------------------------------------------------


async def test_beyond_the_budget_one_digest_names_every_alert_and_critical_ones_pass() -> None:
    replay = Replay(config(rule(repeat=()), budget=("10/1m", "60/1h")))
    await replay.take(*(event(f"{word} broke") for word in WORDS[:40]))
    await replay.take(event("fire", level=Level.CRITICAL))
    assert len(replay.told) == 11
    assert replay.store.reasons == {"first": 11, "budget": 30}
    await replay.wait(59)
    assert len(replay.told) == 11
    await replay.wait(2)
    digest = replay.messages()[-1]
    assert digest.title == "30 problems in one message: your budget of messages is used up"
    assert "and 10 more with 10 events: #" in digest.text
    assert named(replay.messages()) == set(replay.store.alerts)
    assert accounted(replay.messages()) == 41


async def test_each_recipient_has_a_budget_of_its_own() -> None:
    one = rule(to=("wang", "ops"), repeat=())
    replay = Replay(config(one, budget=("5/1m",), budgets={"ops": ()}))
    await replay.take(*(event(f"{word} broke") for word in WORDS[:40]))
    await replay.wait(600)
    assert [len(replay.messages(name)) for name in ("wang", "ops")] == [6, 40]
    assert [each.alert for each in replay.told if each.reason is Reason.BUDGET] == [0]
    assert accounted(replay.messages("wang")) == accounted(replay.messages("ops")) == 40


async def test_a_budget_outlives_a_restart_and_a_clock_that_is_set_back() -> None:
    replay = Replay(config(rule(repeat=()), budget=("5/1m",)))
    await replay.take(*(event(f"{word} broke") for word in WORDS[:9]))
    replay.clock._now -= 86400.0
    replay.restart()
    await replay.take(event("another"))
    assert len(replay.told) == 5
    await replay.wait(120)
    assert len(replay.told) == 6
    assert accounted(replay.messages()) == 10


@pytest.mark.parametrize("level", [Level.ERROR, Level.CRITICAL])
async def test_relays_own_trouble_is_never_held(level: Level) -> None:
    replay = Replay(config(rule(to=("ops",)), budget=("1/1m",)))
    await replay.take(event("one"), event("two"))
    trouble = event("rtx is down", source="relay", module="relay.backend", level=level,
                    labels={"subject": "a"})  # fmt: skip
    await replay.take(trouble)
    assert [each.reason for each in replay.told] == [Reason.FIRST, Reason.OPERATORS]


# -- hours --------------------------------------------------------------------------------------------------


def with_hours(by: Rule, active: str, **fields: Any) -> Config:
    """The tests begin at 08:00 UTC; ops is outside of their hours but then."""
    ops = Person(addresses={"a": "ops"}, active=(window(active),), zone="UTC")
    people = {"wang": {"a": "wang"}, "ops": ops}
    return config(replace(by, to=("wang", "ops")), recipients=people, **fields)


async def test_whoever_is_outside_of_their_hours_loses_nothing_of_a_group() -> None:
    replay = Replay(with_hours(GROUPED, "08:00-08:02"))
    await replay.take(on("web1"), on("web1", "deadlock"))
    await replay.wait(180)
    await replay.take(on("web1"), on("web1", "deadlock", time=replay.clock.now()))
    await replay.take(on("web1", "disk full"))  # news for wang alone
    await replay.wait(400)
    assert [len(replay.messages(name)) for name in ("wang", "ops")] == [2, 1]
    await replay.wait(3 * 86400)
    assert accounted(replay.messages("wang")) == accounted(replay.messages("ops")) == 5
    night = [each for each in replay.told if each.recipient == "ops"][1:]
    assert all(8 * 3600 <= each.next_at % 86400 <= 8 * 3600 + 120 for each in night)


async def test_a_digest_that_comes_due_at_night_waits_for_the_hours() -> None:
    replay = Replay(with_hours(rule(repeat=()), "08:00-08:01", budget=("5/1m", "6/1h")))
    await replay.take(*(event(f"{word} broke") for word in WORDS[:9]))
    await replay.wait(6 * 3600)
    assert [len(replay.messages(name)) for name in ("wang", "ops")] == [6, 5]
    await replay.wait(20 * 3600)
    last = replay.told[-1]
    assert (last.recipient, last.reason, last.next_at % 86400) == ("ops", Reason.BUDGET, 8 * 3600)
    assert accounted(replay.messages("ops")) == 9


# -- what `relay explain` says ------------------------------------------------------------------------------


async def test_explain_says_what_would_hold_it_back_and_changes_nothing() -> None:
    by = rule(storm=Storm(5, 60.0))
    replay = Replay(config(by))
    await replay.take(*(event(f"{word} broke") for word in WORDS[:9]))
    before = replay.pipeline.holds.all()
    rules, now = replay.pipeline.rules, replay.clock.now()
    holds = Holds(lambda hold: due_of(hold, rules.by_name, rules.config, now))
    holds.load(before)

    def judge(rule: Rule, decision: Decision, alert: Alert | None) -> Decision:
        return holds.judge(rules.config, rule, decision, alert, event("new"), now)

    said = explain(rules, event("new"), Known(replay.pipeline.book.some), now, judge=judge)
    (route,) = said.json()["routes"]
    assert (route["reason"], route["told"]) == ("storm", [])
    assert route["held"] == {
        "by": "storm", "why": "a storm of the rule: more than 5 messages in a short time",
        "until": now + 30.0, "to": ["wang"]}  # fmt: skip
    assert replay.pipeline.holds.all() == before


async def test_the_stored_trace_says_what_held_it_back() -> None:
    replay = Replay(config(rule(repeat=()), budget=("1/1m",)))
    await replay.take(event("one"), event("two"))
    first, second = (replay.store.traces[number] for number in sorted(replay.store.alerts))
    assert "held" not in first
    assert (second["reason"], second["held"]["by"], second["held"]["to"]) == ("first", "budget", ["wang"])


# -- the benchmarks, in short -------------------------------------------------------------------------------


async def test_a_flood_of_a_thousand_problems_stays_within_the_budget() -> None:
    replay = Replay(config(rule(storm=Storm(), repeat=(3600.0,)), budget=("10/1m", "60/1h")))
    for second in range(20):
        await replay.take(*(event(f"{word} broke, order {second}") for word in WORDS))
        await replay.wait(1)
    await replay.wait(3600)
    assert len(replay.told) <= 60
    await replay.wait(2 * 86400)
    assert accounted(replay.messages()) == 20_000
    assert {each.reason for each in replay.messages()} > {Reason.FIRST, Reason.BUDGET}


async def test_a_tenth_of_the_day_of_the_readme_is_accounted_for() -> None:
    events = list(day.day())[::10]
    plain, told, count = await day.play(events)
    assert count == len(events)
    assert all(told[name].total() < number / 5 for name, number in plain.items())
