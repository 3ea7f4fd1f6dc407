"""A Rocket.Chat server: one incoming integration, and the REST methods that post."""

from __future__ import annotations

import json

from aiohttp import web
from msgspec import Struct

from relay.models import Json
from tests.emulators.chat import Dialect, Shown, is_json, read, shown
from tests.emulators.faults import HttpEmulator

HOOK = "/hooks/64f0c9e2/c4n4ryc4n4ry"
TOKEN, USER = "c4n4ry-token", "u5eR"
DIALECT = Dialect(
    escape=r"[*_~`#.]",
    marks=(
        r"(?<!\w)@\w[\w.-]*",
        r"#\w[\w.-]*",
        r"\[[^\]]*\]\([^)\s]+\)",
        r"<\w+://[^>]+>",
    ),
    everywhere=(r"<!\w+>", r"<@\w+>"),
    strong=r"\*",
)


class Post(Struct, kw_only=True):
    """A message as it stands now."""

    id: str
    room: str
    text: str
    thread: str = ""

    @property
    def shown(self) -> Shown:
        return shown(read(self.text, DIALECT)[0], units(self.text))

    @property
    def marks(self) -> list[str]:
        return read(self.text, DIALECT)[1]


class RocketChat(HttpEmulator):
    def __init__(self, *, most: int = 5000) -> None:
        super().__init__()
        self.most = most
        self.rooms = {"#ops": "GENERAL", "@wangwei": "dm1"}
        self.overriding = True  # whether the integration may post to other channels
        self.posts: list[Post] = []
        self.payloads: list[Json] = []
        self.refusal: tuple[int, str] | None = None  # status and body of the next answers
        self.refuses_once = False
        self.headers: dict[str, str] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/hooks/{id}/{token}", self._hook),
            web.post("/api/v1/chat.postMessage", self._post),
            web.post("/api/v1/chat.update", self._update),
            web.get("/api/v1/me", self._me),
        ]

    async def _hook(self, request: web.Request) -> web.Response:
        payload = await self._payload(request)
        if early := self._refused():
            return early
        if request.path != HOOK:
            return refused(404, "Invalid integration id or token provided.")
        if not payload:
            return web.json_response({"success": True})  # as the real one does, without posting anything
        room = payload.get("channel", "#ops")
        if room != "#ops" and not self.overriding:
            return refused(400, "overwriting destination channel is disabled for this integration")
        if room not in self.rooms:
            return refused(400, "invalid-channel")
        return self._stored(self.rooms[room], payload)

    async def _post(self, request: web.Request) -> web.Response:
        payload = await self._payload(request)
        if early := self._refused() or _unauthorized(request):
            return early
        room: str = payload.get("roomId") or self.rooms.get(payload["channel"], "")
        if room not in self.rooms.values():
            text = 'The required "roomId" or "channel" param provided does not match any channel'
            return refused(400, f"{text} [error-invalid-room]")
        thread = payload.get("tmid", "")
        if thread and not any(post.id == thread for post in self.posts):
            return refused(400, "Invalid message [error-invalid-message]")
        return self._stored(room, payload)

    async def _update(self, request: web.Request) -> web.Response:
        payload = await self._payload(request)
        if early := self._refused() or _unauthorized(request):
            return early
        found = [post for post in self.posts if (post.room, post.id) == (payload["roomId"], payload["msgId"])]
        if not found:
            return refused(400, f'No message found with the id of "{payload["msgId"]}".')
        found[0].text = payload["text"]
        return web.json_response({"success": True, "message": {"_id": found[0].id}})

    async def _me(self, request: web.Request) -> web.Response:
        told = {"_id": USER, "username": "relay", "success": True}
        return self._refused() or _unauthorized(request) or web.json_response(told)

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
        return web.Response(status=status, text=body, headers=self.headers)

    def _stored(self, room: str, payload: Json) -> web.Response:
        if units(payload["text"]) > self.most:
            return refused(400, "Message size exceeded [error-message-size-exceeded]")
        post = Post(id=f"m{len(self.posts)}", room=room, text=payload["text"], thread=payload.get("tmid", ""))
        self.posts.append(post)
        return web.json_response({"success": True, "message": {"_id": post.id, "rid": room}})


def _unauthorized(request: web.Request) -> web.Response | None:
    if (request.headers.get("X-User-Id"), request.headers.get("X-Auth-Token")) == (USER, TOKEN):
        return None
    told = {"status": "error", "message": "You must be logged in to do this."}
    return web.json_response(told, status=401)


def refused(status: int, text: str) -> web.Response:
    return web.json_response({"success": False, "error": text}, status=status)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
