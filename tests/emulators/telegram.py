"""Telegram's Bot API server: chats, topics, HTML and its limits."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

from aiohttp import web
from msgspec import Struct

from relay.models import Json
from tests.emulators.chat import Shown, is_json, shown
from tests.emulators.faults import HttpEmulator

TOKEN = "123456:c4n4ry-ABC"
TAGS = {"b", "i", "u", "s", "code", "pre", "a", "blockquote"}
ENTITY = re.compile(r"&(?!(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);)")
MENTION = re.compile(r"(?<!\w)@\w+")


class Parsed(HTMLParser):
    """Text and entities of a message; ValueError for what Telegram doesn't take."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ""
        self.plain = ""  # outside of code: where mentions are looked for
        self.links: list[str] = []
        self.open: list[str] = []
        if ENTITY.search(text):
            raise ValueError("can't parse entities: unsupported entity")
        self.feed(text)
        self.close()
        if self.open:
            raise ValueError(f"can't parse entities: can't find end tag of {self.open[-1]!r}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            raise ValueError(f'can\'t parse entities: unsupported start tag "{tag}" at byte offset 0')
        self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise ValueError("can't parse entities: unexpected end tag")

    def handle_data(self, data: str) -> None:
        self.text += data
        self.plain += data if "pre" not in self.open else " "


class Post(Struct, kw_only=True):
    """A message as it stands now."""

    chat: int
    id: int
    payload: Json

    @property
    def parsed(self) -> Parsed | None:
        return Parsed(self.payload["text"]) if self.payload.get("parse_mode") == "HTML" else None

    @property
    def shown(self) -> Shown:
        text = self.parsed.text if self.parsed else self.payload["text"]
        return shown(text, units(text))

    @property
    def marks(self) -> list[str]:
        links = self.parsed.links if self.parsed else []
        return links + MENTION.findall(self.parsed.plain if self.parsed else self.payload["text"])


class Telegram(HttpEmulator):
    """Chats by number; `refusal` is (code, description, parameters) of the next answers."""

    def __init__(self) -> None:
        super().__init__()
        self.chats = {-1001234, 4711}
        self.names = {"@relaynews": -1001234}
        self.topics = {5}
        self.moved: dict[int, int] = {}  # groups that became supergroups
        self.posts: list[Post] = []
        self.calls: list[str] = []
        self.refusal: tuple[int, str, Json] | None = None
        self.refuses_once = False
        self.answer: bytes | None = None

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/bot{token}/{method}", self._serve)]

    async def _serve(self, request: web.Request) -> web.Response:
        payload: Json = json.loads(await request.read()) if is_json(request) else {}
        method = request.match_info["method"]
        self.calls.append(method)
        if self.answer is not None:
            return web.Response(body=self.answer)
        if request.match_info["token"] != TOKEN:
            return refused(401, "Unauthorized")
        if self.refusal is not None:
            code, text, parameters = self.refusal
            if self.refuses_once:
                self.refusal = None
            return refused(code, text, parameters)
        methods = {"sendMessage": self._send, "editMessageText": self._edit, "getMe": self._me}
        if method not in methods:
            return refused(404, "Not Found")
        try:
            return methods[method](payload)
        except ValueError as error:
            return refused(400, f"Bad Request: {error}")

    def _me(self, payload: Json) -> web.Response:
        return accepted({"id": 123456, "is_bot": True, "username": "relay_bot"})

    def _send(self, payload: Json) -> web.Response:
        chat = self.names.get(payload["chat_id"], payload["chat_id"])
        if chat in self.moved:
            parameters = {"migrate_to_chat_id": self.moved[chat]}
            text = "Bad Request: group chat was upgraded to a supergroup chat"
            return refused(400, text, parameters)
        if chat not in self.chats:
            raise ValueError("chat not found")
        if payload.get("message_thread_id", 5) not in self.topics:
            raise ValueError("message thread not found")
        self._check(payload)
        self.posts.append(Post(chat=chat, id=100 + len(self.posts), payload=payload))
        return accepted({"message_id": self.posts[-1].id, "chat": {"id": chat}})

    def _edit(self, payload: Json) -> web.Response:
        found = [
            post for post in self.posts if (post.chat, post.id) == (payload["chat_id"], payload["message_id"])
        ]
        if not found:
            raise ValueError("message to edit not found")
        self._check(payload)
        if found[0].payload["text"] == payload["text"]:
            raise ValueError("message is not modified: specified new message content is the same")
        found[0].payload = payload
        return accepted({"message_id": found[0].id})

    def _check(self, payload: Json) -> None:
        if len(payload["text"].encode()) > 32_768:
            raise ValueError("text is too long")
        mode = payload.get("parse_mode")
        if mode not in {None, "HTML"}:
            raise ValueError("unsupported parse_mode")
        text = Parsed(payload["text"]).text if mode else payload["text"]
        if not text.strip():
            raise ValueError("message text is empty")
        if units(text) > 4096:
            raise ValueError("message is too long")
        if payload.get("link_preview_options") != {"is_disabled": True}:
            raise ValueError("a preview fetches the links of a message")


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def accepted(result: Json) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def refused(code: int, text: str, parameters: Any = None) -> web.Response:
    told = {"ok": False, "error_code": code, "description": text}
    headers = {"Retry-After": "1"} if code == 429 else None
    return web.json_response(
        told | ({"parameters": parameters} if parameters else {}), status=code, headers=headers
    )
