"""Whatever is silenced, acknowledged, inhibited, ended and restarted: each event is told of exactly once."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.book import RecentIds
from relay.clock import FakeClock
from relay.config.schema import Config, Inhibit, Match, Mute, Person, Rule, Step, Text
from relay.config.windows import window
from relay.models import Acknowledge, AlertState, Batch, EndSilence, Event, Level, Order, Reason, Silence
from relay.outbox.sqlite import SqliteStore
from relay.pipeline import Pipeline
from relay.routing.ruleset import Ruleset
from relay.rulebook import Rules
from relay.sources.intake import Intake
from tests.fakes import FakeSettings, event
from tests.test_pipeline import Outlets


def _rule(name: str, **fields: Any) -> Rule:
    return Rule(name=name, match=Match(module=(Text("exact", name),)), **{"to": ("wang", "zhang"), **fields})


CONFIG: Final = Config(
    backends={"a": FakeSettings()},
    recipients={
        "wang": {"a": "w"},
        "li": {"a": "l"},
        "zhang": Person(
            addresses={"a": "z"}, active=(window("08:03-08:06"), window("08:09-20:00")), zone="UTC"
        ),
    },
    operators=("li",),
    rules=(
        _rule("pay", repeat=(30.0, 90.0), resolve_after=60.0, escalate=(Step(after=50.0, to=("li",)),)),
        _rule("db", repeat=(40.0,), resolve_after=100.0, inhibit=(Inhibit(equal=("host",), rules=("web",)),)),
        _rule("web", repeat=(20.0,), resolve_after=45.0),
        _rule("slow", repeat=(60.0,)),
        _rule("each", fingerprint="event"),
    ),
    silences={
        "nightly": Mute(
            match=Match(module=(Text("exact", "slow"),)),
            every=(window("08:02-08:04"),),
            zone="UTC",
            reason="backup",
        )
    },
)
MODULES: Final = ("pay", "db", "web", "slow", "each")
HOSTS: Final = ("h1", "h2")


class House:
    """A pipeline that can be killed between any two turns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = FakeClock()
        self.sent: Counter[str] = Counter()

    async def open(self) -> None:
        self.store = await SqliteStore.open(self.path, self.clock)
        rules = Rules.of(CONFIG, Ruleset(CONFIG))
        self.pipeline = Pipeline(
            Intake(), self.store, self.clock, rules, Outlets(), RecentIds(), stuck=self._stuck
        )
        await self.pipeline.recall()

    async def _stuck(self, text: str) -> None:
        raise AssertionError(text)

    async def restart(self) -> None:
        await self.store.close()
        await self.open()

    async def take(self, *events: Event, orders: tuple[Order, ...] = ()) -> None:
        await self.pipeline.run_once([Batch(events=list(events), orders=list(orders))])

    async def wait(self, seconds: float, every: float = 5.0) -> None:
        while seconds > 0:
            step = min(every, seconds)
            seconds -= step
            self.clock.advance(step)
            await self.take()

    def silence(self, module: str, seconds: float, until_quiet: float = 0.0) -> Silence:
        now = self.clock.now()
        return Silence(
            id=self.store.next_ids(1),
            matchers=(f"module={module}",),
            author="li",
            reason="deploy",
            created_at=now,
            ends_at=now + seconds,
            until_quiet=until_quiet,
            quiet_since=now,
        )


events = st.tuples(st.just("event"), st.sampled_from(MODULES), st.sampled_from(HOSTS), st.integers(1, 3))
actions = st.one_of(
    events,
    events,
    st.tuples(st.just("wait"), st.integers(1, 120)),
    st.tuples(st.just("silence"), st.sampled_from(MODULES), st.integers(5, 200), st.sampled_from([0, 30])),
    st.tuples(st.just("end"), st.integers(0, 3)),
    st.tuples(st.just("ack"), st.integers(0, 5), st.integers(5, 200), st.booleans()),
    st.tuples(st.just("restart")),
    st.tuples(st.just("critical"), st.sampled_from(MODULES), st.sampled_from(HOSTS)),
)


