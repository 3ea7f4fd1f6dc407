"""DingTalk's robot webhook: signatures, keywords, pings that must stand in the text, a firewall."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from aiohttp import web
from msgspec import Struct

from tests.emulators.faults import HttpEmulator
from tests.emulators.loose_markdown import Mark, marks, shown
from tests.emulators.wecom_robot import has_escapes

MOST = 20_000  # bytes
TOLERANCE = 3_600_000  # milliseconds


class Post(Struct, frozen=True, kw_only=True):
    """One message as the group saw it."""

    token: str
    kind: str
    content: str  # as sent
    pinged: tuple[str, ...]
    marks: list[Mark]
    buttons: tuple[tuple[str, str], ...]
    title: str

    @property
    def text(self) -> str:
        return self.content.replace("\u200b", "") if self.kind == "text" else shown(self.content)


class DingtalkRobots(HttpEmulator):
    """Robots by their tokens, each with the secret it wants ("" none)."""

    def __init__(self, robots: dict[str, str], now: float) -> None:
        super().__init__()
        self.robots = robots
        self.now = now  # what its clock says, in seconds
        self.lag = 0  # requests that are judged as if they had been on their way for two hours
        self.keywords: tuple[str, ...] = ()
        self.allowed = True  # this host's address
        self.posts: list[Post] = []
        self.uuids: set[str] = set()
        self.once = True  # a `msgUuid` is shown a single time
        self.signs: list[str] = []  # as they came, still quoted
        self.answer: Any = None  # instead of its own
        self.page = False  # the firewall's web page instead of any answer
        self.refusing: set[str] = set()  # kinds of message that are refused as bad
        self.text_codes = False  # numbers as text, as DingTalk's own example has them

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/robot/send", self._send)]

    async def _send(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.signs.append(request.rel_url.raw_query_string.partition("&sign=")[2])
        if self.page:
            return web.Response(text="<!doctype html><title>blocked</title>", content_type="text/html")
        code, words = self._judge(request, body)
        answer = self.answer or {"errcode": str(code) if self.text_codes else code, "errmsg": words}
        return web.Response(text=json.dumps(answer), content_type="text/plain")

    def _judge(self, request: web.Request, body: bytes) -> tuple[int, str]:
        token = request.query.get("access_token", "")
        if not token:
            return 300001, "token is not exist"
        if token not in self.robots:
            return 300005, "token is not exist"
        if refused := self._unsigned(
            request.query.get("timestamp", ""), request.query.get("sign", ""), token
        ):
            return 310000, refused
        if not self.allowed:
            return 310000, "ip 192.0.2.1 not in whitelist"
        if request.content_type != "application/json":
            return 43004, "invalid content type"
        return (
            (40033, "bad characters") if has_escapes(body) else self._take(token, json.loads(body.decode()))
        )

    def _unsigned(self, timestamp: str, sign: str, token: str) -> str:
        secret = self.robots[token]
        if not secret:
            return ""
        behind = 7_200_000 if self.lag > 0 else 0
        self.lag -= 1
        if not timestamp.isdigit() or abs(int(timestamp) - self.now * 1000 - behind) > TOLERANCE:
            return "invalid timestamp"
        mac = hmac.new(secret.encode(), f"{timestamp}\n{secret}".encode(), hashlib.sha256)
        return "" if base64.b64encode(mac.digest()).decode() == sign else "sign not match"

    def _take(self, token: str, told: Any) -> tuple[int, str]:
        kind = told.get("msgtype")
        if kind not in {"text", "markdown", "actionCard"} or kind in self.refusing:
            return 400105, "unsupported msgtype"
        content = told[kind].get("content" if kind == "text" else "text", "")
        title = told[kind].get("title", "")
        if not content.strip() or (kind != "text" and not title):
            return 40035, "missing parameter"
        if self.keywords and not any(word in f"{title}\n{content}" for word in self.keywords):
            return 310000, "keywords not in content, more: [https://open.dingtalk.com]"
        if len(content.encode()) > MOST:
            return 40035, "message too long, exceed 20000 bytes"
        if self.once and told.get("msgUuid") in self.uuids:
            return 0, "ok"  # shown already
        self.uuids.add(told.get("msgUuid", ""))
        self.posts.append(_post(token, kind, content, title, told))
        return 0, "ok"


def _post(token: str, kind: str, content: str, title: str, told: Any) -> Post:
    at = {} if kind == "actionCard" else told.get("at", {})
    named = [*at.get("atUserIds", ()), *at.get("atMobiles", ())]
    pinged = [name for name in named if f"@{name}" in content] + ["all"] * bool(at.get("isAtAll"))
    buttons = tuple((each["title"], each["actionURL"]) for each in told[kind].get("btns", ()))
    found = [] if kind == "text" else marks(content)
    return Post(
        token=token,
        kind=kind,
        content=content,
        pinged=tuple(pinged),
        marks=found,
        buttons=buttons,
        title=title,
    )
