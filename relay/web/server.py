"""The application, and the socket that it serves."""

from __future__ import annotations

import asyncio
import logging
import socket
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web

from relay.config.schema import Http
from relay.sources import socketfile
from relay.sources.socketfile import BoundSocket
from relay.values import parse_listen
from relay.web import alertmanager, api, beats, callbacks, events, pages
from relay.web.connections import Connections
from relay.web.inside import Counts, Inside
from relay.web.middleware import Gate
from relay.web.seldom import Seldom

log = structlog.get_logger()

MOST_BODY: Final = 256 * 1024  # bytes of a request
IDLE: Final = 75.0  # seconds that a connection may wait for its next request
GRACE: Final = 3.0  # seconds that what is being answered gets at the end


class Broken(logging.Handler):
    """What aiohttp says of requests that are no HTTP: anybody could fill the log with it."""

    def __init__(self, seldom: Seldom) -> None:
        super().__init__(logging.WARNING)
        self._seldom = seldom

    def emit(self, record: logging.LogRecord) -> None:
        """Its kind, once in a while."""
        if self._seldom("broken"):
            error = record.exc_info[0] if record.exc_info else None
            log.warning("http_request_broken", error=error.__name__ if error else record.msg)


class Server:
    """One listening port; `open` may raise OSError or `SocketInUseError`."""

    def __init__(self, settings: Http, inside: Inside, counts: Counts) -> None:
        self._settings = settings
        seldom = Seldom(inside.clock)
        self._connections = Connections(inside.clock, counts, seldom)
        gate = Gate(settings, counts, self._connections, seldom)
        app = web.Application(middlewares=[gate.middleware()], client_max_size=MOST_BODY)
        intake = events.Events(inside)
        app.add_routes(pages.Pages(inside, counts).routes())
        app.add_routes(api.Api(inside).routes())
        app.add_routes(intake.routes())
        app.add_routes(beats.Beats(inside, intake).routes())
        app.add_routes(alertmanager.Alerts(inside, intake).routes())
        app.add_routes(callbacks.Callbacks(inside, counts, seldom).routes())
        self._runner = web.AppRunner(
            app,
            logger=_logger(seldom),
            access_log=None,
            keepalive_timeout=IDLE,
            lingering_time=1.0,
            shutdown_timeout=GRACE,
        )
        self._listener: asyncio.Server | None = None
        self._file: BoundSocket | None = None

    async def open(self) -> None:
        """Listen."""
        await self._runner.setup()
        try:
            self._listener = await self._listen()
        except BaseException:
            await self.close()
            raise

    async def watch(self) -> None:
        """Look after the connections until cancelled."""
        await self._connections.run()

    async def close(self) -> None:
        """Take no more; what is being answered gets a few seconds."""
        if self._listener is not None:
            self._listener.close()
        await self._runner.cleanup()
        if self._file is not None:
            self._file.close()

    async def _listen(self) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        assert self._runner.server is not None
        factory = self._connections.factory(self._runner.server)
        if self._settings.listen.startswith("unix:"):
            path = Path(self._settings.listen.removeprefix("unix:"))
            self._file = socketfile.bind(path, socket.SOCK_STREAM, int(self._settings.mode, 8), "")
            return await loop.create_unix_server(factory, sock=self._file.sock)
        host, port = parse_listen(self._settings.listen)
        return await loop.create_server(factory, host, port, reuse_address=True)


def _logger(seldom: Seldom) -> logging.Logger:
    """For aiohttp; not among Python's own loggers, so that nothing else gets its records."""
    logger = logging.Logger("relay.http", logging.WARNING)  # noqa: LOG001 - on purpose
    logger.addHandler(Broken(seldom))
    return logger