async def play(house: House, action: tuple[Any, ...]) -> None:
    match action:
        case ("event", module, host, count):
            now = house.clock.now()
            await house.take(*[event(module=module, labels={"host": host}, time=now)] * count)
            house.sent[module] += count
        case ("critical", module, host):
            level = Level.CRITICAL
            await house.take(event(module=module, labels={"host": host}, level=level, time=house.clock.now()))
            house.sent[module] += 1
        case ("wait", seconds):
            await house.wait(seconds)
        case ("silence", module, seconds, quiet):
            await house.take(orders=(house.silence(module, seconds, quiet),))
        case ("end", which):
            silences = house.pipeline.hushes.silences()
            if which < len(silences):
                await house.take(orders=(EndSilence(silences[which].id, "li"),))
        case ("ack", which, seconds, undo):
            alerts = house.pipeline.book.all()
            if which < len(alerts):
                until = house.clock.now() + seconds
                await house.take(orders=(Acknowledge(alerts[which].id, "li", until, undo),))
        case ("restart",):
            await house.restart()


async def account(house: House) -> None:
    """All over: what was told of each alert, and what the closing lines say."""
    await house.wait(400)
    await house.wait(4 * 86400.0, every=7200.0)
    assert len(house.pipeline.book) == 0
    assert await house.store.withheld() == []
    for recipient in ("wang", "zhang"):
        await account_of(house, recipient)


async def account_of(house: House, recipient: str) -> None:
    deliveries = [each for each in await house.store.deliveries(most=10_000) if each.recipient == recipient]
    closings = [each.message for each in deliveries if each.reason is Reason.SUMMARY]
    booked = 0
    named: set[int] = set()
    for closing in closings:
        found = re.search(r"held back ([\d,]+) events? of ([\d,]+) alerts?", closing.title)
        assert found, closing.title
        booked += int(found[1])
        named |= {int(number) for number in re.findall(r"#(\d+)$", closing.text, re.MULTILINE)}
    told: dict[int, int] = {}
    for each in deliveries:
        if each.alert and each.reason is not Reason.ESCALATED:
            told[each.alert] = max(told.get(each.alert, 0), each.message.count)
    rows = await house.store.alerts(most=10_000)
    assert sum(row.alert.count for row in rows) == house.sent.total()
    assert all(row.alert.state is AlertState.RESOLVED for row in rows)
    assert sum(told.values()) + booked == house.sent.total()
    if not any("more" in closing.text for closing in closings):  # more than fit into one message
        for row in rows:
            assert row.alert.id in told or row.alert.id in named


