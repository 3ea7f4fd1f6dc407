"""The dispatcher and its lanes against a real store and backends that do as they are told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from relay.backends.base import Limits, shared
from relay.clock import SystemClock
from relay.dispatcher import Dispatcher
from relay.errors import (
    BackendDownError,
    NeedsFallbackError,
    RateLimitedError,
    ReceiverLimitedError,
    RejectedError,
    TemporaryError,
)
from relay.models import Address, Delivery, DeliveryState, Reason
from relay.outbox.sqlite import SqliteStore
from relay.outbox.store import Commit
from tests.fakes import FakeBackend, FakeSettings, ManyBackend, Reports, alert, delivery, message

CLOCK = SystemClock()
A = Address("a", "someone")


class Bench:
    """A running dispatcher with two backends, `a` and `b`."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.reports = Reports()
        self.a, self.b = FakeBackend("a", CLOCK), FakeBackend("b", CLOCK)
        self.dispatcher = Dispatcher(store, CLOCK, self.reports)

    async def owe(self, *ways: str, **fields: Any) -> int:
        number = self.store.next_ids(1)
        row = delivery(number, CLOCK.now(), *ways, **fields)
        await self.store.commit(Commit(deliveries=[row]))
        self.dispatcher.notice(row.address.backend, row.next_at)
        return number

    async def row(self, number: int) -> Delivery:
        found = await self.store.delivery(number)
        assert found is not None
        return found[0]

    async def until(self, number: int, state: DeliveryState) -> Delivery:
        async with asyncio.timeout(5):
            while (row := await self.row(number)).state is not state:
                await asyncio.sleep(0.002)
        return row


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    store = await SqliteStore.open(str(tmp_path / "relay.db"), CLOCK)
    bench = Bench(store)
    await bench.dispatcher.apply({"a": bench.a, "b": bench.b})
    task = asyncio.create_task(bench.dispatcher.run())
    await asyncio.sleep(0)
    yield bench
    await bench.dispatcher.stop(0.1)
    await task
    await store.close()


async def test_accepted_is_delivered(bench: Bench) -> None:
    number = await bench.owe("a")
    await bench.until(number, DeliveryState.DELIVERED)
    found = await bench.store.delivery(number)
    assert found is not None
    assert [attempt.outcome for attempt in found[1]] == ["delivered"]
    assert len(bench.a.sent) == 1
    assert bench.dispatcher.tally == {("a", "delivered"): 1}
    assert sum(bench.dispatcher.attempt_seconds["a"].counts) == 1


async def test_what_may_have_arrived_is_taken_as_sent_where_that_is_set(bench: Bench) -> None:
    bench.a.settings = FakeSettings(on_ambiguous="drop")
    bench.a.answer = lambda *_: TemporaryError("no complete answer within 10 s", ambiguous=True)
    for _ in range(5):
        number = await bench.owe("a")
        row = await bench.until(number, DeliveryState.DELIVERED)
    found = await bench.store.delivery(number)
    assert found is not None
    (attempt,) = found[1]
    assert attempt.detail == "taken as sent (on_ambiguous: drop): no complete answer within 10 s"
    assert row.error == attempt.detail
    assert bench.a.tries == 5
    async with asyncio.timeout(5):
        while not bench.reports.told:
            await asyncio.sleep(0.002)
    assert ("backend", "a", False) in bench.reports.told  # a service that never answers is down all the same


async def test_what_may_have_arrived_is_repeated(bench: Bench) -> None:
    errors = [TemporaryError("cut", ambiguous=True)]
    bench.a.answer = lambda *_: errors.pop() if errors else None
    await bench.until(await bench.owe("a"), DeliveryState.DELIVERED)
    assert (bench.a.tries, len(bench.a.sent)) == (2, 1)


