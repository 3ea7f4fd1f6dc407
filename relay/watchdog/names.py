"""Names to addresses, off the event loop; `localhost` is both loopback addresses."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult

from relay.watchdog.patience import patience
from relay.watchdog.verdict import UnknownError

Place = tuple[socket.AddressFamily, tuple[Any, ...]]

_THREADS: Final = 4  # a resolver that hangs holds up other names, nothing else
_LOCALHOST: Final = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


class Names:
    """A resolver with threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="relay-names")
        self._asked: dict[str, Future[list[Place]]] = {}  # one thread for each name, whoever waits for it

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
            found = await self.lookup(host)
        except socket.gaierror as error:
            raise UnknownError(f"the name {host} doesn't resolve: {error.strerror}") from None
        except UnicodeError:
            raise UnknownError(f"{host} is no name") from None
        except TimeoutError:
            raise UnknownError(f"the name {host} doesn't resolve in time") from None
        return [(family, (where[0], port, *where[2:])) for family, where in found]

    async def lookup(self, host: str) -> list[Place]:
        """Its addresses, with port 0. socket.gaierror, UnicodeError; TimeoutError if the resolver is silent.

        `UnknownError` if relay didn't even come to ask it, as other names keep it waiting.
        """
        asked = self._asked.get(host)
        if asked is None or asked.done():
            asked = self._asked[host] = self._threads.submit(_resolved, host)
            asked.add_done_callback(lambda _: self._asked.pop(host, None))
        answer = asyncio.wrap_future(asked)
        answer.add_done_callback(_heard)
        try:
            async with patience():
                return await asyncio.shield(answer)
        except TimeoutError:
            if asked.running():
                raise
            raise UnknownError(f"the name {host} was not looked up in time: others don't resolve") from None

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


def _heard(answer: asyncio.Future[list[Place]]) -> None:
    """Nobody may wait for it any more."""
    if not answer.cancelled():
        answer.exception()


def _resolved(host: str) -> list[Place]:
    found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((family, where) for family, _, _, _, where in found))


def _at(address: str, port: int) -> tuple[Any, ...]:
    return (address, port, 0, 0) if ":" in address else (address, port)
