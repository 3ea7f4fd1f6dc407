"""What `relay explain` says of an event is what the daemon then does with it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from relay import log
from relay.config.checks import Heartbeat
from relay.config.schema import Absent, Match, Text, Watch
from relay.explain import Explanation, explain
from relay.models import Event, Level
from relay.rulebook import RELAY
from relay.watchdog import told
from tests.fakes import event
from tests.watchdog.rig import Stage, rule, staged

ERRORS = rule("errors", match=Match(level=Level.ERROR))
OTHER = rule("other", match=Match(module=(Text("exact", "x"),)))
SHOP = Watch(check="tcp://web:1", every=10.0, failures=2, start_grace=5.0, module=(Text("glob", "shop.*"),))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as stage:
        yield stage


@pytest.fixture
def signed() -> Iterator[str]:
    log.sign("0123456789abcdef")
    yield log.signature()
    log.sign("")


def explained(stage: Stage, asked: Event) -> Explanation:
    return explain(stage.pipeline.rules, asked, stage.pipeline.known(), stage.clock.now())


async def agree(stage: Stage, asked: Event) -> tuple[Explanation, str, list[str]]:
    """The explanation, once it is what came to pass: the reason, and the recipients told."""
    said, before = explained(stage, asked), len(await stage.told())
    tally = stage.pipeline.tally.copy()
    await stage.send(asked)
    ((_, rule, reason),) = stage.pipeline.tally - tally
    assert reason == said.reason.value
    assert rule == (said.routes[0].rule if said.routes else "")
    people = [who for who, _, _ in (await stage.told())[before:]]
    shown = [each["recipient"] for route in said.json()["routes"] for each in route["told"]]
    assert people == shown
    return said, reason, people


def down(stage: Stage, state: str = told.DOWN) -> Event:
    watch = stage.watchdog.entries["web"].watch
    return told.event("web", watch, state, "web is down: refused", "tcp://web:1", stage.clock.now())


def steps(said: Explanation) -> list[tuple[str, str]]:
    return [(step.rule, step.outcome) for step in said.steps]


@pytest.mark.parametrize(
    ("rules", "to", "people", "shown"),
    [
        ((ERRORS,), ("owner",), ["owner"], [("watchdog.web", "matched"), ("errors", "not reached")]),
        ((ERRORS,), (), ["ops"], [("errors", "matched")]),
        ((OTHER,), (), ["ops"], [("other", "failed"), ("watchdog.web", "matched")]),
    ],
    ids=["the entry says to", "a rule takes it", "no rule takes it"],
)
async def test_an_event_of_the_watchdog(
    stage: Stage, rules: Any, to: Any, people: list[str], shown: list[tuple[str, str]]
) -> None:
    await stage.open(stage.config(rules=rules, web=Watch(check="tcp://web:1", to=to)))
    said, reason, heard = await agree(stage, down(stage))
    assert (reason, heard, steps(said)) == ("first", people, shown)
    _, reason, _ = await agree(stage, down(stage, told.STILL))
    assert reason == "window"
    _, reason, heard = await agree(stage, down(stage, told.PRESSING))
    assert (reason, heard) == ("reminder", people)
    _, reason, heard = await agree(stage, down(stage, told.OVER))
    assert (reason, heard) == ("resolved", people)
    assert await stage.store.live_alerts() == []


async def test_an_event_of_a_service_that_is_down(stage: Stage) -> None:
    await stage.open(stage.config(rules=(ERRORS,), web=SHOP))
    at_cart = event("cannot reach the shop", module="shop.cart")
    assert explained(stage, at_cart).reason.value == "first"
    stage.break_("web")
    await stage.run(30)
    said, reason, heard = await agree(stage, at_cart)
    assert (said.outage, reason, heard) == ("web", "linked", [])
    _, reason, heard = await agree(stage, event("elsewhere", module="pay"))
    assert (reason, heard) == ("first", ["ops"])
    stage.mend("web")
    await stage.run(30)
    said, reason, heard = await agree(stage, at_cart)
    assert (said.outage, reason, heard) == ("", "first", ["ops"])


async def test_a_rule_that_only_looks_on_sees_what_an_outage_covers(stage: Stage) -> None:
    quiet = rule("quiet", match=Match(module=(Text("glob", "shop.*"),)), absent=Absent(for_=3600.0))
    await stage.open(stage.config(rules=(quiet, ERRORS), web=SHOP))
    stage.break_("web")
    await stage.run(30)
    said = explained(stage, event("cannot reach the shop", module="shop.cart"))
    assert [route.rule for route in said.routes] == ["errors", "quiet"]


async def test_a_line_of_relays_own_log(stage: Stage, signed: str) -> None:
    await stage.open(stage.config(rules=(ERRORS,), web=SHOP))
    line = json.dumps({"event": "delivery_died", "by": signed})
    said, reason, heard = await agree(stage, event(line))
    assert (said.is_own_line, reason, heard) == (True, "no_rule", [])
    assert steps(said) == [("errors", "not reached")]
    other, reason, heard = await agree(stage, event(line.replace(signed, "relay-ffffffffffffffff")))
    assert (other.is_own_line, reason, heard) == (False, "first", ["ops"])


async def test_evidence_that_quotes_relays_own_log_silences_no_check(stage: Stage, signed: str) -> None:
    await stage.open(stage.config(rules=(ERRORS,), web=SHOP))
    quoting = told.event("web", SHOP, told.DOWN, f"web is down\nlog: {signed}", "", stage.clock.now())
    _, reason, heard = await agree(stage, quoting)
    assert (reason, heard) == ("first", ["ops"])


async def test_relays_own_news(stage: Stage) -> None:
    await stage.open(stage.config(rules=(ERRORS,), web=SHOP))
    news = event("backend a is down", source=RELAY, module="relay.backend", labels={"subject": "a"})
    said, reason, heard = await agree(stage, news)
    assert (reason, heard) == ("first", ["ops"])
    assert steps(said) == [("relay itself", "matched"), ("errors", "not reached")]


async def test_relays_own_trouble_is_named_by_its_words_not_by_their_mask(stage: Stage) -> None:
    await stage.open(stage.config(rules=(ERRORS,)))
    for text in ("rules.yaml:14:5: unknown key 'a'", "rules.yaml:9:5: unknown key 'b'"):
        await stage.send(event(text, source=RELAY, module="relay.config", labels={"subject": "rules.yaml"}))
    (delivery,) = await stage.store.deliveries(most=10)  # one problem
    assert delivery.message.title == "rules.yaml:14:5: unknown key 'a'"


async def test_a_job_that_failed_is_told_by_its_check_alone(stage: Stage) -> None:
    job = Watch(heartbeat=Heartbeat(every=3600.0), start_grace=0.0)
    await stage.open(stage.config(rules=(ERRORS,), job=job))
    word = replace(event("no space left", module="beat.job", labels={"beat": "job"}), program="0/cron")
    said, reason, heard = await agree(stage, word)
    assert (reason, heard) == ("no_rule", [])
    assert steps(said) == [("errors", "not reached")]
    await stage.run(10)
    (told_,) = await stage.told()
    assert told_[1:] == ("first", "job is down: the job said: no space left")
    log_line = replace(word, program="")  # whose label says nothing
    _, reason, heard = await agree(stage, log_line)
    assert (reason, heard) == ("first", ["ops"])