async def test_a_pause_for_one_receiver_holds_up_nobody_else(bench: Bench) -> None:
    limited = ReceiverLimitedError("too many to this one", retry_after=3000.0)
    bench.a.answer = lambda message, _: limited if message.text == "busy" else None
    busy = await bench.owe("a", message=message(text="busy"))
    async with asyncio.timeout(5):
        while bench.a.tries == 0:
            await asyncio.sleep(0.002)
    await bench.until(await bench.owe("a"), DeliveryState.DELIVERED)
    row = await bench.until(busy, DeliveryState.PENDING)
    assert (row.attempts, row.next_at > CLOCK.now() + 2000) == (0, True)
    assert bench.reports.told == []


@pytest.mark.parametrize("error", [RejectedError("no such user"), NeedsFallbackError("offline")])
async def test_next_address_at_once(bench: Bench, error: Exception) -> None:
    bench.a.answer = lambda *_: error
    number = await bench.owe("a", "b")
    await bench.until(number, DeliveryState.DELIVERED)
    assert (bench.a.tries, len(bench.b.sent)) == (1, 1)


async def test_a_rejection_without_another_address_is_dead_and_the_operators_hear(bench: Bench) -> None:
    bench.a.answer = lambda *_: RejectedError("no such user", code="7")
    number = await bench.owe("a")
    row = await bench.until(number, DeliveryState.DEAD)
    assert "no such user" in row.error
    assert [told[:2] for told in bench.reports.told] == [("delivery", "someone")]


async def test_a_backend_that_needs_an_operator_pauses_and_others_are_not_delayed(bench: Bench) -> None:
    bench.a.answer = lambda *_: BackendDownError("wrong key", code="401")
    numbers = [await bench.owe("a", "b") for _ in range(20)]
    for number in numbers:
        await bench.until(number, DeliveryState.DELIVERED)
    assert len(bench.b.sent) == 20
    assert bench.a.tries <= 8  # what was on its way when the first refusal came; nobody hammers
    assert bench.dispatcher.down == ["a"]
    assert bench.reports.told == [("backend", "a", False)]


async def test_without_another_way_it_waits_for_the_backend(bench: Bench) -> None:
    bench.a.answer = lambda *_: BackendDownError("wrong key")
    number = await bench.owe("a")
    async with asyncio.timeout(5):
        while not (await bench.row(number)).error:
            await asyncio.sleep(0.002)
    row = await bench.row(number)
    assert row.state is DeliveryState.PENDING
    assert row.next_at > CLOCK.now() + 30


async def test_rate_limited_pauses_the_whole_backend(bench: Bench) -> None:
    bench.a.answer = lambda *_: RateLimitedError("slow down", retry_after=30)
    await bench.owe("a")
    async with asyncio.timeout(5):
        while not bench.a.tries:
            await asyncio.sleep(0.002)
    await asyncio.sleep(0.02)
    tries = bench.a.tries
    await bench.owe("a")
    await asyncio.sleep(0.05)
    assert bench.a.tries == tries
    assert bench.dispatcher.status()[0]["state"] == "paused"


async def test_temporary_failures_are_tried_again(bench: Bench) -> None:
    bench.a.answer = lambda *_: TemporaryError("busy") if bench.a.tries < 2 else None
    number = await bench.owe("a")
    row = await bench.until(number, DeliveryState.DELIVERED)
    assert row.attempts == 1


async def test_a_dead_backend_does_not_delay_another(bench: Bench) -> None:
    bench.a.gate = asyncio.Event()  # accepts, then says nothing
    for _ in range(50):
        await bench.owe("a")
    number = await bench.owe("b")
    await bench.until(number, DeliveryState.DELIVERED)


async def test_seats_grow_with_success_and_are_bounded(bench: Bench) -> None:
    async with asyncio.timeout(5):
        while not bench.dispatcher.seat(A, 1):  # not before it has looked whether older ones wait
            await asyncio.sleep(0.002)
    assert not bench.dispatcher.seat(A, 2)  # one seat at first
    bench.dispatcher.give_back(1)
    bench.a.pause = 0.002
    numbers = [await bench.owe("a") for _ in range(400)]
    for number in numbers:
        await bench.until(number, DeliveryState.DELIVERED)
    assert 2 <= bench.a.most_flying <= 8


