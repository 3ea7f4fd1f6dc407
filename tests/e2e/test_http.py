"""The HTTP port of the real daemon."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.rig import Relay, Sink, running, until
from tests.web.rig import free_port

pytestmark = pytest.mark.e2e

RULES = """\
store: {folder}/relay.db
http: {{listen: "127.0.0.1:{port}"}}
operators: [ops]
sources:
  apps: {{socket: {folder}/relay.sock}}
backends:
  hook: {{type: webhook, url: "{url}", timeout: 2s}}
recipients:
  wang: {{hook: wang}}
  ops: {{hook: ops}}
rules:
  - {{name: payments, match: {{module: pay.*, source: http}}, to: wang}}
  - {{name: other, match: {{level: error}}, to: ops}}
"""


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    sink.start()
    yield sink
    sink.stop()


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def relay(tmp_path: Path, sink: Sink, port: int) -> Iterator[Relay]:
    relay = Relay(tmp_path)
    relay.write_rules(RULES.format(folder=tmp_path, url=sink.url, port=port))
    with running(relay):
        yield relay


@pytest.fixture
async def session(port: int) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield session


async def get(session: aiohttp.ClientSession, path: str) -> Any:
    async with session.get(path) as answer:
        assert answer.status == 200, await answer.text()
        return await (answer.json() if answer.content_type == "application/json" else answer.text())


async def post(session: aiohttp.ClientSession, path: str, value: Any) -> tuple[int, Any]:
    async with session.post(path, json=value) as answer:
        is_json = answer.content_type == "application/json"
        return answer.status, await (answer.json() if is_json else answer.text())


async def test_an_event_over_http_reaches_its_owner_and_shows_everywhere(
    relay: Relay, sink: Sink, session: aiohttp.ClientSession, port: int
) -> None:
    assert "ready" in await get(session, "/-/ready")
    events = [{"module": "pay.card", "message": f"timeout after {n} ms"} for n in range(3)]
    assert (await post(session, "/api/v1/events", events))[0] == 200
    assert until(lambda: len(sink.received) == 1, 5)
    assert (sink.received[0]["to"], sink.received[0]["module"]) == ("wang", "pay.card")
    (row,) = await get(session, "/api/v1/alerts?state=firing")
    assert row["alert"]["count"] == 3
    one = await get(session, f"/api/v1/alerts/{row['alert']['id']}")
    assert [each["recipient"] for each in one["deliveries"]] == ["wang"]
    assert until(lambda: "delivered" in relay.command("outbox", "list", "--state", "delivered").stdout, 5)
    metrics = await get(session, "/metrics")
    found = dict(re.findall(r"^(\S+\{.*\}|\S+) (\S+)$", metrics, re.MULTILINE))
    assert found['relay_events_total{source="http",rule="payments",reason="first"}'] == "3"
    assert found['relay_attempts_total{backend="hook",outcome="delivered"}'] == "1"
    assert found['relay_backend_up{backend="hook",type="webhook"}'] == "1"
    assert int(found["relay_store_commit_seconds_count"]) >= 1
    assert float(found["relay_event_loop_lag_seconds"]) < 5
    status = await get(session, "/api/v1/status")
    assert status["http"]["listen"] == f"127.0.0.1:{port}"
    assert f"http     127.0.0.1:{port}: open" in relay.command("status").stdout


async def test_dead_deliveries_are_retried_by_the_api(
    relay: Relay, sink: Sink, session: aiohttp.ClientSession
) -> None:
    answer, sink.answer = sink.answer, lambda _: aiohttp.web.Response(status=400)
    await post(session, "/api/v1/events", {"module": "pay", "message": "boom"})
    dead: list[Any] = []
    async with asyncio.timeout(10):
        while not dead:
            await asyncio.sleep(0.05)
            rows = await get(session, "/api/v1/outbox?state=dead")
            dead = [row for row in rows if row["recipient"] == "wang"]
    sink.answer = answer
    assert await post(session, "/api/v1/outbox/retry", {"ids": [dead[0]["id"]]}) == (200, {"count": 1})
    assert until(lambda: any(each["to"] == "wang" for each in sink.received), 5)
    assert await post(session, "/api/v1/outbox/drop", {"ids": [dead[0]["id"]]}) == (200, {"count": 0})


async def test_reload_by_http_answers_problems_and_moves_the_port(
    relay: Relay, session: aiohttp.ClientSession, port: int
) -> None:
    good = relay.rules.read_text()
    relay.write_rules(good.replace("to: wang", "to: wnag"))
    async with session.post("/-/reload") as answer:
        assert answer.status == 400
        assert re.search(r"rules\.yaml:12:\d+: unknown recipient 'wnag'", await answer.text())
    elsewhere = free_port()
    relay.write_rules(good.replace(f":{port}", f":{elsewhere}"))
    async with session.post("/-/reload") as answer:
        assert (answer.status, await answer.text()) == (200, "the rules were taken\n")
    async with aiohttp.ClientSession(f"http://127.0.0.1:{elsewhere}") as moved:
        for _ in range(100):
            try:
                assert "healthy" in await get(moved, "/-/healthy")
                break
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)
        else:
            pytest.fail("the port did not move")
        with pytest.raises(aiohttp.ClientConnectorError):
            await get(session, "/-/healthy")
        began = time.monotonic()
        assert relay.stop() == 0  # `moved` keeps its connection open
        assert time.monotonic() - began < 5
    assert "Traceback" not in relay.log.read_text()


async def test_what_was_answered_survives_kill_9_and_is_counted_once(
    relay: Relay, session: aiohttp.ClientSession
) -> None:
    sent: list[str] = []

    async def write(writer: int) -> None:
        for number in range(1000):
            name = f"{writer}-{number}"
            try:
                status, _ = await post(
                    session, "/api/v1/events", {"module": "pay", "message": "boom", "id": name}
                )
            except (aiohttp.ClientError, OSError):
                return
            assert status == 200
            sent.append(name)

    writers = [asyncio.create_task(write(each)) for each in range(4)]
    async with asyncio.timeout(20):
        while len(sent) < 40:
            await asyncio.sleep(0.01)
    relay.kill()
    await asyncio.gather(*writers)
    assert len(sent) < 4000
    relay.start()
    again = [{"module": "pay", "message": "boom", "id": name} for name in sent[:100]]
    async with asyncio.timeout(10):
        while True:
            try:
                assert (await post(session, "/api/v1/events", again))[0] == 200
                break
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.05)
    assert relay.stop() == 0
    with relay.store() as db:
        stored = [row[0] for row in db.execute("SELECT id FROM events WHERE source = 'http'")]
    assert len(stored) == len(set(stored))
    assert set(sent) <= set(stored)


async def test_prometheus_may_send_its_alerts(
    relay: Relay, sink: Sink, session: aiohttp.ClientSession
) -> None:
    alert = {
        "labels": {"alertname": "DiskFull", "service": "pay", "severity": "critical"},
        "annotations": {"summary": "no room"},
    }
    assert (await post(session, "/api/v2/alerts", [alert]))[0] == 200
    assert until(lambda: len(sink.received) == 1, 5)
    assert json.dumps(sink.received[0]).count("no room")
    assert sink.received[0]["module"] == "pay.DiskFull"
