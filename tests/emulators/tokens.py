"""A service whose calls need an access token: tokens come from a door of their own."""

from __future__ import annotations

import asyncio

from aiohttp import web

from tests.emulators.faults import NONE, Fault, Handler, HttpEmulator


class TokenEmulator(HttpEmulator):
    """`fault` and `requests` are about messages, `token_fault` and `token_requests` about tokens."""

    TOKEN_PATHS: frozenset[str] = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self.token_requests = 0
        self.token_fault: Fault = NONE
        self.token_delay = 0.0  # seconds
        self.lifetime = 7200
        self.issued: list[str] = []
        self.valid: set[str] = set()

    def issue(self) -> str:
        token = f"t-{len(self.issued)}+/ü"  # awkward on purpose: it has to be quoted
        self.issued.append(token)
        self.valid.add(token)
        return token

    def expire(self) -> None:
        """No token is good any more."""
        self.valid.clear()

    @web.middleware
    async def _faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in self.TOKEN_PATHS:
            return await super()._faults(request, handler)
        self.token_requests += 1
        await asyncio.sleep(self.token_delay)
        fault = self.token_fault
        if fault.status:
            return web.Response(status=fault.status, headers=fault.headers, body=fault.body)
        return await handler(request)
