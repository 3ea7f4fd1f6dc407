"""A Gotify server with one application."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.emulators.faults import HttpEmulator


class GotifyServer(HttpEmulator):
    """Stores the messages of whoever has the application's token."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token
        self.health = "green"
        self.without_id = False
        self.messages: list[dict[str, Any]] = []

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/message", self._message), web.get("/health", self._health)]

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"health": self.health, "database": "green"})

    async def _message(self, request: web.Request) -> web.Response:
        if request.headers.get("X-Gotify-Key") != self.token:
            return _error(401, "Unauthorized", "you need to provide a valid access token")
        posted = await request.json()
        if not posted.get("message"):
            return _error(400, "Bad Request", "Field 'message' is required")
        if not isinstance(posted.get("priority"), int):
            return _error(400, "Bad Request", "priority must be a number")
        self.messages.append(posted)
        answer = {"id": len(self.messages), "appid": 1, "date": "2026-01-05T08:00:00Z"}
        return web.json_response({} if self.without_id else answer)


def _error(status: int, error: str, words: str) -> web.Response:
    return web.json_response({"error": error, "errorCode": status, "errorDescription": words}, status=status)
