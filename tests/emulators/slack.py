"""A Slack workspace: an incoming webhook and the methods of the Web API that post."""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import web
from msgspec import Struct

from relay.models import Json
from tests.emulators.chat import Dialect, Shown, is_json, read, shown
from tests.emulators.faults import HttpEmulator

TOKEN = "xoxb-1-c4n4ry"
HOOK = "/services/T0/B0/c4n4ryc4n4ry"
ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
# `<...>` is a link or a mention wherever it stands; a bare & must have been written as an entity.
CONTROL = r"<([^<>]+)>"
BARE = r"&(?!lt;|gt;|amp;)"
DIALECT = Dialect(escape="(?!)", marks=(), everywhere=(CONTROL,), strong=r"(?<!\w)\*(?=\S)|(?<=\S)\*(?!\w)")


class Post(Struct, kw_only=True):
    """A message as it stands now."""

    channel: str
    ts: str
    text: str
    thread: str = ""
    broadcast: bool = False

    @property
    def shown(self) -> Shown:
        text, _ = read(re.sub(CONTROL, lambda hit: hit[1].rpartition("|")[2], self.text), DIALECT)
        plain = re.sub("&(?:lt|gt|amp);", lambda hit: ENTITIES[hit[0]], text)
        return shown(plain, len(self.text.encode("utf-16-le")) // 2)

    @property
    def marks(self) -> list[str]:
        """What Slack made a link or a mention of, and what it couldn't have been sent as."""
        return read(self.text, DIALECT)[1] + re.findall(BARE, self.text)


class Slack(HttpEmulator):
    """Channels by id and name; `error` is what the next posts are refused with."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = {"C024BE91L": "ops", "D024BE91L": "", "U024BE7LH": ""}
        self.posts: list[Post] = []
        self.calls: list[str] = []
        self.payloads: list[Json] = []
        self.error = ""  # a word of the service
        self.errors_once = False  # only the next call fails
        self.status = 0  # of that error; 0: what the service uses
        self.answer: bytes | None = None  # a body instead of the service's own
        self.headers: dict[str, str] = {}

    def routes(self) -> list[web.RouteDef]:
        return [web.post(HOOK, self._hook), web.post("/api/{method}", self._method)]

    async def _hook(self, request: web.Request) -> web.Response:
        payload = await self._payload(request)
        if self.answer is not None:
            return web.Response(body=self.answer)
        if word := self._error() or ("" if payload.get("text") else "no_text"):
            return web.Response(status=self.status or 400, text=word, headers=self.headers)
        if set(payload) - {"text", "blocks", "unfurl_links", "unfurl_media"}:
            return web.Response(status=400, text="invalid_payload")
        self._store("C024BE91L", payload)
        return web.Response(text="ok")

    async def _method(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        payload = await self._payload(request)
        self.calls.append(method)
        if self.answer is not None:
            return web.Response(body=self.answer)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _refused("invalid_auth")
        if word := self._error():
            return _refused(word, self.status or 200, self.headers)
        methods = {"chat.postMessage": self._post, "chat.update": self._update, "auth.test": self._whose}
        return methods[method](payload)

    async def _payload(self, request: web.Request) -> Json:
        payload: Json = json.loads(await request.read()) if is_json(request) else {}
        self.payloads.append(payload)
        return payload

    def _error(self) -> str:
        word = self.error
        if self.errors_once:
            self.error = ""
        return word

    def _whose(self, payload: Json) -> web.Response:
        return web.json_response({"ok": True, "user": "relay", "team": "Example", "user_id": "U1"})

    def _post(self, payload: Json) -> web.Response:
        names = {f"#{name}": channel for channel, name in self.channels.items() if name}
        channel = names.get(payload["channel"], payload["channel"])
        if channel not in self.channels:
            return _refused("channel_not_found")
        if not payload.get("text"):
            return _refused("no_text")
        if payload.get("link_names") or payload.get("unfurl_links") is not False:
            return _refused("invalid_arguments")
        thread = payload.get("thread_ts", "")
        if thread and not any(post.ts == thread and not post.thread for post in self.posts):
            return _refused("message_not_found")
        return _accepted(self._store(channel, payload))

    def _update(self, payload: Json) -> web.Response:
        found = [
            post for post in self.posts if (post.channel, post.ts) == (payload["channel"], payload["ts"])
        ]
        if not found:
            return _refused("message_not_found")
        if len(payload["text"].encode("utf-16-le")) // 2 > 4000:
            return _refused("msg_too_long")
        found[0].text = payload["text"]
        return _accepted(found[0])

    def _store(self, channel: str, payload: Json) -> Post:
        post = Post(
            channel=channel,
            ts=f"1503435956.{len(self.posts):06}",
            text=payload["text"],
            thread=payload.get("thread_ts", ""),
            broadcast=payload.get("reply_broadcast", False),
        )
        self.posts.append(post)
        return post


def _accepted(post: Post) -> web.Response:
    return web.json_response({"ok": True, "channel": post.channel, "ts": post.ts, "message": {}})


def _refused(word: str, status: int = 200, headers: Any = None) -> web.Response:
    return web.json_response({"ok": False, "error": word}, status=status, headers=headers)
