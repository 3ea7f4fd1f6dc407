"""Real listeners for the probes' tests."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

import tests.emulators
from relay.config.checks import Check, CommandCheck
from relay.watchdog.probes.choose import probe_of
from relay.watchdog.tools import Tools

PEM = str(Path(tests.emulators.__file__).parent / "localhost.pem")
Look = Callable[..., Awaitable[str]]
Listen = Callable[..., Awaitable[int]]


@pytest.fixture
async def tools() -> AsyncIterator[Tools]:
    tools = Tools(ca=PEM)
    yield tools
    await tools.close()


@pytest.fixture
def look(tools: Tools) -> Look:
    """One look, as the service makes it."""

    async def once(check: Check, within: float = 3.0) -> str:
        async with asyncio.timeout(within + 5 if isinstance(check, CommandCheck) else within):
            return await probe_of(check, within).look(tools)

    return once


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    """A listener that says `say` (or what it answers to a first line), on one loopback address."""
    servers = []

    async def start(say: bytes = b"", *, host: str = "127.0.0.1", tls: bool = False, ask: bytes = b"") -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            say_now = b"what?\n" if ask and await reader.read(len(ask)) != ask else say
            writer.write(say_now)
            try:
                await writer.drain()
                if say_now:
                    await reader.read(100)
                writer.close()
                await writer.wait_closed()
            except OSError:
                pass

        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(PEM)
        server = await asyncio.start_server(serve, host, 0, ssl=context)
        servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()
