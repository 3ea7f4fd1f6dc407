"""From batch to transaction, against a real store and outlets that only record."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from relay import log
from relay.book import RecentIds
from relay.clock import FakeClock
from relay.config.schema import Config, Match, Owner, Person, Rule, Text
from relay.config.windows import window
from relay.errors import StoreFullError
from relay.models import Address, AlertState, Batch, Delivery, DeliveryState, Event, Level, Position, Reason
from relay.outbox.sqlite import SqliteStore
from relay.outbox.store import Commit
from relay.pipeline import Pipeline
from relay.routing.ruleset import Ruleset
from relay.rulebook import RELAY, Rules
from relay.sources.intake import Intake
from tests.fakes import FakeSettings, event

CONFIG = Config(
    operators=("ops",),
    backends={"a": FakeSettings(), "b": FakeSettings()},
    recipients={"wang": {"a": "wangwei", "b": "w@example.com"}, "ops": {"a": "ops", "b": "o@example.com"}},
    rules=(
        Rule(name="silent", match=Match(message=(Text("part", "quiet please"),))),
        Rule(name="pay", match=Match(module=(Text("glob", "pay*"),)), to=("wang",), resolve_after=900.0),
        Rule(name="each", match=Match(module=(Text("exact", "each"),)), to=("wang",), fingerprint="event"),
    ),
)


class Outlets:
    def __init__(self) -> None:
        self.free = 0  # seats to give
        self.started: list[Delivery] = []
        self.noticed: list[str] = []

    def order(self, addresses: Sequence[Address], avoid: str = "") -> tuple[Address, ...]:
        return tuple(sorted(addresses, key=lambda address: address.backend == avoid))

    def seat(self, address: Address, delivery: int) -> bool:
        self.free -= 1
        return self.free >= 0

    def give_back(self, delivery: int) -> None:
        self.free += 1

    def hand_over(self, deliveries: Sequence[Delivery]) -> None:
        self.started += deliveries

    def notice(self, backend: str, at: float) -> None:
        self.noticed.append(backend)


class Stage:
    def __init__(self, store: SqliteStore, clock: FakeClock) -> None:
        self.store, self.clock = store, clock
        self.outlets = Outlets()
        self.stuck: list[str] = []
        rules = Rules.of(CONFIG, Ruleset(CONFIG))
        self.pipeline = Pipeline(Intake(), store, clock, rules, self.outlets, RecentIds(), stuck=self._stuck)
        clock.advance(60)  # past the grace after start

    async def _stuck(self, text: str) -> None:
        self.stuck.append(text)

    async def take(self, *events: Event, **batch: Any) -> None:
        await self.pipeline.run_once([Batch(events=list(events), **batch)])

    async def reasons(self) -> list[tuple[str, Reason]]:
        return [(row.recipient, row.reason) for row in reversed(await self.store.deliveries())]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    clock = FakeClock()
    store = await SqliteStore.open(str(tmp_path / "relay.db"), clock)
    yield Stage(store, clock)
    await store.close()


async def test_the_first_is_told_and_the_rest_are_counted(stage: Stage) -> None:
    await stage.take(*(event(f"timeout after {number} ms") for number in range(100)))
    await stage.take(event("timeout after 7 ms"))
    assert await stage.reasons() == [("wang", Reason.FIRST)]
    (row,) = await stage.store.alerts()
    assert row.alert.count == 101
    assert stage.pipeline.tally == {("apps", "pay", "first"): 100, ("apps", "pay", "window"): 1}
    assert sum(stage.pipeline.commit_seconds.counts) == 2
    assert row.sample is not None
    assert row.trace["reason"] == "first"


async def test_time_alone_reminds_and_resolves(stage: Stage) -> None:
    await stage.take(event())
    stage.clock.advance(10)
    await stage.take(event())
    stage.clock.advance(901)
    await stage.take()
    assert await stage.reasons() == [("wang", Reason.FIRST), ("wang", Reason.RESOLVED)]
    newest = (await stage.store.deliveries())[0]
    assert (newest.message.count, newest.message.more) == (2, 1)
    assert newest.message.text == "timeout"  # the sample is there though no event came
    assert len(stage.pipeline.book) == 0


def hours(stage: Stage, **recipients: Any) -> None:
    """People with hours, and a rule for both of them."""
    pay = Rule(name="pay", match=Match(module=(Text("glob", "pay*"),)), to=tuple(recipients), repeat=(600.0,))
    config = structs.replace(CONFIG, recipients={**CONFIG.recipients, **recipients}, rules=(pay,))
    stage.pipeline.rules = Rules.of(config, Ruleset(config))


def person(active: str) -> Person:
    return Person(addresses={"a": "x"}, zone="UTC", active=(window(active),))


async def test_who_is_off_is_told_once_when_their_hours_begin_though_relay_was_killed(
    stage: Stage, tmp_path: Path
) -> None:
    hours(stage, day=person("08:00-09:00"), late=person("09:30-12:00"))  # it is eight o'clock in the morning
    for _ in range(3):
        await stage.take(event())
        stage.clock.advance(650)
    assert await stage.reasons() == [
        ("day", Reason.FIRST),
        ("day", Reason.REMINDER),
        ("day", Reason.REMINDER),
    ]
    await stage.store.close()
    store = await SqliteStore.open(str(tmp_path / "relay.db"), stage.clock)
    again = Stage(store, stage.clock)
    again.pipeline.rules = stage.pipeline.rules
    for alert in await store.live_alerts():
        again.pipeline.book.put(alert)
    opens = 1_767_600_000.0 + 5400
    assert again.pipeline.book.next_due() == opens
    stage.clock.advance(opens - stage.clock.now())
    await again.take()
    newest, *before = await store.deliveries()
    assert (newest.recipient, newest.reason, newest.message.count, newest.message.more) == (
        "late",
        Reason.FIRST,
        3,
        0,
    )
    assert len(before) == 3
    await again.take()
    assert len(await store.deliveries()) == 4
    await store.close()


async def test_a_closing_line_waits_in_the_outbox_for_those_who_are_off(stage: Stage) -> None:
    hours(stage, late=person("15:00-16:00"))
    resolving = structs.replace(stage.pipeline.rules.config.rules[0], resolve_after=900.0)
    config = structs.replace(stage.pipeline.rules.config, rules=(resolving,))
    stage.pipeline.rules = Rules.of(config, Ruleset(config))
    await stage.take(event())
    assert stage.pipeline.tally == {("apps", "pay", "muted"): 1}
    stage.clock.advance(1000)
    await stage.take()
    (row,) = await stage.store.deliveries()
    opens = 1_767_600_000.0 + 7 * 3600
    assert (row.reason, row.state, row.next_at) == (Reason.RESOLVED, DeliveryState.PENDING, opens)
    assert row.expires_at == opens + 86400
    assert row.message.count == 1
    assert await stage.store.claim("a", 9, stage.clock.now(), stage.clock.now() + 60) == []


async def test_new_hours_hold_at_once_after_a_reload(stage: Stage) -> None:
    hours(stage, late=person("15:00-16:00"))
    await stage.take(event())
    hours(stage, late=person("08:30-16:00"))
    stage.pipeline.book.reschedule()
    stage.clock.advance(1800)
    await stage.take()
    assert await stage.reasons() == [("late", Reason.FIRST)]


async def test_the_owner_of_the_code_is_told_of_the_end_too(stage: Stage) -> None:
    entries = (("pay.py", ("@wang",)),)
    author = Owner(owner="/x/CODEOWNERS", root="/x", else_=("ops",), entries=entries)
    hours(stage, author=author)
    resolving = structs.replace(stage.pipeline.rules.config.rules[0], resolve_after=900.0)
    config = structs.replace(stage.pipeline.rules.config, rules=(resolving,))
    stage.pipeline.rules = Rules.of(config, Ruleset(config))
    await stage.take(event('Traceback:\n  File "/x/pay.py", line 3, in f\nKeyError: 1'))
    stage.clock.advance(1000)
    await stage.take()
    assert await stage.reasons() == [("wang", Reason.FIRST), ("wang", Reason.RESOLVED)]


async def test_done_is_called_after_the_commit_with_positions(stage: Stage) -> None:
    seen: list[int] = []

    def done(error: Exception | None) -> None:
        assert error is None
        seen.append(len(stage.outlets.noticed))

    position = Position(source="file", path="/x", dev=1, inode=2, offset=10, head="h")
    await stage.take(event(), positions=[position], done=done)
    assert seen == [1]
    assert [each.offset for each in await stage.store.positions()] == [10]


async def test_positions_that_caused_nothing_wait_a_while(stage: Stage) -> None:
    position = Position(source="file", path="/x", dev=1, inode=2, offset=10, head="h")
    stage.pipeline._positions_at = stage.clock.monotonic()
    await stage.take(positions=[position])
    assert await stage.store.positions() == []
    assert stage.pipeline.waiting_positions() == [position]
    stage.clock.advance(2)
    await stage.take()
    assert len(await stage.store.positions()) == 1


async def test_the_same_id_from_the_same_program_is_stored_once(stage: Stage) -> None:
    answered: list[object] = []
    for _ in range(3):
        await stage.take(event(id="7", program="0/pay"), done=answered.append)
    await stage.take(event(id="7", program="0/other"))
    (row,) = await stage.store.alerts()
    assert row.alert.count == 2
    assert answered == [None, None, None]


async def test_a_seat_means_claimed_already(stage: Stage) -> None:
    stage.outlets.free = 1
    await stage.take(event("one", module="each"), event("two", module="each"))
    assert [row.state for row in stage.outlets.started] == [DeliveryState.SENDING]
    assert stage.outlets.noticed == ["a"]
    states = {row.state for row in await stage.store.deliveries()}
    assert states == {DeliveryState.SENDING, DeliveryState.PENDING}


async def test_fingerprint_event_makes_each_event_an_alert_that_is_over_at_once(stage: Stage) -> None:
    await stage.take(*(event("same text", module="each", origin=f"/x:{number}") for number in range(3)))
    rows = await stage.store.alerts()
    assert [row.alert.state for row in rows] == [AlertState.RESOLVED] * 3
    assert len(stage.pipeline.book) == 0


async def test_no_rule_on_the_socket_is_stored_and_in_a_file_is_not(stage: Stage) -> None:
    await stage.take(event(module="nobody", program="0/x"), event(module="nobody"))
    assert stage.pipeline.counts == {"unmatched": 2}
    assert stage.pipeline.tally == {("apps", "", "no_rule"): 2}
    assert (await stage.store.counts())["events"] == 1


async def test_a_rule_without_recipients_counts_in_silence(stage: Stage) -> None:
    await stage.take(event("quiet please", module="pay"))
    assert await stage.reasons() == []
    (row,) = await stage.store.alerts()
    assert row.trace["reason"] == "dropped"


async def test_relays_own_events_reach_the_operators_by_another_way_and_end(stage: Stage) -> None:
    trouble = event(
        "rtx is down", source=RELAY, module="relay.backend", labels={"subject": "a", "avoid": "a"}
    )
    await stage.take(trouble)
    await stage.take(trouble)
    (row,) = await stage.store.deliveries()
    assert (row.recipient, row.reason, row.address.backend) == ("ops", Reason.OPERATORS, "b")
    over = event("rtx works", source=RELAY, module="relay.backend", level=Level.NOTICE,
                 labels={"subject": "a", "cleared": "yes"})  # fmt: skip
    await stage.take(over)
    newest = (await stage.store.deliveries())[0]
    assert newest.message.state is AlertState.RESOLVED
    await stage.take(over)  # nothing live: nothing to say
    assert len(await stage.store.deliveries()) == 2


async def test_a_full_store_is_tried_again_with_the_same_transaction(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.outlets.free = 1
    commit, failures = stage.store.commit, 3

    async def failing(work: Commit) -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise StoreFullError("disk full")
        await commit(work)

    monkeypatch.setattr(stage.store, "commit", failing)
    answered: list[object] = []
    task = asyncio.create_task(stage.take(event(), done=answered.append))
    held_up = [stage.pipeline.is_held_up]
    for _ in range(20):
        await asyncio.sleep(0)
        stage.clock.advance(1)
        held_up.append(stage.pipeline.is_held_up)
    await asyncio.wait_for(task, 5)
    assert stage.stuck == ["disk full"]  # told once
    assert (held_up[0], any(held_up), stage.pipeline.is_held_up) == (False, True, False)
    assert answered == [None]
    assert stage.outlets.free == 1  # no seat is kept waiting for a disk
    assert [row.state for row in await stage.store.deliveries()] == [DeliveryState.PENDING]
    assert stage.pipeline.stuck == ""


async def test_live_alerts_are_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.pipeline.MOST_LIVE", 10)
    words = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "mu")
    for word in words:
        await stage.take(event(f"{word} broke"))
        stage.clock.advance(1)
    await stage.take()
    assert len(stage.pipeline.book) <= 10


async def test_no_rule_can_take_what_relay_itself_says(tmp_path: Path) -> None:
    """Neither its news to the operators nor its log, whatever the rules match."""
    clock = FakeClock()
    store = await SqliteStore.open(str(tmp_path / "relay.db"), clock)
    greedy = Config(
        operators=("ops",),
        backends=CONFIG.backends,
        recipients=CONFIG.recipients,
        rules=(Rule(name="everything", to=("wang",), fingerprint="event"),),
    )
    stage = Stage(store, clock)
    stage.pipeline.rules = Rules.of(greedy, Ruleset(greedy))
    log.sign("0123456789abcdef")
    try:
        mark = '"by":"relay-0123456789abcdef"'
        await stage.take(
            event("backend a is down", source=RELAY, module="relay.backend", labels={"subject": "a"}),
            event("relay is back", source=RELAY, module="relay.start", labels={"note": "yes"}),
            event(f'{{"event":"delivery_died",{mark}}}'),
            event("delivery_died", labels={"by": "relay-0123456789abcdef"}),
            event("delivery_died", labels={"by": "relay-ffffffffffffffff"}),  # another relay
        )
    finally:
        log.sign("")
    assert sorted(await stage.reasons()) == [
        ("ops", Reason.OPERATORS),
        ("ops", Reason.OPERATORS),
        ("wang", Reason.FIRST),
    ]
    assert stage.pipeline.counts["own_lines"] == 2
    await store.close()


async def test_each_note_is_told_and_none_again(stage: Stage) -> None:
    for _ in range(2):
        await stage.take(
            event(
                "relay is back",
                source=RELAY,
                module="relay.start",
                level=Level.NOTICE,
                labels={"note": "yes"},
            )
        )
        stage.clock.advance(60)
    stage.clock.advance(86400 * 30)
    await stage.take()
    assert await stage.reasons() == [("ops", Reason.OPERATORS)] * 2
