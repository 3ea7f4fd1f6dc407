"""ServerChan, Turbo and v3, with one key each."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.emulators.faults import HttpEmulator

TURBO = "SCTc4n4ryTurbo"
V3 = "sctp1234tc4n4ryV3"


class ServerChanService(HttpEmulator):
    """Stores what the keys' owners would read."""

    def __init__(self) -> None:
        super().__init__()
        self.left: int | None = None  # of the day's messages; None: no end
        self.answer: dict[str, Any] | None = None  # instead of its own
        self.messages: list[dict[str, Any]] = []

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/{key:[^/]+}.send", self._turbo),
            web.post("/send/{key:[^/]+}.send", self._v3),
        ]

    async def _turbo(self, request: web.Request) -> web.Response:
        return await self._take(request, TURBO)

    async def _v3(self, request: web.Request) -> web.Response:
        return await self._take(request, V3)

    async def _take(self, request: web.Request, key: str) -> web.Response:
        if self.answer is not None:
            return web.json_response(self.answer)
        if request.match_info["key"] != key:
            return _refusal("[AUTH]错误的Key")
        if self.left == 0:
            return _refusal("[AUTH]超过当天的发送次数限制[5]，请稍后再试")
        self.left = None if self.left is None else self.left - 1
        posted = await request.json()
        title, desp, short = posted.get("title", ""), posted.get("desp", ""), posted.get("short", "")
        if not title or "\n" in title or len(title) > 32 or len(short) > 64:
            return _refusal("[INPUT]title")
        if len(desp.encode()) > 32 * 1024 or posted.get("channel", "").count("|") > 1:
            return _refusal("[INPUT]desp")
        self.messages.append(posted)
        data = {"pushid": str(len(self.messages)), "readkey": "r"}
        return web.json_response({"code": 0, "message": "", "data": data})


def _refusal(words: str) -> web.Response:
    return web.json_response({"code": 40001, "message": words, "info": words, "args": [None]}, status=400)
