"""Feishu's robot webhook: signatures in the body, keywords in text and titles, 20 KB."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from aiohttp import web
from msgspec import Struct

from tests.emulators.faults import HttpEmulator
from tests.emulators.feishu_content import links, mentioned, read, well_formed

MOST = 20_000  # bytes of a request
TOLERANCE = 3600  # seconds


class Post(Struct, frozen=True, kw_only=True):
    """One message as the group saw it."""

    token: str
    kind: str
    text: str
    mentions: list[str]
    links: list[tuple[str, str]]
    body: Any


class FeishuRobots(HttpEmulator):
    """Robots by their tokens, each with the secret it wants ("" none)."""

    def __init__(self, robots: dict[str, str], now: float) -> None:
        super().__init__()
        self.robots = robots
        self.now = now  # what its clock says
        self.keywords: tuple[str, ...] = ()
        self.allowed = True  # this host's address
        self.posts: list[Post] = []
        self.sizes: list[int] = []  # of requests that were accepted
        self.code: int | None = None
        self.refusing: set[str] = set()  # kinds of message that are refused as bad

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/open-apis/bot/v2/hook/{token}", self._send)]

    async def _send(self, request: web.Request) -> web.Response:
        body = await request.read()
        code = self.code if self.code is not None else self._judge(request.match_info["token"], body)
        if code:
            return web.json_response({"code": code, "data": {}, "msg": "refused"})
        self.sizes.append(len(body))
        old = {"StatusCode": 0, "StatusMessage": "success"}
        return web.json_response({**old, "code": 0, "data": {}, "msg": "success"})

    def _judge(self, token: str, body: bytes) -> int:
        if token not in self.robots:
            return 19001
        if not self.allowed:
            return 19022
        told = json.loads(body.decode())
        if self.robots[token] and not self._signed(told, self.robots[token]):
            return 19021
        kind = told.get("msg_type", "")
        part = told.get("card") if kind == "interactive" else told.get("content")
        part = part.get("post") if kind == "post" and isinstance(part, dict) else part
        if (
            len(body) > MOST
            or kind in self.refusing
            or not isinstance(part, dict)
            or not well_formed(kind, part)
        ):
            return 9499
        return self._take(token, kind, part)

    def _signed(self, told: Any, secret: str) -> bool:
        """By the document, not by relay's code: the text is the key, and nothing the message."""
        timestamp = told.get("timestamp")
        if not isinstance(timestamp, str) or abs(int(timestamp) - self.now) > TOLERANCE:
            return False
        mac = hmac.new(f"{timestamp}\n{secret}".encode(), digestmod=hashlib.sha256)
        return base64.b64encode(mac.digest()).decode() == str(told.get("sign"))

    def _take(self, token: str, kind: str, body: Any) -> int:
        title = body["header"]["title"]["content"] if kind == "interactive" else ""
        searched = title or read(kind, body)
        if self.keywords and not any(word in searched for word in self.keywords):
            return 19024
        self.posts.append(
            Post(
                token=token,
                kind=kind,
                text=read(kind, body),
                mentions=mentioned(kind, body),
                links=links(body),
                body=body,
            )
        )
        return 0
