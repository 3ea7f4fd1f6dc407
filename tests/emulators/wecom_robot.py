"""WeCom's robot webhook: HTTP 200 whatever happens, limits in bytes, mentions from lists and `<@id>`."""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import web
from msgspec import Struct

from tests.emulators.faults import HttpEmulator
from tests.emulators.loose_markdown import Mark, marks, shown

MOST = {"text": 2048, "markdown": 4096, "markdown_v2": 4096}
_IN_TEXT = re.compile(r"<@([^<>\s]+)>")


class Post(Struct, frozen=True, kw_only=True):
    """One message as the group saw it."""

    key: str
    kind: str
    content: str  # as sent
    mentions: tuple[str, ...]
    marks: list[Mark]

    @property
    def text(self) -> str:
        return self.content.replace("\u200b", "") if self.kind == "text" else shown(self.content)


class WecomRobots(HttpEmulator):
    """Robots by their keys; `code` refuses everything, `quota` lets that many messages through."""

    def __init__(self, *keys: str) -> None:
        super().__init__()
        self.keys = keys
        self.posts: list[Post] = []
        self.refused: list[Any] = []  # bodies
        self.code: int | str | None = None
        self.refusing: set[str] = set()  # kinds of message that are refused as bad
        self.quota: int | None = None

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/cgi-bin/webhook/send", self._send)]

    async def _send(self, request: web.Request) -> web.Response:
        body = await request.read()
        code = self._judge(request.query.get("key", ""), request.content_type, body)
        if code != 0:
            self.refused.append(json.loads(body))
        words = "ok" if code == 0 else "refused, hint: [1700000000123456789]"
        answer = {"errcode": code, "errmsg": words}
        return web.Response(text=json.dumps(answer), content_type="text/plain")  # not what it is

    def _judge(self, key: str, content_type: str, body: bytes) -> int | str:
        if self.code is not None:
            return self.code
        if key not in self.keys:
            return 93000
        if content_type != "application/json" or has_escapes(body):
            return 40033
        return self._take(key, json.loads(body.decode()))

    def _take(self, key: str, told: Any) -> int:
        kind = told.get("msgtype")
        content = told.get(kind, {}).get("content")
        if kind not in MOST or kind in self.refusing or not isinstance(content, str):
            return 40008
        if not content.strip():
            return 44004
        if len(content.encode()) > MOST[kind]:
            return 45002
        if self.quota is not None and len(self.posts) >= self.quota:
            return 45009
        self.posts.append(_post(key, kind, content, told[kind]))
        return 0


def has_escapes(body: bytes) -> bool:
    """Whether JSON holds `\\uXXXX`, which WeCom and DingTalk have a code against."""
    return re.search(rb"\\u[0-9a-fA-F]{4}", body.replace(rb"\\", b"")) is not None


def _post(key: str, kind: str, content: str, told: Any) -> Post:
    listed = (*told.get("mentioned_list", ()), *told.get("mentioned_mobile_list", ()))
    written = [] if kind == "markdown_v2" else _IN_TEXT.findall(content)
    found = [] if kind == "text" else marks(content, fences=kind == "markdown_v2")
    mentions = (*(listed if kind == "text" else ()), *written)
    return Post(key=key, kind=kind, content=content, mentions=mentions, marks=found)
