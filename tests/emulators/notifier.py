"""What Apprise's `json://` posts to: any path, any JSON."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.emulators.faults import HttpEmulator


class JsonSink(HttpEmulator):
    """Stores each post with its path."""

    def __init__(self) -> None:
        super().__init__()
        self.posts: list[tuple[str, dict[str, Any]]] = []

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/{path:.*}", self._take)]

    async def _take(self, request: web.Request) -> web.Response:
        self.posts.append((request.raw_path, await request.json()))
        return web.Response()
