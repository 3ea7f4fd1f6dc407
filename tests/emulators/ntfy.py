"""An ntfy server: topics with access control, the JSON form of publishing, its limits and error codes."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from aiohttp import web

from tests.emulators.faults import HttpEmulator

MOST_BYTES = 4096


class NtfyServer(HttpEmulator):
    """Stores what was published; with `token` or `login` nobody else may write."""

    def __init__(self, *, token: str = "", login: tuple[str, str] | None = None) -> None:
        super().__init__()
        self.token = token
        self.login = login
        self.replaces = True  # servers since 2.16 know `sequence_id`
        self.left: int | None = None  # of the day's messages; None: no end
        self.code = 0  # an error that is answered whatever comes
        self.without_id = False
        self.no_actions = False
        self.published: list[dict[str, Any]] = []

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/", self._publish),
            web.get("/v1/health", self._health),
            web.get("/v1/account", self._account),
        ]

    @property
    def shown(self) -> dict[str, dict[str, Any]]:
        """What a phone lists: a message with a known sequence id took the other's place."""
        phone: dict[str, dict[str, Any]] = {}
        for one in self.published:
            phone[one.get("sequence_id") or one["id"] if self.replaces else one["id"]] = one
        return phone

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"healthy": True})

    async def _account(self, request: web.Request) -> web.Response:
        return self._denied(request) or web.json_response({"username": "relay"})

    async def _publish(self, request: web.Request) -> web.Response:
        if denied := self._denied(request):
            return denied
        if self.code:
            return refusal(self.code)
        body = await request.read()
        if len(body) > 2 * MOST_BYTES:
            return refusal(41303)
        try:
            posted = json.loads(body.decode())
        except UnicodeDecodeError:
            return refusal(40011)
        except ValueError:
            return refusal(40024)
        if code := _fault_of(posted) or (40018 if self.no_actions and posted.get("actions") else 0):
            return refusal(code)
        if self.left == 0:
            return refusal(42908)
        self.left = None if self.left is None else self.left - 1
        ident = f"id{len(self.published)}"
        self.published.append({**posted, "id": ident})
        return web.json_response({} if self.without_id else {"id": ident, "event": "message"})

    def _denied(self, request: web.Request) -> web.Response | None:
        given = request.headers.get("Authorization", "")
        if self.token and given != f"Bearer {self.token}":
            return refusal(40101)
        if self.login:
            scheme, _, credentials = given.partition(" ")
            if scheme != "Basic" or base64.b64decode(credentials).decode() != ":".join(self.login):
                return refusal(40101)
        return None


def refusal(code: int) -> web.Response:
    status = int(str(code)[:3])
    return web.json_response({"code": code, "http": status, "error": "no"}, status=status)


def _fault_of(posted: dict[str, Any]) -> int:
    """The code of what the server would refuse; 0: nothing."""
    if not re.fullmatch(r"[-_A-Za-z0-9]{1,64}", posted.get("topic", "")):
        return 40009
    if posted["topic"] in {"docs", "static", "file", "app", "account", "settings"}:
        return 40010
    if posted.get("priority", 3) not in {1, 2, 3, 4, 5}:
        return 40007
    actions = posted.get("actions", [])
    if len(actions) > 3 or not all({"action", "label", "url"} <= set(action) for action in actions):
        return 40018
    return 41301 if len(posted.get("message", "").encode()) > MOST_BYTES else 0
