"""Names to addresses, off the event loop; `localhost` is both loopback addresses."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

from relay.watchdog.verdict import UnknownError

Place = tuple[socket.AddressFamily, tuple[Any, ...]]

_THREADS: Final = 4  # a resolver that hangs holds up other names, nothing else
_LOCALHOST: Final = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


class Names:
    """A resolver with threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="relay-names")

    async def places(self, host: str, port: int) -> list[Place]:
        """Where to connect, in order; `UnknownError` for a name that doesn't resolve."""
        if host == "localhost":
            return [(family, _at(address, port)) for family, address in _LOCALHOST]
        try:
            family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
        except ValueError:
            return await self._looked_up(host, port)
        return [(family, _at(host, port))]

    async def _looked_up(self, host: str, port: int) -> list[Place]:
        try:
            found = await self.lookup(host, port)
        except socket.gaierror as error:
            raise UnknownError(f"the name {host} doesn't resolve: {error.strerror}") from None
        except TimeoutError:
            raise UnknownError(f"the name {host} doesn't resolve in time") from None
        return list(dict.fromkeys((family, where) for family, _, _, _, where in found))

    async def lookup(self, host: str, port: int) -> list[Any]:
        """getaddrinfo; raises socket.gaierror."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )

    def close(self) -> None:
        """Let go; a look-up that hangs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Resolver(AbstractResolver):
    """The same for aiohttp."""

    def __init__(self, names: Names) -> None:
        self._names = names

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Its addresses, as aiohttp has them."""
        places = await self._names.places(host, port)
        return [
            ResolveResult(
                hostname=host,
                host=where[0],
                port=port,
                family=kind,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, where in places
            if family in {socket.AF_UNSPEC, kind}
        ]

    async def close(self) -> None:
        """Nothing: the names are closed by who made them."""


def _at(address: str, port: int) -> tuple[Any, ...]:
    return (address, port, 0, 0) if ":" in address else (address, port)