async def test_expired_is_dead_without_an_attempt(bench: Bench) -> None:
    number = await bench.owe("a", expires_at=CLOCK.now() - 1)
    row = await bench.until(number, DeliveryState.DEAD)
    assert bench.a.tries == 0
    assert "expired" in row.error


async def test_an_unexpected_exception_in_a_backend_is_a_failed_attempt(bench: Bench) -> None:
    bench.a.answer = lambda *_: ZeroDivisionError("secret=1234")
    number = await bench.owe("a", "b")
    row = await bench.until(number, DeliveryState.DELIVERED)
    assert row.address.backend == "b"
    found = await bench.store.delivery(number)
    assert found is not None
    assert "1234" not in repr(found)


async def test_a_late_message_says_so(bench: Bench) -> None:
    number = await bench.owe("a", created_at=CLOCK.now() - 900)
    await bench.until(number, DeliveryState.DELIVERED)
    assert bench.a.sent[0][1].late == pytest.approx(900, abs=5)


async def test_a_removed_backend_hands_its_deliveries_on(bench: Bench) -> None:
    bench.a.answer = lambda *_: RateLimitedError("slow down", retry_after=600)
    number = await bench.owe("a", "b")
    async with asyncio.timeout(5):
        while not bench.a.tries:
            await asyncio.sleep(0.002)
    await asyncio.sleep(0.02)
    await bench.dispatcher.apply({"b": bench.b})
    await bench.until(number, DeliveryState.DELIVERED)
    assert len(bench.b.sent) == 1


async def test_an_equal_backend_keeps_its_lane(bench: Bench) -> None:
    lane = bench.dispatcher.lanes["a"]
    await bench.dispatcher.apply({"a": bench.a})
    assert bench.dispatcher.lanes["a"] is lane


async def test_stop_gives_back_what_is_on_its_way(tmp_path: Path) -> None:
    store = await SqliteStore.open(str(tmp_path / "relay.db"), CLOCK)
    bench = Bench(store)
    bench.a.gate = asyncio.Event()
    await bench.dispatcher.apply({"a": bench.a})
    task = asyncio.create_task(bench.dispatcher.run())
    number = await bench.owe("a")
    async with asyncio.timeout(5):
        while not bench.a.flying:
            await asyncio.sleep(0.002)
    await bench.dispatcher.stop(0.05)
    await task
    row = await bench.row(number)
    assert (row.state, row.attempts) == (DeliveryState.PENDING, 0)
    await store.close()


async def test_after_an_outage_only_the_latest_message_about_an_alert_is_sent(tmp_path: Path) -> None:
    store = await SqliteStore.open(str(tmp_path / "relay.db"), CLOCK)
    bench = Bench(store)
    await store.commit(Commit(alerts=[alert("f", id=7), alert("g", id=8)]))
    old = CLOCK.now() - 600
    await store.commit(
        Commit(
            deliveries=[
                delivery(number, old, "a", alert=about) for number, about in ((11, 7), (12, 7), (13, 8))
            ]
        )
    )
    await bench.dispatcher.apply({"a": bench.a})
    task = asyncio.create_task(bench.dispatcher.run())
    await bench.until(12, DeliveryState.DELIVERED)
    await bench.until(13, DeliveryState.DELIVERED)
    stale = await bench.row(11)
    assert stale.state is DeliveryState.CANCELLED
    assert "superseded" in stale.error
    assert len(bench.a.sent) == 2
    await bench.dispatcher.stop(0.1)
    await task
    await store.close()


