"""Opening, moving and closing the port."""

from __future__ import annotations

import asyncio
import socket
import stat
import sys
from pathlib import Path

import pytest

from relay.config.schema import Http
from relay.web.port import Port
from tests.web.rig import House, free_port, served


async def test_without_settings_nothing_is_opened_or_imported(house: House) -> None:
    port = Port(house.inside(), None, house.reports)
    task = asyncio.create_task(port.run())
    await asyncio.sleep(0.01)
    assert port.status() is None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_aiohttps_server_is_not_imported_for_the_daemon_itself() -> None:
    script = "import relay.app, sys; sys.exit('aiohttp.web' in sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
    assert await process.wait() == 0


async def test_a_unix_socket(house: House, tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    async with served(house, listen=f"unix:{path}", mode="0600") as client:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert (await client.ask("GET", "/-/healthy"))[0] == 200
        taking = asyncio.create_task(house.take())
        assert (await client.ask("POST", "/api/v1/events", b'{"message":"x"}'))[0] == 200
        taking.cancel()
    assert not path.exists()
    assert house.events[0].origin.startswith("pid ")


async def test_a_reload_moves_it_and_what_is_being_answered_is_answered(house: House) -> None:
    async with served(house) as client:
        asking = asyncio.create_task(client.ask("POST", "/api/v1/events", b'{"message":"x"}'))
        while not house.intake._events:
            await asyncio.sleep(0.001)
        elsewhere = f"127.0.0.1:{free_port()}"
        client.port.apply(Http(listen=elsewhere))
        taking = asyncio.create_task(house.take())
        assert (await asking)[0] == 200
        client.url = f"http://{elsewhere}"
        await asyncio.sleep(0.05)
        await client.port.opened()
        assert (await client.ask("GET", "/-/healthy"))[0] == 200
        client.port.apply(None)
        taking.cancel()
        async with asyncio.timeout(5):
            while client.port._open.is_set():
                await asyncio.sleep(0.001)
        assert client.port.status() is None


async def test_a_port_in_use_is_told_tried_again_and_told_to_be_over(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.web.port.AGAIN", 0.02)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        port = Port(house.inside(), Http(listen=listen), house.reports)
        task = asyncio.create_task(port.run())
        await asyncio.sleep(0.1)
        assert house.reports.told == [("http", listen, False)]
        assert "in use" in str(port.status())
    async with asyncio.timeout(5):
        await port.opened()
    assert house.reports.told == [("http", listen, False), ("http", listen, True)]
    assert port.status() == {"listen": listen, "state": "open", "requests": 0, "refused": 0}
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
