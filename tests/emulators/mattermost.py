"""A Mattermost server: one incoming webhook, and posts of a bot."""

from __future__ import annotations

import json

from aiohttp import web
from msgspec import Struct

from relay.models import Json
from tests.emulators.chat import Dialect, Shown, is_json, read, shown
from tests.emulators.faults import HttpEmulator

HOOK = "/hooks/xc4n4ryxc4n4ryxc4n4ryxc4n4"
TOKEN = "c4n4ryc4n4ryc4n4ryc4n4ry26"
CHANNEL = "channelchannelchannelchann"
DIALECT = Dialect(
    escape=r"[\\`*_{}\[\]()#+.!>~|-]",
    marks=(
        r"\B@[\w*][\w.-]*",
        r"~\w[\w-]*",
        r"\[[^\]]*\]\([^)\s]+\)",
        r"(?<!\S)#\w+",
        r"<\w+://[^>]+>",
    ),
    everywhere=(r"<!\w+>", r"<@\w+>", r"<\w+://[^>|]+\|[^>]*>"),  # Slack's signs become this server's
)


class Post(Struct, kw_only=True):
    """A post as it stands now."""

    id: str
    channel: str
    text: str
    root: str = ""

    @property
    def shown(self) -> Shown:
        return shown(read(self.text, DIALECT)[0], len(self.text))

    @property
    def marks(self) -> list[str]:
        return read(self.text, DIALECT)[1]


class Mattermost(HttpEmulator):
    def __init__(self, *, most: int = 16_383) -> None:
        super().__init__()
        self.most = most
        self.channels = {"town-square", "ops", "@wangwei"}
        self.posts: list[Post] = []
        self.payloads: list[Json] = []
        self.refusal: tuple[int, str] | None = None  # status and body of the next answers
        self.refuses_once = False

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/hooks/{key}", self._hook),
            web.post("/api/v4/posts", self._post),
            web.put("/api/v4/posts/{id}/patch", self._patch),
            web.get("/api/v4/users/me", self._me),
        ]

    async def _hook(self, request: web.Request) -> web.Response:
        payload = await self._payload(request)
        if refused := self._refused():
            return refused
        if request.path != HOOK:
            return _error(404, "web.incoming_webhook.invalid.app_error", "Invalid webhook")
        if not payload.get("text"):
            return _error(400, "web.incoming_webhook.parse.app_error", "Unable to parse incoming data")
        channel = payload.get("channel", "ops")
        if channel not in self.channels:
            what = "user" if channel.startswith("@") else "channel"
            return _error(404, f"web.incoming_webhook.{what}.app_error", f"Couldn't find the {what}.")
        for at in range(0, len(payload["text"]), self.most):
            self._store(channel, payload["text"][at : at + self.most], "")
        return web.Response(text="ok")

    async def _post(self, request: web.Request) -> web.Response:
        payload = await self._payload(request)
        if refused := self._refused() or _unauthorized(request):
            return refused
        if payload["channel_id"] != CHANNEL:
            return _error(403, "api.context.permissions.app_error", "You do not have the permissions.")
        if len(payload["message"]) > self.most:
            return _error(400, "model.post.is_valid.message_length.app_error", "Post is too long")
        root = payload.get("root_id", "")
        if root and not any(post.id == root and not post.root for post in self.posts):
            return _error(400, "api.post.create_post.root_id.app_error", "Invalid RootId parameter")
        post = self._store(CHANNEL, payload["message"], root)
        return web.json_response({"id": post.id, "channel_id": CHANNEL}, status=201)

    async def _patch(self, request: web.Request) -> web.Response:
        payload = await self._payload(request)
        if refused := self._refused() or _unauthorized(request):
            return refused
        found = [post for post in self.posts if post.id == request.match_info["id"]]
        if not found:
            return _error(404, "app.post.get.app_error", "Unable to get the post.")
        found[0].text = payload["message"]
        return web.json_response({"id": found[0].id})

    async def _me(self, request: web.Request) -> web.Response:
        return (
            self._refused() or _unauthorized(request) or web.json_response({"id": "u", "username": "relay"})
        )

    async def _payload(self, request: web.Request) -> Json:
        payload: Json = json.loads(await request.read()) if is_json(request) else {}
        self.payloads.append(payload)
        return payload

    def _refused(self) -> web.Response | None:
        if self.refusal is None:
            return None
        status, body = self.refusal
        if self.refuses_once:
            self.refusal = None
        return web.Response(status=status, text=body)

    def _store(self, channel: str, text: str, root: str) -> Post:
        self.posts.append(Post(id=f"post{len(self.posts):022}", channel=channel, text=text, root=root))
        return self.posts[-1]


def _unauthorized(request: web.Request) -> web.Response | None:
    if request.headers.get("Authorization") == f"Bearer {TOKEN}":
        return None
    return _error(
        401, "api.context.session_expired.app_error", "Invalid or expired session, please login again."
    )


def _error(status: int, code: str, text: str) -> web.Response:
    return web.json_response({"id": code, "message": text, "status_code": status}, status=status)
