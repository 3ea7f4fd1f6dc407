"""What probes share: one of each for the whole watchdog."""

from __future__ import annotations

import ssl
from functools import cached_property

import aiohttp

from relay import __version__
from relay.watchdog.names import Names, Resolver
from relay.watchdog.processes import Processes
from relay.watchdog.threads import Threads
from relay.watchdog.units import Units


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
            )
        return self._session

    async def close(self) -> None:
        """Let go of everything."""
        if self._session is not None:
            await self._session.close()
        self.names.close()
