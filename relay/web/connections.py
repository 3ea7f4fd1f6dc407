"""Connections to the port: not too many, and none that holds its place by saying or taking nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

import structlog
from aiohttp import web
from msgspec import Struct

from relay.clock import Clock
from relay.web.inside import Counts
from relay.web.seldom import Seldom

log = structlog.get_logger()

MOST: Final = 1024
SILENT: Final = 10.0  # seconds until the first request's headers must be there
DEAF: Final = 60.0  # seconds that an answer may wait to be taken
SWEEP: Final = 5.0  # seconds between looks

_FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class Seen(Struct):
    """What is known of a connection."""

    since: float  # monotonic time of the first look, or of the latest request or answer
    spoke: bool = False


class Connections:
    """Makes the protocols of accepted connections, and looks after them."""

    def __init__(self, clock: Clock, counts: Counts, seldom: Seldom) -> None:
        self._clock = clock
        self._counts = counts
        self._seldom = seldom
        self._server: web.Server | None = None
        self._seen: dict[web.RequestHandler, Seen] = {}

    def factory(self, server: web.Server) -> Callable[[], asyncio.BaseProtocol]:
        """For `loop.create_server`."""
        self._server = server

        def make() -> asyncio.BaseProtocol:
            if len(server.connections) < MOST:
                return server()
            self._counts.connections_refused += 1
            if self._seldom("connections"):
                log.warning("http_connection_refused", connections=MOST)
            return _Full()

        return make

    def __len__(self) -> int:
        """Open ones."""
        return len(self._server.connections) if self._server is not None else 0

    def spoke(self, connection: web.RequestHandler) -> None:
        """A request came, or its answer is ready."""
        self._seen[connection] = Seen(self._clock.monotonic(), spoke=True)

    async def run(self) -> None:
        """Look after them until cancelled."""
        while True:
            await self._clock.sleep(SWEEP)
            self.sweep()

    def sweep(self) -> None:
        """Close those that hold their place for nothing."""
        assert self._server is not None
        now = self._clock.monotonic()
        current = {each: self._seen.get(each) or Seen(now) for each in self._server.connections}
        self._seen = current
        for connection, seen in current.items():
            transport = connection.transport
            if transport is None:
                continue
            silent = not seen.spoke and now - seen.since >= SILENT
            deaf = now - seen.since >= DEAF and transport.get_write_buffer_size() > 0
            if silent or deaf:
                transport.abort()


class _Full(asyncio.Protocol):
    """Says that there is no room, and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        writing = cast("asyncio.WriteTransport", transport)
        writing.write(_FULL)
        writing.close()
