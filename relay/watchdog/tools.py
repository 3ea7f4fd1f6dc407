"""What probes share: one of each for the whole watchdog."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import cached_property
from typing import Final

import aiohttp

from relay import __version__
from relay.watchdog.names import Names, Resolver
from relay.watchdog.patience import patience
from relay.watchdog.processes import Processes
from relay.watchdog.threads import HangsError, Threads
from relay.watchdog.units import Units
from relay.watchdog.verdict import UnknownError

_LONGEST_HEADER: Final = 64 * 1024  # bytes; aiohttp takes 8 KiB, and policies of contents are longer


class Tools:
    """Opened when first used, closed together."""

    def __init__(self, *, ca: str = "") -> None:
        self.names = Names()
        self.threads = Threads()
        self.processes = Processes()
        self.units = Units()
        self._ca = ca or None
        self._session: aiohttp.ClientSession | None = None

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Certificates are checked as a browser would."""
        return ssl.create_default_context(cafile=self._ca)

    @property
    def session(self) -> aiohttp.ClientSession:
        """Each look is a connection of its own: only a new one proves that something listens."""
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=Resolver(self.names), force_close=True, limit=0, use_dns_cache=False, ssl=self.tls
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"relay/{__version__}", "Accept-Encoding": "identity"},
                auto_decompress=False,  # a small body must not fill the memory
                timeout=aiohttp.ClientTimeout(total=None),
                trust_env=False,
                max_line_size=_LONGEST_HEADER,
                max_field_size=_LONGEST_HEADER,
            )
        return self._session

    async def of_processes(self, key: str, ask: Callable[[Processes], str]) -> str:
        """What `ask` finds. A process that hangs in the kernel can hold up whoever reads of it."""
        try:
            async with patience():
                return await self.threads.call(key, lambda: ask(self.processes))
        except (TimeoutError, HangsError):
            raise UnknownError("the processes can't be looked through in time") from None

    async def close(self) -> None:
        """Let go of everything."""
        if self._session is not None:
            await self._session.close()
        self.names.close()