async def test_one_alert_to_many_is_few_calls_and_one_refusal_is_one_persons(tmp_path: Path) -> None:
    store = await SqliteStore.open(str(tmp_path / "relay.db"), CLOCK)
    bench = Bench(store)
    many = ManyBackend("a", CLOCK)
    await store.commit(Commit(alerts=[alert("f", id=7), alert("g", id=8)]))
    now = CLOCK.now()
    people = [f"p{number}" for number in range(250)]
    people[17] = "nobody"
    rows = [
        delivery(10 + number, now, "a", alert=7, recipient=to, address=Address("a", to))
        for number, to in enumerate(people)
    ]
    rows.append(delivery(900, now, "a", alert=8))
    await store.commit(Commit(deliveries=rows))
    await bench.dispatcher.apply({"a": many})
    task = asyncio.create_task(bench.dispatcher.run())
    await bench.until(259, DeliveryState.DELIVERED)
    await bench.until(900, DeliveryState.DELIVERED)
    await bench.until(27, DeliveryState.DEAD)
    assert sorted(to for to, _ in many.sent) == sorted([*people[:17], *people[18:], "someone"])
    assert many.tries <= 10
    await bench.dispatcher.stop(0.1)
    await task
    await store.close()


async def test_a_later_message_knows_the_earlier_ones_handle(bench: Bench) -> None:
    await bench.store.commit(Commit(alerts=[alert("f", id=7)]))
    first = await bench.owe("a", alert=7)
    await bench.until(first, DeliveryState.DELIVERED)
    second = await bench.owe("a", alert=7, reason=Reason.RESOLVED)
    await bench.until(second, DeliveryState.DELIVERED)
    elsewhere = await bench.owe("b", alert=7, reason=Reason.RESOLVED)
    await bench.until(elsewhere, DeliveryState.DELIVERED)
    assert [message.handle for _, message in bench.a.sent] == ["", "h1"]
    assert bench.b.sent[0][1].handle == ""


async def test_five_hundred_alerts_at_once_are_digests_that_name_each_within_the_limit(
    tmp_path: Path,
) -> None:
    store = await SqliteStore.open(str(tmp_path / "relay.db"), CLOCK)
    bench = Bench(store)
    robot = FakeBackend("a", CLOCK, rate=("50/60s",))
    numbers = range(100, 600)
    await store.commit(Commit(alerts=[alert(f"f{number}", id=number) for number in numbers]))
    now = CLOCK.now()
    rows = [
        delivery(1000 + number, now, "a", alert=number, message=message(alert=number, key=str(number)))
        for number in numbers
    ]
    await store.commit(Commit(deliveries=rows))
    await bench.dispatcher.apply({"a": robot})
    bench.dispatcher.lanes["a"].seats._since -= 60.0  # not a young lane: all seats
    task = asyncio.create_task(bench.dispatcher.run())
    await bench.until(1599, DeliveryState.DELIVERED)
    assert len(robot.sent) <= 50
    told = {message.alert for _, message in robot.sent}
    told |= {int(line.rpartition("#")[2]) for _, message in robot.sent for line in message.digest}
    assert told == set(numbers)
    await bench.dispatcher.stop(0.1)
    await task
    await store.close()


async def test_a_reload_between_the_seat_and_the_commit_loses_nothing(bench: Bench) -> None:
    number = bench.store.next_ids(1)
    async with asyncio.timeout(5):
        while not bench.dispatcher.seat(A, number):
            await asyncio.sleep(0.002)
    now = CLOCK.now()
    row = delivery(number, now, "a", state=DeliveryState.SENDING, lease_until=now + 60)
    await bench.store.commit(Commit(deliveries=[row]))
    changed = FakeBackend("a", CLOCK, word="changed")
    await bench.dispatcher.apply({"a": changed, "b": bench.b})
    bench.dispatcher.hand_over([row])
    await bench.until(number, DeliveryState.DELIVERED)
    assert (len(bench.a.sent), len(changed.sent)) == (0, 1)


