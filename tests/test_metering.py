"""Rules that count, in the whole pipeline with a real store, stopped and started where it may hurt."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from relay.book import RecentIds
from relay.clock import FakeClock
from relay.config.schema import Absent, Config, Distinct, Jump, Match, Pair, Rule, Text, Threshold
from relay.explain import explain
from relay.models import AlertState, Batch, Event, Level, Message, Reason
from relay.outbox.sqlite import SqliteStore
from relay.pipeline import Pipeline
from relay.placing import Known
from relay.routing.ruleset import Ruleset
from relay.rulebook import Rules
from relay.sources.intake import Intake
from tests.fakes import FakeSettings, event
from tests.test_pipeline import Outlets


def words(*parts: str) -> Match:
    return Match(message=tuple(Text("part", part) for part in parts))


RULES = (
    Rule(name="wait", match=words("beat"), to=("wang",), absent=Absent(for_=600.0, grace=30.0)),
    Rule(name="three", match=words("deadlock"), to=("wang",), threshold=Threshold(count=3, within=60.0)),
    Rule(
        name="hosts",
        match=words("refused"),
        to=("wang",),
        distinct=Distinct(of="host", count=3, within=60.0, by=("rule",)),
    ),
    Rule(name="fast", match=words("slow"), to=("wang",), rate=Jump(within=60.0, over=600.0)),
    Rule(name="new", match=words("odd"), to=("wang",), new=True),
    Rule(
        name="job",
        match=words("started"),
        to=("wang",),
        pair=Pair(ends=words("finished"), within=3600.0, by=("job",)),
    ),
    Rule(name="rest", match=Match(level=Level.CRITICAL), to=("wang",)),
)


class Stage:
    """The pipeline as the daemon builds it; `restart` is what is left of it after kill -9."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = FakeClock()
        self.store: SqliteStore
        self.pipeline: Pipeline
        self.rules: tuple[Rule, ...] = RULES

    async def start(self) -> None:
        self.store = await SqliteStore.open(str(self.path), self.clock)
        config = Config(
            backends={"a": FakeSettings()},
            recipients={"wang": {"a": "wangwei"}},
            rules=self.rules,
        )
        rules = Rules.of(config, Ruleset(config))
        self.pipeline = Pipeline(
            Intake(), self.store, self.clock, rules, Outlets(), RecentIds(), stuck=self._stuck
        )
        await self.pipeline.recall()

    async def restart(self, away: float = 0.0) -> None:
        await self.store.close()
        self.clock.advance(away)
        await self.start()

    async def _stuck(self, text: str) -> None:
        raise AssertionError(text)

    def event(self, message: str, ago: float = 0.0, **fields: Any) -> Event:
        return event(message, time=self.clock.now() - ago, **fields)

    async def take(self, *events: Event) -> None:
        await self.pipeline.run_once([Batch(events=list(events))])

    async def pass_time(self, seconds: float) -> None:
        """As the daemon does: a turn at each time that something is due, and at the end."""
        until = self.clock.now() + seconds
        while True:
            due = min(
                (at for at in (self.pipeline.book.next_due(), self.pipeline.meters.next_due()) if at),
                default=until,
            )
            self.clock.advance(max(0.001, min(due, until) - self.clock.now()))
            await self.take()
            if self.clock.now() >= until:
                return

    async def messages(self) -> list[Message]:
        return [row.message for row in reversed(await self.store.deliveries())]

    async def told(self) -> list[Reason]:
        return [message.reason for message in await self.messages()]

    def why(self, each: Event) -> str:
        """What `relay explain` says."""
        rules = self.pipeline.rules
        known, counted = Known(self.pipeline.book.some), self.pipeline.meters.state
        said = explain(rules, each, known, self.clock.now(), counted=counted).json()
        return f"{said['reason']}: {said['routes'][-1]['why']}"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path / "relay.db")
    await stage.start()
    stage.clock.advance(60)  # past the grace after start
    yield stage
    await stage.store.close()


async def test_three_in_a_minute_are_one_message_across_restarts(stage: Stage) -> None:
    assert stage.why(stage.event("deadlock on 7")) == "below: 1 of 3 within 1 min"
    await stage.take(stage.event("deadlock on 1", labels={"host": "db1"}))
    await stage.restart(20)
    assert stage.why(stage.event("deadlock on 7")) == "below: 2 of 3 within 1 min"
    await stage.take(stage.event("deadlock on 2"))
    await stage.restart(22)
    assert stage.why(stage.event("deadlock on 7")) == "first: a new problem"
    assert await stage.told() == []
    await stage.take(stage.event("deadlock on 3"))
    (message,) = await stage.messages()
    assert message.counted == ("3 in 42 s", "deadlock on 1 [db1]", "deadlock on 2", "deadlock on 3")
    assert (message.count, message.last_seen - message.first_seen) == (3, 42)
    (row,) = await stage.store.alerts()
    assert row.trace["counted"] == list(message.counted)


