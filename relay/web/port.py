"""The port's life: open while rules.yaml wants it, moved by a reload, tried again while it can't be opened.

Alerts matter more than the port: where it can't be had, relay runs on and tells the operators.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import structlog

from relay.config.schema import Http
from relay.errors import RelayError
from relay.models import Json
from relay.report import Report
from relay.scope import serving
from relay.web.inside import Counts, Inside

log = structlog.get_logger()

AGAIN: Final = 10.0  # seconds between tries to open it


class Port:
    """Serves `wanted` until other settings are; None: listens nowhere."""

    def __init__(self, inside: Inside, wanted: Http | None, report: Report) -> None:
        self._inside = inside
        self._wanted = wanted
        self._report = report
        self._changed = asyncio.Event()
        self._open = asyncio.Event()
        self._failed = ""  # where it couldn't be opened, and that was told
        self._why = ""
        self.counts = Counts()

    def apply(self, wanted: Http | None) -> None:
        """Take other settings; what is being answered still gets its answer."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._changed.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            self._changed.clear()
            if self._wanted is None:
                self._recovered()
                await self._changed.wait()
            else:
                await self._serve(self._wanted)

    async def opened(self) -> None:
        """Wait until it listens."""
        await self._open.wait()

    def status(self) -> Json | None:
        """For `relay status`."""
        if self._wanted is None:
            return None
        return {
            "listen": self._wanted.listen,
            "state": "open" if self._open.is_set() else self._why or "closed",
            "requests": self.counts.requests.total(),
            "refused": self.counts.refused.total(),
        }

    async def _serve(self, wanted: Http) -> None:
        """Until other settings are wanted; or, where that fails, for a while not."""
        from relay.web.server import Server  # noqa: PLC0415 - aiohttp's server costs memory: only who wants it

        server = Server(wanted, self._inside, self.counts)
        try:
            await server.open()
        except (OSError, RelayError) as error:
            self._fail(wanted, error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN):
                    await self._changed.wait()
            return
        log.info("http_opened", listen=wanted.listen)
        self._recovered()
        self._open.set()
        try:
            async with serving(server.watch()):
                await self._changed.wait()
        finally:
            self._open.clear()
            await server.close()
            log.info("http_closed", listen=wanted.listen)

    def _fail(self, wanted: Http, error: Exception) -> None:
        self._why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        if self._failed == wanted.listen:
            return
        self._recovered()
        self._failed = wanted.listen
        log.error("http_not_opened", listen=wanted.listen, error=self._why)
        self._report("http", wanted.listen, f"the HTTP port {wanted.listen} can't be opened: {self._why}")

    def _recovered(self) -> None:
        if self._failed:
            self._report("http", self._failed, f"the trouble with {self._failed} is over", cleared=True)
        self._failed = self._why = ""