async def _running(store: SqliteStore, **backends: FakeBackend) -> tuple[Dispatcher, asyncio.Task[None]]:
    dispatcher = Dispatcher(store, CLOCK, Reports())
    await dispatcher.apply(backends)
    for lane in dispatcher.lanes.values():
        lane.seats._since -= 60.0  # not a young lane: all seats
    return dispatcher, asyncio.create_task(dispatcher.run())


async def _ended(dispatcher: Dispatcher, task: asyncio.Task[None]) -> None:
    await dispatcher.stop(0.1)
    await task


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.002)


async def test_one_receivers_limit_holds_back_that_receiver_alone(tmp_path: Path) -> None:
    store = await SqliteStore.open(str(tmp_path / "relay.db"), CLOCK)
    robot = FakeBackend("a", CLOCK)
    robot.limits = Limits(per_receiver=((2, 3600.0),), concurrency=8)
    now = CLOCK.now()
    rows = [
        delivery(number, now, alert=0, address=Address("a", "busy" if number < 50 else f"p{number}"))
        for number in range(10, 80)
    ]
    await store.commit(Commit(deliveries=rows))
    dispatcher, task = await _running(store, a=robot)
    await _until(lambda: sum(to != "busy" for to, _ in robot.sent) == 30)
    busy = [message for to, message in robot.sent if to == "busy"]
    assert len(busy) == 2
    assert [len(message.digest) for message in busy] == [14, 14]
    counts = await store.counts()
    assert counts["deliveries"]["a"]["pending"] == 10  # they wait for their turn; nothing is dropped
    await _ended(dispatcher, task)
    await store.close()


async def test_who_would_wait_long_for_a_limit_is_told_another_way(tmp_path: Path) -> None:
    store = await SqliteStore.open(str(tmp_path / "relay.db"), CLOCK)
    scarce, mail = FakeBackend("a", CLOCK, rate=("1/1d",)), FakeBackend("b", CLOCK)
    await store.commit(Commit(deliveries=[delivery(1, CLOCK.now(), "a", "b")]))
    dispatcher, task = await _running(store, a=scarce, b=mail)
    await _until(lambda: len(scarce.sent) == 1)
    await store.commit(Commit(deliveries=[delivery(2, CLOCK.now(), "a", "b")]))
    dispatcher.notice("a", CLOCK.now())
    await _until(lambda: len(mail.sent) == 1)
    await _ended(dispatcher, task)
    await store.close()


async def test_backends_of_one_account_share_its_limit_over_a_restart_and_a_reload(
    tmp_path: Path,
) -> None:
    store = await SqliteStore.open(str(tmp_path / "relay.db"), CLOCK)
    limits = Limits(windows=((3, 86400.0),), share=shared("x", "account"), concurrency=8)
    pair = {name: FakeBackend(name, CLOCK) for name in ("a", "b")}
    for backend in pair.values():
        backend.limits = limits
    now = CLOCK.now()
    await store.commit(Commit(deliveries=[delivery(1, now, "a"), delivery(2, now, "b")]))
    dispatcher, task = await _running(store, **pair)
    assert dispatcher.lanes["a"].budget is dispatcher.lanes["b"].budget
    await _until(lambda: len(pair["a"].sent) + len(pair["b"].sent) == 2)
    await _ended(dispatcher, task)
    dispatcher, task = await _running(store, **pair)
    assert dispatcher.lanes["b"].budget._whole.quota.room(CLOCK.monotonic()) == 1
    changed = {"a": FakeBackend("a", CLOCK, word="changed"), "b": pair["b"]}
    changed["a"].limits = limits
    await dispatcher.apply(changed)
    assert dispatcher.lanes["a"].budget is dispatcher.lanes["b"].budget
    await _ended(dispatcher, task)
    await store.close()