async def test_what_is_held_back_is_stored_with_its_reason_and_counted_by_name(stage: Stage) -> None:
    await stage.take(stage.event("deadlock on 1"), stage.event("deadlock on 2"))
    events = await stage.store.events_of(0)
    assert events == []
    assert stage.pipeline.tally == {("apps", "three", "below"): 2}
    rows = await stage.store._reader.run(lambda db: db.execute("SELECT reason FROM events").fetchall())
    assert rows == [("below: 1 of 3 within 1 min",), ("below: 2 of 3 within 1 min",)]


async def test_what_stayed_below_is_said_with_the_next_message_even_after_a_restart(stage: Stage) -> None:
    for _ in range(5):
        await stage.take(stage.event("deadlock on 1"))
        await stage.pass_time(300)
    await stage.take(*(stage.event("deadlock on 1") for _ in range(3)))
    message = (await stage.messages())[-1]
    assert (message.rule, message.count) == ("three", 3)
    assert message.counted[-1] == "5 earlier stayed below 3 within 1 min"
    await stage.pass_time(300)
    await stage.take(stage.event("deadlock on 1"))
    await stage.restart(500)
    await stage.pass_time(3700)
    await stage.take(*(stage.event("deadlock on 1") for _ in range(3)))
    reminder = (await stage.messages())[-1]
    assert (reminder.reason, reminder.count) == (Reason.REMINDER, 6)
    assert reminder.counted[-1] == "1 earlier stayed below 3 within 1 min"


async def test_different_values_of_a_label_are_one_alert_of_the_rule(stage: Stage) -> None:
    for number, host in enumerate("aabc"):
        await stage.take(stage.event(f"refused by {number}", module=f"m{number}", labels={"host": host}))
    (message,) = await stage.messages()
    assert message.counted == ("3 values of host in 0 s", "a", "b", "c")
    assert message.count == 4


async def test_nothing_for_ten_minutes_is_told_reminded_and_over(stage: Stage) -> None:
    await stage.take(stage.event("beat", level=Level.INFO))
    assert stage.why(stage.event("beat")) == "seen: people are told when nothing matches for 10 min"
    await stage.pass_time(599)
    assert await stage.told() == []
    await stage.pass_time(2)
    (message,) = await stage.messages()
    assert (message.reason, message.title) == (Reason.FIRST, "wait: nothing matched for 10 min")
    assert message.text == "nothing matched for 10 min; wanted: something every 10 min"
    await stage.restart(5)
    await stage.pass_time(3700)  # it stands: a reminder, though nothing new happened
    assert await stage.told() == [Reason.FIRST, Reason.REMINDER]
    assert len(stage.pipeline.book) == 1
    await stage.take(stage.event("beat"))
    over = (await stage.messages())[-1]
    assert (over.reason, over.state) == (Reason.RESOLVED, AlertState.RESOLVED)
    assert over.counted[0].startswith("something matched again, after 1 h")
    assert len(stage.pipeline.book) == 0


async def test_when_it_last_came_survives_a_restart_and_the_grace_comes_after(stage: Stage) -> None:
    await stage.take(stage.event("beat"))
    await stage.restart(3000)
    await stage.pass_time(29)
    assert await stage.told() == []
    await stage.pass_time(2)
    assert await stage.told() == [Reason.FIRST]
    await stage.restart(3)
    await stage.pass_time(1000)
    assert await stage.told() == [Reason.FIRST]  # told once


async def test_a_rule_that_waits_takes_no_event_away(stage: Stage) -> None:
    await stage.take(stage.event("beat missed", level=Level.CRITICAL))
    (message,) = await stage.messages()
    assert message.rule == "rest"
    assert stage.pipeline.tally == {("apps", "rest", "first"): 1}


async def test_a_jump_is_told_and_over_by_time_alone(stage: Stage) -> None:
    for _ in range(80):
        await stage.take(stage.event("slow answer"))
        await stage.pass_time(10)
    assert await stage.told() == [Reason.FIRST]  # that of the rule that waits for `beat`
    await stage.take(*(stage.event("slow answer", module=f"m{number % 5}") for number in range(50)))
    message = (await stage.messages())[-1]
    assert (message.rule, message.title) == ("fast", "fast: 5 times as many as usual")
    assert message.counted[0].endswith(" in 1 min")
    assert message.counted[1].startswith("usually ")
    assert message.count == int(message.counted[0].split()[0])
    await stage.restart(20)
    await stage.pass_time(120)
    over = (await stage.messages())[-1]
    assert (over.rule, over.reason) == ("fast", Reason.RESOLVED)


async def test_only_what_is_new_is_told_ever(stage: Stage) -> None:
    await stage.take(stage.event("odd thing"), stage.event("odd other"))
    assert await stage.told() == [Reason.FIRST, Reason.FIRST]
    await stage.pass_time(3 * 86400)
    before = len(await stage.told())
    await stage.restart()
    assert stage.why(stage.event("odd thing")) == "known: this problem is not new to the rule"
    await stage.take(stage.event("odd thing"), stage.event("odd third"))
    assert len(await stage.told()) == before + 1


