"""A Zulip organisation: a bot, channels, people, topics."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from tests.emulators.faults import HttpEmulator
from tests.emulators.fences import outside

EMAIL, API_KEY = "relay-bot@example.com", "c4n4ryAbcd1234"
MENTION = re.compile(r"@_?\*\*[^*\n]+\*\*|@_?\*[^*\n]+\*")


class ZulipServer(HttpEmulator):
    """Stores messages; longer ones are cut as the real server does, in silence."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = {"ops", "数据库"}
        self.people = {"ann@example.com", "bob@example.com"}
        self.may_move = True  # the bot may rename topics
        self.rate_limited: Any = None  # seconds, as the body says them
        self.answer: dict[str, Any] | None = None  # instead of its own, with 200
        self.messages: list[dict[str, Any]] = []

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/api/v1/messages", self._post),
            web.patch("/api/v1/messages/{id}", self._patch),
            web.get("/api/v1/users/me", self._me),
        ]

    def mentions(self) -> list[str]:
        return [found for one in self.messages for found in MENTION.findall(outside(one["content"]))]

    async def _me(self, request: web.Request) -> web.Response:
        if denied := _denied(request):
            return denied
        return web.json_response({"result": "success", "msg": "", "full_name": "Relay"})

    async def _post(self, request: web.Request) -> web.Response:
        if denied := _denied(request):
            return denied
        if self.answer is not None:
            return web.json_response(self.answer)
        if self.rate_limited is not None:
            return _error("RATE_LIMIT_HIT", "API usage exceeded", 429, **{"retry-after": self.rate_limited})
        form = await _form(request)
        if form is None:
            return _error("BAD_REQUEST", "Malformed request")
        content = form.get("content", "")
        if not content.strip() or "\0" in content:
            return _error("BAD_REQUEST", "Message must not be empty")
        if failure := self._nowhere(form):
            return failure
        if len(content) > 10_000:
            content = content[: 10_000 - 20] + "\n[message truncated]"
        topic = form.get("topic", "")
        topic = topic if len(topic) <= 60 else topic[:57] + "..."
        self.messages.append({**form, "content": content, "topic": topic})
        return web.json_response({"result": "success", "msg": "", "id": len(self.messages)})

    def _nowhere(self, form: dict[str, str]) -> web.Response | None:
        if form.get("type") in {"stream", "channel"}:
            if form.get("to") not in self.channels:
                return _error("STREAM_DOES_NOT_EXIST", f"Channel '{form.get('to')}' does not exist")
            return None if form.get("topic") else _error("BAD_REQUEST", "Missing topic")
        if form.get("type") in {"private", "direct"}:
            unknown = set(json.loads(form["to"])) - self.people
            return _error("BAD_REQUEST", f"Invalid email '{min(unknown)}'") if unknown else None
        return _error("BAD_REQUEST", "Invalid type")

    async def _patch(self, request: web.Request) -> web.Response:
        form = await _form(request)
        if _denied(request) or form is None or not self.may_move:
            return _error("BAD_REQUEST", "You don't have permission to edit this message")
        at = int(request.match_info["id"]) - 1
        if at >= len(self.messages):
            return _error("BAD_REQUEST", "Invalid message(s)")
        if content := form.get("content"):
            self.messages[at]["content"] = content
        topic = self.messages[at]["topic"]
        for one in self.messages:
            if form.get("propagate_mode") == "change_all" and one["topic"] == topic:
                one["topic"] = form["topic"]
        return web.json_response({"result": "success", "msg": ""})


def _denied(request: web.Request) -> web.Response | None:
    wanted = "Basic " + base64.b64encode(f"{EMAIL}:{API_KEY}".encode()).decode()
    if request.headers.get("Authorization") == wanted:
        return None
    return _error("INVALID_API_KEY", "Invalid API key", 401)


def _error(code: str, words: str, status: int = 400, **more: Any) -> web.Response:
    return web.json_response({"result": "error", "msg": words, "code": code, **more}, status=status)


async def _form(request: web.Request) -> dict[str, str] | None:
    if request.content_type != "application/x-www-form-urlencoded":
        return None
    fields = parse_qs((await request.read()).decode("ascii"), keep_blank_values=True, errors="strict")
    return {name: values[0] for name, values in fields.items()}