async def test_alerts_to_many_share_messages_when_the_budget_is_low(tmp_path: Path) -> None:
    store = await SqliteStore.open(str(tmp_path / "relay.db"), CLOCK)
    many = ManyBackend("a", CLOCK, rate=("2/1h",))
    await store.commit(Commit(alerts=[alert(f"f{number}", id=number) for number in range(1, 6)]))
    now = CLOCK.now()
    rows = [
        delivery(
            number * 100 + person,
            now,
            alert=number,
            address=Address("a", f"p{person}"),
            message=message(alert=number, key=f"{number}-{person}"),
        )
        for number in range(1, 6)
        for person in range(20)
    ]
    await store.commit(Commit(deliveries=rows))
    dispatcher, task = await _running(store, a=many)
    await _until(lambda: len(many.sent) == 40)
    assert many.tries == 2
    told: dict[str, set[int]] = {}
    for to, sent in many.sent:
        named = {int(line.rpartition("#")[2]) for line in sent.digest}
        told.setdefault(to, set()).update({sent.alert} | named)
    assert told == {f"p{person}": set(range(1, 6)) for person in range(20)}
    await _ended(dispatcher, task)
    assert (await store.counts())["deliveries"]["a"] == {"delivered": 100}
    await store.close()


async def test_what_expires_while_a_limit_holds_it_back_is_dead_and_known(
    tmp_path: Path,
) -> None:
    store = await SqliteStore.open(str(tmp_path / "relay.db"), CLOCK)
    scarce, reports = FakeBackend("a", CLOCK), Reports()
    scarce.limits = Limits(per_receiver=((1, 86400.0),), concurrency=8)
    now = CLOCK.now()
    rows = [delivery(number, now, "a", expires_at=now + 0.3) for number in range(1, 40)]
    await store.commit(Commit(deliveries=rows))
    dispatcher = Dispatcher(store, CLOCK, reports)
    await dispatcher.apply({"a": scarce})
    task = asyncio.create_task(dispatcher.run())
    await _until(lambda: len(reports.told) == 24)
    assert len(scarce.sent) == 1
    await _ended(dispatcher, task)
    assert (await store.counts())["deliveries"]["a"] == {"delivered": 15, "dead": 24}
    await store.close()


async def test_whether_anybody_can_be_reached(bench: Bench) -> None:
    """A dead backend is no reason to fall silent while another one takes what is said about it."""
    assert bench.dispatcher.undelivered == ""
    bench.a.answer = lambda message, to: BackendDownError("the key is wrong")
    number = await bench.owe("a")
    await _until(lambda: bench.dispatcher.down == ["a"])
    assert "backend a is down" in bench.dispatcher.undelivered
    await bench.until(await bench.owe("b"), DeliveryState.DELIVERED)
    assert bench.dispatcher.undelivered == ""
    assert (await bench.row(number)).state is DeliveryState.PENDING


async def test_outcomes_that_are_never_settled_are_seen_to_stand_still(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lanes still turn then."""
    hung = asyncio.Event()

    async def settle(_: object) -> None:
        hung.set()
        await asyncio.sleep(3600)

    monkeypatch.setattr(bench.store, "settle", settle)
    await bench.owe("a")
    async with asyncio.timeout(5):
        await hung.wait()
    for lane in bench.dispatcher.lanes.values():
        lane.turned_at = CLOCK.monotonic() + 1000
    assert bench.dispatcher.turned_at <= CLOCK.monotonic()
    monkeypatch.undo()
    bench.dispatcher._finish.set()


async def test_the_trouble_of_a_backend_ends_with_it(bench: Bench) -> None:
    bench.a.answer = lambda *_: BackendDownError("credentials refused")
    await bench.until(await bench.owe("a"), DeliveryState.PENDING)
    async with asyncio.timeout(5):
        while ("backend", "a", False) not in bench.reports.told:
            await asyncio.sleep(0.002)
    await bench.dispatcher.apply({"b": bench.b})
    assert ("backend", "a", True) in bench.reports.told
