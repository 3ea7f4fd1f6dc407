"""What rules and noise control make of an outage: it is told once, and so is its end."""

from __future__ import annotations

from typing import Any

import pytest

from relay.config.checks import Allowance
from relay.config.schema import Absent, Distinct, Jump, Match, Pair, Text, Threshold
from relay.models import Batch, Level, Silence
from tests.fakes import event
from tests.watchdog.rig import Stage, rule
from tests.watchdog.test_service import WEB, but, runs, script, stage

__all__ = ["stage"]

ERRORS = Match(level=Level.ERROR)


def short(lines: list[tuple[str, str, str]]) -> list[tuple[str, str]]:
    return [(reason, line.partition(":")[0].partition(" after")[0]) for _, reason, line in lines]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"fingerprint": "event"},
        {"fingerprint": "message"},
        {"fingerprint": ("message", "state")},
        {"resolve_after": 30.0},
        {"threshold": Threshold(count=3, within=60.0)},
        {"distinct": Distinct(of="host", count=3, within=60.0)},
        {"rate": Jump(factor=3.0, within=60.0)},
        {"new": True},
        {"pair": Pair(ends=ERRORS, by=("module",), within=60.0)},
    ],
    ids=str,
)
async def test_whatever_a_rule_counts_an_outage_is_told_once_and_so_is_its_end(
    stage: Stage, fields: dict[str, Any]
) -> None:
    entry = but(to=(), every=100.0)
    await stage.open(stage.config(rules=(rule("errors", match=ERRORS, **fields),), web=entry))
    await stage.pipeline.adopt(stage.pipeline.rules)
    for _ in range(2):
        stage.break_("web")
        await stage.run(305)
        for _ in range(6):  # no look says anything meanwhile: quiet is no recovery
            stage.clock.advance(15)
            await stage.send()
        await stage.run(200)
        stage.mend("web")
        await stage.run(105)
    once = [("first", "web is down"), ("resolved", "web recovered")]
    assert short(await stage.told()) == once * 2


async def test_a_rule_that_waits_for_events_sees_that_of_a_check(stage: Stage) -> None:
    waiting = rule("anything", match=Match(), absent=Absent(for_=400.0), to=("owner",))
    await stage.open(stage.config(rules=(waiting, rule("errors", match=ERRORS)), web=but(to=())))
    await stage.pipeline.adopt(stage.pipeline.rules)
    await stage.run(300)
    stage.break_("web")
    await stage.run(300)
    await stage.send()
    assert [who for who, _, _ in await stage.told()] == ["ops"]


async def test_that_relay_gives_up_is_told_though_it_flaps(stage: Stage) -> None:
    """W02: up and down for minutes: `max_restarts`, then "gives up" once, and no more."""
    entry = but(
        every=1.0,
        failures=1,
        start_grace=1.0,
        restart=script(stage, ""),
        max_restarts=Allowance(count=5, within=3600.0),
    )
    await stage.open(stage.config(web=entry))
    for _ in range(60):
        stage.break_("web")
        await stage.run(1)
        stage.mend("web")
        await stage.run(1)
    assert runs(stage) == 5
    reasons = [reason for _, reason, _ in await stage.told()]
    assert reasons.count("flapping") == 1
    assert [("relay gives up" in text) for text in await stage.texts()].count(True) == 1
    assert len(reasons) <= 10


async def test_down_in_a_silence_is_told_when_it_ends_and_over_in_it_is_in_its_closing_line(
    stage: Stage,
) -> None:
    await stage.open(stage.config(web=WEB, db=but(check="tcp://db:1")))
    await stage.run(30)
    now = stage.clock.now()
    silence = Silence(
        id=1, matchers=("module=watchdog.*",), author="li", reason="x", created_at=now, ends_at=now + 300
    )
    stage.intake.put_nowait(Batch(events=[], orders=[silence]))
    await stage.send()
    stage.break_("web")
    stage.break_("db")
    await stage.run(100)
    stage.mend("db")
    await stage.run(100)
    assert await stage.told() == []
    await stage.run(130)
    await stage.send()
    texts = await stage.texts()
    assert [text.partition(" after")[0] for text in texts if text.startswith(("web is", "db is"))] == [
        "web is still down"
    ]
    assert [text for text in texts if text.startswith("[RESOLVED] watchdog.db: db is down")]
    stage.mend("web")
    await stage.run(30)
    assert (await stage.told())[-1][1:2] == ("resolved",)


async def test_what_was_told_before_a_silence_is_over_in_it(stage: Stage) -> None:
    await stage.open(stage.config(web=WEB))
    stage.break_("web")
    await stage.run(30)
    now = stage.clock.now()
    silence = Silence(
        id=1, matchers=("check=web",), author="li", reason="x", created_at=now, ends_at=now + 900
    )
    stage.intake.put_nowait(Batch(events=[], orders=[silence]))
    await stage.run(60)
    stage.mend("web")
    await stage.run(30)
    assert short(await stage.told()) == [("first", "web is down"), ("resolved", "web recovered")]


async def test_what_belongs_to_an_outage_is_not_lost_with_its_end_or_with_relay(stage: Stage) -> None:
    everything = rule("errors", match=ERRORS)
    config = stage.config(rules=(everything,), web=but(module=(Text("glob", "shop.*"),)))
    await stage.open(config)
    stage.break_("web")
    await stage.run(30)
    await stage.send(event("one", module="shop.cart"))
    await stage.again(config)
    await stage.send(event("two", module="shop.cart"))
    stage.mend("web")
    await stage.run(30)
    await stage.send(event("three", module="shop.cart"))
    assert [line for _, _, line in await stage.told()][-1] == "three"
    outage = next(row.alert for row in await stage.store.alerts() if row.alert.module == "watchdog.web")
    assert outage.count == outage.notified_count == 3  # each is in a message's number
