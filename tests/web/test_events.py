"""Events over HTTP: forms of a body, answers, and waiting for room and store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from relay.errors import StoreError
from relay.models import Batch, Level
from tests.web.rig import Client, House

PATH = "/api/v1/events"
LINES = "application/x-ndjson"


@pytest.fixture
async def taking(house: House) -> AsyncIterator[None]:
    task = asyncio.create_task(house.take())
    yield
    task.cancel()


@pytest.mark.usefixtures("taking")
class TestBodies:
    async def test_one_event(self, house: House, client: Client) -> None:
        body = b'{"module":"pay","level":"critical","message":"boom","host":"web1","id":"7"}'
        status, answer = await client.ask("POST", PATH, body)
        assert (status, answer) == (200, {"ok": True, "accepted": 1, "errors": []})
        (event,) = house.events
        assert (event.source, event.module, event.level, event.message) == (
            "http",
            "pay",
            Level.CRITICAL,
            "boom",
        )
        assert (event.id, event.labels) == ("7", {"host": "web1"})
        assert event.program == "http/127.0.0.1"

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b'[{"message":"a"}, {"message":"b"}]', "application/json"),
            (b'{"message":"a"}\n{"message":"b"}\n', LINES),
            (b'\n {"message":"a"}\r\n\n{"message":"b"}', "application/json"),
        ],
    )
    async def test_several(self, house: House, client: Client, body: bytes, kind: str) -> None:
        assert (await client.ask("POST", PATH, body, kind))[0] == 200
        assert [event.message for event in house.events] == ["a", "b"]

    async def test_one_over_several_lines(self, house: House, client: Client) -> None:
        body = json.dumps({"message": "a", "labels": {"x": "y"}}, indent=2).encode()
        assert (await client.ask("POST", PATH, body))[0] == 200
        assert house.events[0].labels == {"x": "y"}

    async def test_bad_ones_among_good_ones_are_named(self, house: House, client: Client) -> None:
        body = b'[{"message":"a"}, {"id":"7"}, 5, {"message":"b","level":"loud","id":8}, {"message":"c"}]'
        status, answer = await client.ask("POST", PATH, body)
        assert status == 207
        assert (answer["ok"], answer["accepted"]) == (False, 2)
        assert [(each["index"], each.get("id")) for each in answer["errors"]] == [(1, "7"), (2, None), (3, 8)]
        assert [event.message for event in house.events] == ["a", "c"]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"[]",
            b"5",
            b"null",
            b"plain text",
            b'{"message":""}',
            b'{"message":',
            b"[1",
            b'["a"]',
            b"\xff\xfe",
            b'{"message":"\xff"}',
            b'{"message":"a"}\nx',
            b"[" * 100_000,
            b'{"a":' * 40_000,
        ],
    )
    async def test_nothing_to_take(self, house: House, client: Client, body: bytes) -> None:
        assert (await client.ask("POST", PATH, body))[0] == 400
        assert house.events == []


async def test_the_answer_waits_for_the_store(house: House, client: Client) -> None:
    asking = asyncio.create_task(client.ask("POST", PATH, b'{"message":"a"}'))
    (batch,) = await house.intake.get(10)
    await asyncio.sleep(0.05)
    assert not asking.done()
    assert batch.done is not None
    batch.done(None)
    assert (await asking)[0] == 200


async def test_what_the_store_gave_up_on_may_be_sent_again(house: House, client: Client) -> None:
    house.store_error = StoreError("damaged")
    task = asyncio.create_task(house.take())
    status, answer = await client.ask("POST", PATH, b'{"message":"a"}')
    assert status == 503
    assert "damaged" in answer["error"]
    assert client.headers["Retry-After"]
    task.cancel()


async def test_a_store_that_takes_its_time(
    house: House, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.web.events.DURABLE", 0.05)
    status, answer = await client.ask("POST", PATH, b'{"message":"a"}')
    assert status == 503
    assert "may still be stored" in answer["error"]
    await house.take_once()  # and the late answer of the store hurts nobody
    assert (await client.ask("GET", "/-/healthy"))[0] == 200


async def test_a_full_intake_makes_the_writer_wait(
    house: House, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.intake.put_nowait(Batch(events=[], size=1 << 30))
    monkeypatch.setattr("relay.web.events.ROOM", 0.05)
    status, _ = await client.ask("POST", PATH, b'{"message":"a"}')
    assert status == 503
    assert client.headers["Retry-After"] == "5"
    assert len(house.intake) == 0
    monkeypatch.setattr("relay.web.events.ROOM", 5.0)
    asking = asyncio.create_task(client.ask("POST", PATH, b'{"message":"b"}'))
    await asyncio.sleep(0.05)
    assert len(house.intake) == 0
    task = asyncio.create_task(house.take())
    assert (await asking)[0] == 200
    assert [event.message for event in house.events] == ["b"]
    task.cancel()


async def test_writers_that_leave_early_are_no_harm(house: House, client: Client) -> None:
    for _ in range(3):
        asking = asyncio.create_task(client.ask("POST", PATH, b'{"message":"a"}'))
        await asyncio.sleep(0.02)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    await house.take_once()
    assert len(house.events) == 3
    assert (await client.ask("GET", "/-/healthy"))[0] == 200
