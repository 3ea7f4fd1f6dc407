"""WeCom's server API for an app's messages: tokens, receivers that may not exist, duplicates, cards."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from aiohttp import web
from msgspec import Struct

from tests.emulators.faults import Handler, decoded
from tests.emulators.loose_markdown import Mark, marks, shown
from tests.emulators.tokens import TokenEmulator
from tests.emulators.wecom_robot import has_escapes

MOST = 2048  # bytes
MOST_AT_ONCE = {"touser": 1000, "toparty": 100, "totag": 100}


class Post(Struct, frozen=True, kw_only=True):
    """One message that was accepted, with those it reached."""

    kind: str
    content: str  # as sent; of a card its texts
    receivers: tuple[str, ...]
    marks: list[Mark]
    told: Any

    @property
    def text(self) -> str:
        return shown(self.content) if self.kind == "markdown" else self.content.replace("\u200b", "")


class WecomServer(TokenEmulator):
    """A company with one app."""

    TOKEN_PATHS = frozenset({"/cgi-bin/gettoken"})

    def __init__(self, corpid: str, secret: str, agentid: int) -> None:
        super().__init__()
        self.corpid, self.secret, self.agentid = corpid, secret, agentid
        self.users = {"zhangsan", "LiSi", "wangwu"}
        self.unlicensed: set[str] = set()
        self.parties, self.tags, self.chats = {"2"}, {"7"}, {"chat1"}
        self.posts: list[Post] = []
        self.swallowed = 0  # identical ones
        self.updates: list[Any] = []
        self.codes: dict[str, int] = {}  # of cards, and whose message
        self.calls: list[Any] = []
        self.code: int | None = None
        self.refusing: set[str] = set()  # kinds of message that are refused as bad

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/cgi-bin/gettoken", self._gettoken),
            web.post("/cgi-bin/message/send", self._guarded(self._send)),
            web.post("/cgi-bin/appchat/send", self._guarded(self._send_to_chat)),
            web.post("/cgi-bin/message/update_template_card", self._guarded(self._update)),
        ]

    async def _gettoken(self, request: web.Request) -> web.Response:
        if request.query.get("corpid") != self.corpid:
            return answer(40013)
        if request.query.get("corpsecret") != self.secret:
            return answer(40001)
        return answer(0, access_token=self.issue(), expires_in=self.lifetime)

    def _guarded(self, call: Callable[[Any], web.Response]) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            token = request.query.get("access_token")
            if self.code is not None:
                return answer(self.code)
            if token not in self.valid:
                return answer(42001 if token in self.issued else 40014)
            if request.content_type != "application/json" or has_escapes(body):
                return answer(40033)
            self.calls.append(json.loads(body.decode()))
            return call(self.calls[-1])

        return guarded

    def _send(self, told: Any) -> web.Response:
        named = {kind: told[kind].split("|") for kind in MOST_AT_ONCE if told.get(kind)}
        if (
            code := self._wrong(told)
            or int(any(len(named[kind]) > MOST_AT_ONCE[kind] for kind in named)) * 40058
        ):
            return answer(code)
        known = {kind: self._known(kind, names) for kind, names in named.items()}
        reached = tuple(name for names in known.values() for name in names)
        if not reached:
            return answer(81013)
        refused = {kind: [name for name in named[kind] if name not in known[kind]] for kind in named}
        more: dict[str, Any] = {"msgid": f"m{len(self.posts)}"}
        more |= {f"invalid{kind[2:]}": "|".join(names).lower() for kind, names in refused.items()}
        more["unlicenseduser"] = "|".join(name for name in reached if name in self.unlicensed).lower()
        if told["msgtype"] == "template_card":
            more["response_code"] = f"rc{len(self.posts)}"
            self.codes[more["response_code"]] = len(self.posts)
        self._store(told, tuple(name for name in reached if name not in self.unlicensed))
        return answer(0, **more)

    def _known(self, kind: str, names: list[str]) -> list[str]:
        if names == ["@all"]:
            return sorted(self.users)
        there = {"touser": self.users, "toparty": self.parties, "totag": self.tags}[kind]
        return [name for name in names if name.lower() in {each.lower() for each in there}]

    def _send_to_chat(self, told: Any) -> web.Response:
        if told.get("chatid") not in self.chats:
            return answer(40050)
        if code := self._wrong({"agentid": self.agentid, **told}):
            return answer(code)
        self._store(told, (told["chatid"],))
        return answer(0)

    def _wrong(self, told: Any) -> int:
        """Why a message isn't taken; 0 if it is."""
        kind = told.get("msgtype")
        if told.get("agentid") != self.agentid:
            return 301002
        if kind not in {"text", "markdown", "template_card"} or kind in self.refusing:
            return 40008
        if kind == "template_card":
            return _wrong_card(told[kind])
        content = told[kind]["content"]
        if not content.strip():
            return 44004
        return 45002 if len(content.encode()) > MOST else 0  # the real one cuts it, which is worse

    def _store(self, told: Any, receivers: tuple[str, ...]) -> None:
        if told.get("enable_duplicate_check") and told in [post.told for post in self.posts]:
            self.swallowed += 1
            return
        kind = told["msgtype"]
        content = decoded(told[kind]) if kind == "template_card" else told[kind]["content"]
        found = marks(content) if kind == "markdown" else mentions_in(content)
        self.posts.append(Post(kind=kind, content=content, receivers=receivers, marks=found, told=told))

    def _update(self, told: Any) -> web.Response:
        if told["agentid"] != self.agentid:
            return answer(301002)
        if self.codes.pop(told["response_code"], None) is None:
            return answer(42042)
        if "template_card" in told and (code := _wrong_card(told["template_card"])):
            return answer(code)
        self.updates.append(told)
        return answer(0, invaliduser="")


def answer(code: int, **more: Any) -> web.Response:
    """HTTP 200 whatever happens."""
    return web.json_response({"errcode": code, "errmsg": "ok" if code == 0 else "refused", **more})


def mentions_in(text: str) -> list[Mark]:
    return [mark for mark in marks(text) if mark.kind == "mention"]


def _wrong_card(card: Any) -> int:
    wanted = {
        "button_interaction": ("main_title", "task_id", "button_list"),
        "text_notice": ("main_title", "card_action"),
    }
    if card.get("card_type") not in wanted or not all(card.get(name) for name in wanted[card["card_type"]]):
        return 42031
    if "task_id" in card and not re.fullmatch(r"[A-Za-z0-9_@-]{1,128}", card["task_id"]):
        return 42032
    return 42033 if len(card.get("horizontal_content_list", ())) > 6 else 0
