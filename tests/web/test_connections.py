"""Connections that hold their place for nothing, and those over the limit."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.web.rig import Client, House


async def test_who_says_nothing_is_sent_away_and_who_asks_is_not(house: House, client: Client) -> None:
    port = int(client.http.listen.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: local")
    assert (await client.ask("GET", "/-/healthy"))[0] == 200
    for _ in range(4):
        await asyncio.sleep(0.01)
        house.clock.advance(5.5)
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(5):
            assert await reader.read() == b""
    writer.close()
    assert len(client.session.connector._conns) == 1  # type: ignore[union-attr]
    assert (await client.ask("GET", "/-/healthy"))[0] == 200


async def test_connections_have_a_limit(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await client.ask("GET", "/-/healthy"))[0] == 200  # its connection is kept
    monkeypatch.setattr("relay.web.connections.MOST", 1)
    answer = await client.raw(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert client.port.counts.connections_refused == 1
    assert (await client.ask("GET", "/-/healthy"))[0] == 200