async def test_a_rule_that_becomes_new_knows_its_alerts_of_before(stage: Stage) -> None:
    by = Rule(name="later", match=words("strange"), to=("wang",), resolve_after=60.0)
    stage.rules = (by,)
    await stage.restart()
    await stage.take(stage.event("strange thing"))
    await stage.pass_time(100)
    assert await stage.told() == [Reason.FIRST, Reason.RESOLVED]
    stage.rules = (Rule(name="later", match=words("strange"), to=("wang",), new=True),)
    await stage.restart()
    await stage.take(stage.event("strange thing"), stage.event("strange other"))
    assert [message.title for message in await stage.messages()][2:] == ["strange other"]


async def test_a_job_that_ends_is_quiet_and_one_that_does_not_is_told(stage: Stage) -> None:
    started, finished = ("job started", "job finished")
    await stage.take(stage.event(started, labels={"job": "a"}), stage.event(started, labels={"job": "b"}))
    why = stage.why(stage.event(finished, labels={"job": "a"}))
    assert why == "paired: it ends what was open for 0 s"
    await stage.take(stage.event(finished, level=Level.INFO, labels={"job": "a"}))
    await stage.restart(1800)
    await stage.pass_time(1801)
    message = next(each for each in await stage.messages() if each.rule == "job")
    assert message.title == "not ended within 1 h: job started"
    assert message.text == "job started\nnot ended within 1 h (job=b)"
    await stage.take(stage.event(finished, labels={"job": "b"}))
    over = (await stage.messages())[-1]
    assert (over.reason, over.counted) == (Reason.RESOLVED, ("it ended after 1 h",))
    assert [row.key for row in await stage.store.meters() if row.rule == "job"] == []


async def test_an_end_that_another_rule_takes_goes_that_way_too(stage: Stage) -> None:
    await stage.take(stage.event("job started", labels={"job": "a"}))
    await stage.take(stage.event("job finished badly", level=Level.CRITICAL, labels={"job": "a"}))
    (message,) = await stage.messages()
    assert message.rule == "rest"
    assert [row.key for row in await stage.store.meters() if row.rule == "job"] == []


async def test_a_beginning_and_its_end_in_one_batch_are_taken_in_order(stage: Stage) -> None:
    await stage.take(
        stage.event("job started", labels={"job": "a"}),
        stage.event("job finished", labels={"job": "a"}),
        stage.event("job started", labels={"job": "a"}),
    )
    await stage.pass_time(3601)
    assert [message.rule for message in await stage.messages()].count("job") == 1


async def test_keys_are_bounded_and_it_is_said(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.meters.MOST_KEYS", 10)
    await stage.take(*(stage.event("job started", labels={"job": str(number)}) for number in range(15)))
    assert stage.pipeline.status()["meters"]["job"] == {"keys": 10, "forgotten": 5}
    kept = [row for row in await stage.store.meters() if row.rule == "job"]
    assert len(kept) == 10


async def test_a_reload_keeps_the_counts_that_still_fit(stage: Stage) -> None:
    await stage.take(stage.event("deadlock on 1"), stage.event("deadlock on 1"), stage.event("beat"))

    async def reload(rules: tuple[Rule, ...]) -> None:
        config = Config(backends={"a": FakeSettings()}, recipients={"wang": {"a": "w"}}, rules=rules)
        await stage.pipeline.adopt(Rules.of(config, Ruleset(config)))

    await reload(())  # an edit that loses the rules, and the next that brings them back
    await reload(RULES)
    await stage.take(stage.event("deadlock on 1"))
    assert await stage.told() == [Reason.FIRST]
    await reload((Rule(name="three", match=words("deadlock"), to=("wang",), new=True),))
    await stage.take()
    assert [row.rule for row in await stage.store.meters() if row.rule == "three"] == ["three"]


async def test_a_clock_that_is_set_is_no_absence(stage: Stage) -> None:
    await stage.take(stage.event("beat"))
    stage.clock._now += 7200
    stage.pipeline._heed_clock()
    await stage.pass_time(500)
    assert await stage.told() == []
    await stage.pass_time(200)
    assert await stage.told() == [Reason.FIRST]


async def test_what_is_counted_together_is_one_alert_though_each_event_is_its_own(stage: Stage) -> None:
    three = Threshold(count=3, within=60.0, by=("rule",))
    stage.rules = (Rule(name="all", match=words("x"), to=("wang",), fingerprint="event", threshold=three),)
    await stage.restart()
    await stage.take(*(stage.event(f"x {number}") for number in range(3)))
    await stage.take(*(stage.event(f"x {number}") for number in range(9)))
    (message,) = await stage.messages()
    assert (message.counted[0], message.state) == ("3 in 0 s", AlertState.FIRING)
