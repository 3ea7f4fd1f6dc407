"""What a service tells later, against a real store and a running dispatcher; WeChat's the whole way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from relay.backends.base import Door, Feedback, Receipt
from relay.backends.http import open_session
from relay.backends.wechat import Settings, WeChat
from relay.clock import SystemClock
from relay.config.schema import Http
from relay.errors import RejectedError, TemporaryError
from relay.feedback import heed
from relay.models import Address, DeliveryState, Reason
from relay.outbox.sqlite import SqliteStore
from relay.outbox.store import Commit
from relay.values import Secret
from relay.web.port import Port
from tests.emulators.wechat import APPID, CALLBACK_TOKEN, SECRET, TEMPLATE, WeChatServer
from tests.fakes import FakeBackend, delivery
from tests.test_dispatcher import Bench
from tests.web.rig import House, free_port

CLOCK = SystemClock()
BLOCKED = RejectedError("the user blocks the account's messages", code="user block")


class Telling(FakeBackend):
    tells_later = True


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    store = await SqliteStore.open(str(tmp_path / "relay.db"), CLOCK)
    bench = Bench(store)
    bench.a = Telling("a", CLOCK)
    await bench.dispatcher.apply({"a": bench.a, "b": bench.b})
    task = asyncio.create_task(bench.dispatcher.run())
    await asyncio.sleep(0)
    yield bench
    await bench.dispatcher.stop(0.1)
    await task
    await store.close()


async def attempts(bench: Bench, number: int) -> list[tuple[str, str, str]]:
    found = await bench.store.delivery(number)
    assert found is not None
    return [(each.backend, each.outcome, each.code) for each in found[1]]


async def test_a_late_failure_goes_to_the_next_address(bench: Bench) -> None:
    number = await bench.owe("a", "b")
    assert (await bench.until(number, DeliveryState.DELIVERED)).receipt == "m1"
    await heed(bench.dispatcher, "a", Feedback("m1", "someone", BLOCKED))
    async with asyncio.timeout(5):
        while not bench.b.sent:
            await asyncio.sleep(0.002)
    row = await bench.until(number, DeliveryState.DELIVERED)
    assert (row.address.backend, row.receipt) == ("b", "")
    assert await attempts(bench, number) == [
        ("a", "delivered", ""),
        ("a", "rejected", "user block"),
        ("b", "delivered", ""),
    ]
    assert bench.reports.told == []
    await heed(bench.dispatcher, "a", Feedback("m1", "someone", BLOCKED))  # told again
    assert len(await attempts(bench, number)) == 3


async def test_without_another_address_it_is_dead_and_the_operators_are_told(bench: Bench) -> None:
    number = await bench.owe("a")
    await bench.until(number, DeliveryState.DELIVERED)
    await heed(bench.dispatcher, "a", Feedback("m1", "someone", BLOCKED))
    row = await bench.row(number)
    assert (row.state, row.error) == (DeliveryState.DEAD, f"rejected [user block]: {BLOCKED}")
    assert bench.reports.told == [("delivery", "someone", False)]
    await bench.store.retry([number], CLOCK.now(), CLOCK.now() + 60)
    bench.dispatcher.notice("a", CLOCK.now())
    assert (await bench.until(number, DeliveryState.DELIVERED)).receipt == "m2"


async def test_of_what_operators_were_told_they_are_not_told_again(bench: Bench) -> None:
    number = await bench.owe("a", reason=Reason.OPERATORS)
    await bench.until(number, DeliveryState.DELIVERED)
    await heed(bench.dispatcher, "a", Feedback("m1", "someone", BLOCKED))
    assert (await bench.row(number)).state is DeliveryState.DEAD
    assert bench.reports.told == []


async def test_a_late_success_is_noted(bench: Bench) -> None:
    number = await bench.owe("a", "b")
    await bench.until(number, DeliveryState.DELIVERED)
    await heed(bench.dispatcher, "a", Feedback("m1", "someone", Receipt(id="m1", note="delivered")))
    row = await bench.row(number)
    assert (row.state, row.receipt, row.address.backend) == (DeliveryState.DELIVERED, "", "a")
    found = await bench.store.delivery(number)
    assert found is not None
    assert [each.detail for each in found[1]] == ["m1", "m1 delivered"]


@pytest.mark.parametrize("receipt", ["", "m99"])
async def test_a_report_about_somebody_elses_message(bench: Bench, receipt: str) -> None:
    number = await bench.owe("b")
    await bench.until(number, DeliveryState.DELIVERED)
    await heed(bench.dispatcher, "b", Feedback(receipt, "x", BLOCKED))
    assert (await bench.row(number)).state is DeliveryState.DELIVERED


async def test_a_report_that_comes_before_the_outcome_is_durable(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, late = bench.store.settle, asyncio.Event()

    async def slow(settlements: Any) -> None:
        await late.wait()
        await settle(settlements)

    monkeypatch.setattr(bench.store, "settle", slow)
    monkeypatch.setattr("relay.feedback.LOOKS", (0.0, 0.02, 0.05, 0.5))
    number = await bench.owe("a", "b")
    async with asyncio.timeout(5):
        while not bench.a.sent:
            await asyncio.sleep(0.002)
    telling = asyncio.create_task(heed(bench.dispatcher, "a", Feedback("m1", "x", TemporaryError("failed"))))
    await asyncio.sleep(0.01)
    late.set()
    await telling
    assert ("a", "temporary", "") in await attempts(bench, number)


async def test_all_that_a_digest_held_is_told_of(bench: Bench) -> None:
    bench.a = Telling("a", CLOCK, rate=("5/60s",))
    await bench.dispatcher.apply({"a": bench.a, "b": bench.b})
    now = CLOCK.now()
    rows = [delivery(bench.store.next_ids(1), now, "a", "b") for _ in range(20)]
    await bench.store.commit(Commit(deliveries=rows))
    bench.dispatcher.notice("a", now)
    for row in rows:
        await bench.until(row.id, DeliveryState.DELIVERED)
    digest = (await bench.row(rows[10].id)).receipt
    held = [row.id for row in rows if (await bench.row(row.id)).receipt == digest]
    assert len(held) == 15
    await heed(bench.dispatcher, "a", Feedback(digest, "someone", BLOCKED))
    for number in held:
        assert ("a", "rejected", "user block") in await attempts(bench, number)


async def test_wechat_the_whole_way(bench: Bench) -> None:
    """A template message is accepted, then reported as blocked by a callback: the next address gets it."""
    async with WeChatServer() as server, open_session() as session:
        server.now = CLOCK.now()
        settings = Settings(
            url=server.url,
            appid=APPID,
            secret=Secret(SECRET),
            custom_enabled=False,
            template_id=TEMPLATE,
            template_fields={"thing1": "{title}"},
            callback_token=Secret(CALLBACK_TOKEN),
        )
        wechat = WeChat(settings, Door(session=session, clock=CLOCK, name="wechat"))
        await bench.dispatcher.apply({"wechat": wechat, "b": bench.b})
        house = House()
        house.backends["wechat"] = wechat
        inside = structs.replace(house.inside(), clock=CLOCK, heed=partial(heed, bench.dispatcher))
        port = Port(inside, Http(listen=f"127.0.0.1:{free_port()}"), bench.reports)
        serving = asyncio.create_task(port.run())
        await port.opened()
        addresses = (Address("wechat", "oWang"), Address("b", "w@example.com"))
        number = await bench.owe("wechat", address=addresses[0], fallbacks=addresses[1:])
        await bench.until(number, DeliveryState.DELIVERED)
        (arrived,) = server.arrived
        status = port.status()
        assert status is not None
        url = f"http://{status['listen']}/callback/wechat"
        assert await server.call_back(url, arrived.id, "failed:user block") == (200, "success")
        async with asyncio.timeout(5):
            while not bench.b.sent:
                await asyncio.sleep(0.002)
        assert bench.b.sent[0][0] == "w@example.com"
        row = await bench.until(number, DeliveryState.DELIVERED)
        assert (row.address, row.tried) == (addresses[1], (addresses[0],))
        assert [each[1] for each in await attempts(bench, number)] == ["delivered", "rejected", "delivered"]
        assert await server.call_back(url, arrived.id, "failed:user block") == (200, "success")  # as they do
        assert len(bench.b.sent) == 1
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await bench.dispatcher.apply({"b": bench.b})
