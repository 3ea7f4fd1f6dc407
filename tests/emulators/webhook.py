"""A webhook receiver that checks what it is sent, as Standard Webhooks says a receiver should."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from aiohttp import web
from msgspec import Struct

from tests.emulators.faults import HttpEmulator

TOLERANCE = 300  # seconds a timestamp may be off


class Post(Struct, frozen=True):
    """One accepted request."""

    method: str
    path: str  # raw, with its query
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)


class WebhookReceiver(HttpEmulator):
    """Accepts JSON; with `secrets`, only what one of them signed; with `once`, each id a single time."""

    def __init__(
        self, *, secrets: tuple[str, ...] = (), now: float | None = None, once: bool = False
    ) -> None:
        super().__init__()
        self.secrets = secrets
        self.now = now  # what its clock says; None: timestamps are not checked
        self.once = once
        self.posts: list[Post] = []
        self.followed = 0  # requests that came by a redirect

    def routes(self) -> list[web.RouteDef]:
        return [
            web.route("*", "/elsewhere", self._elsewhere),
            web.route("*", "/{path:.*}", self._receive),
        ]

    async def _elsewhere(self, request: web.Request) -> web.Response:
        self.followed += 1
        return web.Response()

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        if not headers.get("content-type", "").startswith("application/json"):
            return web.Response(status=415)
        if self.secrets and not self._signed(headers, body):
            return web.Response(status=401, text="bad signature")
        if self.once and headers["webhook-id"] in {post.headers["webhook-id"] for post in self.posts}:
            return web.Response(status=409, text="seen before")
        json.loads(body)  # a body that is no JSON is a fault of relay: 500, and a failing test
        self.posts.append(Post(request.method, request.raw_path, headers, body))
        return web.json_response({"ok": True})

    def _signed(self, headers: dict[str, str], body: bytes) -> bool:
        key, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if self.now is not None and not (at.isdigit() and abs(int(at) - self.now) <= TOLERANCE):
            return False
        given = headers.get("webhook-signature", "").split()
        return any(_signature(secret, key, at, body) in given for secret in self.secrets)


def _signature(secret: str, key: str, at: str, body: bytes) -> str:
    """The receiver's own computation, written from the specification and not from relay's code."""
    raw = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(raw, b".".join((key.encode(), at.encode(), body)), hashlib.sha256)
    return "v1," + base64.b64encode(mac.digest()).decode()
