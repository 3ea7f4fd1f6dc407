"""What can go wrong with a service, as one record that every emulator obeys."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Literal, Self

from aiohttp import web
from msgspec import Struct, field


class Fault(Struct, frozen=True, kw_only=True):
    """How the next requests go wrong; the default is not at all.

    `hang`: `accept` reads the request and never answers, `headers` sends them and no body, `drip` one byte
    a second. `cut`: the message is recorded, then the connection ends: before the answer, or in its body.
    """

    status: int = 0  # 0: the service's own answer
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0  # seconds before the answer
    hang: Literal["", "accept", "headers", "drip"] = ""
    cut: Literal["", "before", "within"] = ""


NONE = Fault()
ERROR_PAGE = Fault(
    status=502, headers={"Content-Type": "text/html"}, body=b"<html><h1>Bad Gateway</h1></html>"
)
REDIRECT = Fault(status=302, headers={"Location": "/elsewhere"})
HUGE = Fault(status=500, body=b"x" * 3_000_000)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpEmulator:
    """A service on a loopback port. A subclass adds routes; `fault` applies to all of them.

    A request that a fault refuses is not seen by the service; one that is cut has been recorded.
    """

    def __init__(self) -> None:
        self.fault = NONE
        self.requests = 0  # that reached the server, refused ones too
        self.url = ""  # of the server's root, without a slash at its end
        self._end = asyncio.Event()  # lets hanging requests go
        self._runner: web.AppRunner | None = None

    def routes(self) -> list[web.RouteDef]:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._faults])
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._end.set()
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests += 1
        fault = self.fault
        body = await request.read()
        if fault.delay:
            await pause(self._end, fault.delay)
        if fault.hang == "accept":
            await self._end.wait()
        if fault.hang in {"headers", "drip"}:
            return await self._trickle(request, bytes_too=fault.hang == "drip")
        if fault.status:
            return web.Response(status=fault.status, headers=fault.headers, body=fault.body)
        response = await handler(request)
        if fault.cut:
            await self._cut(request, response, within=fault.cut == "within")
        del body
        return response

    async def _trickle(self, request: web.Request, *, bytes_too: bool) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        while bytes_too and not self._end.is_set():
            await response.write(b" ")
            await pause(self._end, 1)
        await self._end.wait()
        return response

    async def _cut(self, request: web.Request, response: web.StreamResponse, *, within: bool) -> None:
        if within:
            part = web.StreamResponse(status=response.status, headers={"Content-Length": "1000"})
            await part.prepare(request)
            await part.write(b"{")
        assert request.transport is not None
        request.transport.close()


async def pause(end: asyncio.Event, seconds: float) -> None:
    """Wait that long, or until the emulator ends."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(end.wait(), seconds)


def decoded(value: Any) -> str:
    """All text in JSON-like data, one string a line: what a person, or a mention's parser, could read."""
    match value:
        case dict():
            return "\n".join(decoded(part) for part in value.values())
        case list():
            return "\n".join(decoded(part) for part in value)
        case _:
            return str(value)
