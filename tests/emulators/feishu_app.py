"""Feishu's server API for an app's messages: tokens, types of receivers, replies, edits, idempotency."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from msgspec import Struct

from tests.emulators.faults import Handler
from tests.emulators.feishu_content import links, mentioned, read, well_formed
from tests.emulators.tokens import TokenEmulator

MOST = {"text": 150_000, "post": 30_000, "interactive": 30_000}  # bytes of the content
AUTH = "/open-apis/auth/v3/tenant_access_token/internal"
MESSAGES = "/open-apis/im/v1/messages"
EDITS = 20


class Post(Struct, kw_only=True):
    """One message; an edit changes it."""

    id: str
    to: str
    kind: str
    text: str
    mentions: list[str]
    links: list[tuple[str, str]]
    body: Any
    uuid: str
    root: str = ""  # the message it replies to
    thread: bool = False
    edits: int = 0


class FeishuServer(TokenEmulator):
    """A company with one app."""

    TOKEN_PATHS = frozenset({AUTH})

    def __init__(self, app_id: str, secret: str) -> None:
        super().__init__()
        self.app_id, self.secret = app_id, secret
        self.known = {
            "chat_id": {"oc_1"},
            "open_id": {"ou_1"},
            "union_id": {"on_1"},
            "user_id": {"4d7a"},
            "email": {"li@example.com"},
        }
        self.posts: list[Post] = []
        self.gone: set[str] = set()
        self.once = True  # the same uuid is shown a single time
        self.code: int | None = None  # for anything but tokens
        self.status = 200  # that goes with it
        self.headers: dict[str, str] = {}  # as well
        self.token_code = 0
        self.refusing: set[str] = set()  # kinds of message that are refused as bad

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(AUTH, self._auth),
            web.post(MESSAGES, self._guarded(self._create)),
            web.post(MESSAGES + "/{id}/reply", self._guarded(self._reply)),
            web.patch(MESSAGES + "/{id}", self._guarded(self._edit)),
        ]

    async def _auth(self, request: web.Request) -> web.Response:
        told = await request.json()
        if self.token_code or told != {"app_id": self.app_id, "app_secret": self.secret}:
            return answer(self.token_code or 10014)
        return web.json_response(
            {"code": 0, "msg": "ok", "tenant_access_token": self.issue(), "expire": self.lifetime}
        )

    def issue(self) -> str:
        token = f"t-{len(self.issued)}.abc"  # goes into a header
        self.issued.append(token)
        self.valid.add(token)
        return token

    def _guarded(self, call: Any) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if self.code is not None:
                return answer(self.code, self.status, self.headers)
            if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.valid:
                return answer(99991663, 400)
            response: web.Response = call(request, json.loads((await request.read()).decode()))
            return response

        return guarded

    def _create(self, request: web.Request, told: Any) -> web.Response:
        kind = request.query.get("receive_id_type", "")
        if told.get("receive_id") not in self.known.get(kind, set()):
            return answer(230034, 400)
        return self._store(told, told["receive_id"])

    def _reply(self, request: web.Request, told: Any) -> web.Response:
        root = request.match_info["id"]
        earlier = [post for post in self.posts if post.id == root]
        if not earlier or root in self.gone:
            return answer(230011, 400)
        return self._store(told, earlier[0].to, root)

    def _edit(self, request: web.Request, told: Any) -> web.Response:
        earlier = [post for post in self.posts if post.id == request.match_info["id"]]
        if not earlier or earlier[0].id in self.gone:
            return answer(230011, 400)
        post, body = earlier[0], json.loads(told["content"])
        if post.kind != "interactive" or not all(
            each["config"].get("update_multi") for each in (post.body, body)
        ):
            return answer(230054, 400)
        if post.edits >= EDITS:
            return answer(230072, 400)
        post.body, post.text, post.edits = body, read(post.kind, body), post.edits + 1
        return answer(0)

    def _store(self, told: Any, to: str, root: str = "") -> web.Response:
        kind, body = told["msg_type"], json.loads(told["content"])
        if len(told["content"].encode()) > MOST.get(kind, 0):
            return answer(230025, 400)
        if kind in self.refusing or not well_formed(kind, body):
            return answer(230099, 400)
        if len(told.get("uuid", "")) > 50:
            return answer(230001, 400)
        if self.once and (same := [post for post in self.posts if post.uuid == told["uuid"]]):
            return answer(0, data={"message_id": same[0].id})
        post = Post(
            id=f"om_{len(self.posts)}",
            to=to,
            kind=kind,
            text=read(kind, body),
            mentions=mentioned(kind, body),
            links=links(body),
            body=body,
            uuid=told["uuid"],
            root=root,
            thread=bool(told.get("reply_in_thread")),
        )
        self.posts.append(post)
        return answer(0, data={"message_id": post.id})


def answer(
    code: int, status: int = 200, headers: dict[str, str] | None = None, data: Any = None
) -> web.Response:
    told = {"code": code, "msg": "refused" if code else "success", "data": data or {}}
    return web.json_response(told, status=status, headers=headers)
