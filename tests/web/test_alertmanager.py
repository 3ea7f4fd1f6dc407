"""Alerts as Prometheus posts them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.models import Event, Level
from tests.web.rig import Client, House

ALERT: dict[str, Any] = {
    "labels": {"alertname": "HighLatency", "job": "api", "severity": "page", "instance": "web1:9100"},
    "annotations": {"summary": "p99 above 3 s", "description": "for 5 minutes"},
    "startsAt": "2026-01-05T08:00:00.000Z",
    "endsAt": "2026-01-05T08:04:00.000Z",
    "generatorURL": "http://prometheus:9090/graph?g0.expr=x",
}


@pytest.fixture
async def post(house: House, client: Client) -> AsyncIterator[Any]:
    task = asyncio.create_task(house.take())

    async def post(**changes: Any) -> Event:
        answer = await client.ask("POST", "/api/v2/alerts", json.dumps([{**ALERT, **changes}]).encode())
        assert answer[0] == 200
        return house.events[-1]

    yield post
    task.cancel()


async def test_an_alert_becomes_an_event(house: House, post: Any) -> None:
    event = await post()
    assert (event.source, event.module, event.level) == ("http", "api.HighLatency", Level.CRITICAL)
    assert event.message == "p99 above 3 s\nfor 5 minutes"
    assert event.time == house.clock.now()
    assert event.labels["instance"] == "web1:9100"
    assert event.labels["state"] == "firing"  # endsAt is in the future: until then it fires
    assert event.labels["generatorURL"].startswith("http://prometheus")
    assert event.program


async def test_an_alert_that_is_over(house: House, post: Any) -> None:
    house.clock.advance(86400)
    event = await post()
    assert (event.level, event.labels["state"]) == (Level.NOTICE, "resolved")
    assert event.message.startswith("resolved: ")


async def test_less_than_prometheus_says(post: Any) -> None:
    event = await post(labels={"alertname": "X"}, annotations={}, endsAt="0001-01-01T00:00:00Z")
    assert (event.module, event.level, event.message) == ("X", Level.ERROR, "X")
    assert event.labels["state"] == "firing"
    assert (await post(labels={"service": "pay", "severity": "warning"})).level is Level.WARNING


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'[{"labels":{"a":1}}]', b"[{}]", b"\xff", b"[" * 9999])
async def test_no_alerts(house: House, client: Client, body: bytes) -> None:
    assert (await client.ask("POST", "/api/v2/alerts", body))[0] == 400
    assert (await client.ask("POST", "/api/v2/alerts", json.dumps([ALERT] * 1001).encode()))[0] in {400, 413}
    assert len(house.intake) == 0