@settings(max_examples=60, derandomize=True)
@given(st.lists(actions, min_size=3, max_size=40))
def test_each_event_is_told_of_exactly_once(history: list[tuple[Any, ...]]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            house = House(Path(folder) / "relay.db")
            await house.open()
            try:
                for action in history:
                    await play(house, action)
                await account(house)
            finally:
                await house.store.close()

    asyncio.run(run())


@pytest.fixture
async def house(tmp_path: Path) -> Any:
    house = House(tmp_path / "relay.db")
    await house.open()
    await house.wait(60)
    yield house
    await house.store.close()


async def reasons(house: House, recipient: str = "wang") -> list[Reason]:
    rows = reversed(await house.store.deliveries())
    return [each.reason for each in rows if each.recipient == recipient]


async def test_a_silence_ends_with_one_message_for_what_goes_on(house: House) -> None:
    await house.take(orders=(house.silence("pay", 100),))
    for _ in range(12):
        await house.take(event(labels={"host": "h1"}))
        await house.wait(10)
    assert await reasons(house) == [Reason.FIRST]
    (first,) = [each for each in await house.store.deliveries() if each.recipient == "wang"]
    assert first.message.count >= 10
    (note,) = first.message.notes
    assert note.endswith("of li (deploy) is over: it held this back")


async def test_what_ended_meanwhile_is_in_one_closing_line(house: House) -> None:
    await house.take(orders=(house.silence("each", 100),))
    await house.take(*(event(f"job {n} failed", module="each", labels={"host": f"h{n}"}) for n in range(20)))
    assert await reasons(house) == []
    await house.wait(110)
    (row,) = [each for each in await house.store.deliveries() if each.recipient == "wang"]
    assert row.reason is Reason.SUMMARY
    assert "held back 20 events of 20 alerts, 20 hosts, first " in row.message.title
    assert row.message.text.count("\n") == 15
    assert row.message.text.endswith("and 5 more")
    assert row.alert == 0


async def test_a_silence_that_held_nothing_back_ends_in_silence(house: House) -> None:
    await house.take(orders=(house.silence("pay", 100),))
    await house.wait(200)
    assert await house.store.deliveries() == []
    (ended,) = await house.store.silences(ended_since=0.0)
    assert ended.ended_at > 0


async def test_until_quiet_waits_for_the_last_event(house: House) -> None:
    await house.take(orders=(house.silence("pay", 10_000, until_quiet=30.0),))
    for _ in range(6):
        await house.wait(20)
        await house.take(event())
    assert house.pipeline.hushes.silences()
    await house.wait(40)
    assert not house.pipeline.hushes.silences()
    assert await reasons(house) == [Reason.FIRST]


async def test_the_end_of_what_was_told_is_told_through_a_silence(house: House) -> None:
    await house.take(event())
    await house.take(orders=(house.silence("pay", 1000),))
    await house.wait(70)
    assert await reasons(house) == [Reason.FIRST, Reason.RESOLVED]


async def test_its_author_is_reminded_of_a_long_silence(house: House) -> None:
    await house.take(orders=(house.silence("pay", 3600),))
    for _ in range(64):
        await house.take(event())
        await house.wait(50)
    rows = [each for each in await house.store.deliveries() if each.reason is Reason.ENDING]
    assert sorted(each.recipient for each in rows) == ["li", "wang", "zhang"]
    assert " of 1 alert held back so far" in rows[0].message.title
    await house.restart()
    await house.wait(100)
    assert len([each for each in await house.store.deliveries() if each.reason is Reason.ENDING]) == 3


async def test_a_cause_hides_what_has_equal_labels_until_it_is_over(house: House) -> None:
    await house.take(
        event(module="web", labels={"host": "h1"}),  # in one batch: the cause counts first
        event(module="db", labels={"host": "h1"}),
    )
    (row,) = await house.store.deliveries()
    assert row.message.module == "db"
    held = [each for each in house.pipeline.book.all() if each.rule == "web"]
    assert held[0].hushed.startswith("alert ")
    (trace,) = [each.trace for each in await house.store.alerts() if each.alert.rule == "web"]
    assert (trace["reason"], trace["hush"]["kind"], list(trace["spared"])) == (
        "inhibited",
        "inhibited",
        ["wang"],
    )
    for _ in range(3):
        await house.wait(30)
        await house.take(event(module="web", labels={"host": "h1"}))
    assert await house.store.deliveries() == [row]
    await house.wait(20)
    reminders = [each for each in await house.store.deliveries() if each.message.module == "web"]
    assert [each.reason for each in reminders] == [Reason.FIRST]  # db resolved after 100 s
    assert "is over: it held this back" in reminders[0].message.notes[0]


async def test_another_host_is_not_hidden_nor_one_without_the_label(house: House) -> None:
    await house.take(event(module="db", labels={"host": "h1"}))
    await house.take(event(module="web", labels={"host": "h2"}))
    await house.take(event("other trouble", module="web"))
    assert len(await house.store.deliveries()) == 3


async def test_an_unacknowledged_alert_goes_to_the_next_and_its_end_to_both(house: House) -> None:
    await house.take(event())
    for _ in range(6):
        await house.wait(10)
        await house.take(event())
    assert await reasons(house, "li") == [Reason.ESCALATED]
    await house.wait(130)
    assert (await reasons(house, "li"))[-1] is Reason.RESOLVED
    assert (await reasons(house))[-1] is Reason.RESOLVED


async def test_acknowledged_it_is_not_escalated_and_lapses(house: House) -> None:
    await house.take(event())
    (alert,) = house.pipeline.book.all()
    await house.take(orders=(Acknowledge(alert.id, "zhao", house.clock.now() + 100),))
    for _ in range(9):
        await house.wait(10)
        await house.take(event())
    assert await reasons(house, "li") == []
    await house.restart()
    for _ in range(3):
        await house.wait(10)
        await house.take(event())
    rows = [each for each in await house.store.deliveries() if each.reason is Reason.REMINDER]
    assert rows[-1].message.notes == ("the acknowledgement by zhao has lapsed",)


async def test_what_no_address_accepts_in_a_minute_goes_to_the_next(tmp_path: Path) -> None:
    house = House(tmp_path / "relay.db")
    await house.open()
    await house.wait(60)
    slow = Rule(name="slow", match=Match(), to=("wang",), escalate=(Step(after=3600.0, to=("li",)),))
    config = Config(backends=CONFIG.backends, recipients=CONFIG.recipients, rules=(slow,))
    await house.pipeline.adopt(Rules.of(config, Ruleset(config)))
    await house.take(event())
    await house.wait(55)
    assert await reasons(house, "li") == []
    await house.restart()
    await house.pipeline.adopt(Rules.of(config, Ruleset(config)))
    await house.wait(20)
    rows = [each for each in await house.store.deliveries() if each.recipient == "li"]
    assert [each.reason for each in rows] == [Reason.ESCALATED]
    assert "no address has accepted it" in rows[0].message.notes[0]
    await house.wait(200)
    assert len(await reasons(house, "li")) == 1
    await house.store.close()
