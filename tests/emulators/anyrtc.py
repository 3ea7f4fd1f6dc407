"""anyRTC's RTM service: its credentials, limits, receivers, and a queue for those who are offline."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import re
import struct
import zlib
from collections import deque
from typing import Any

from aiohttp import web
from msgspec import Struct

from relay.clock import FakeClock
from tests.emulators.faults import HttpEmulator, pause

ID = re.compile(r"[a-zA-Z0-9 !#$%&()+\-:;<=.>?@\[\]^_{}|~,']{1,64}")
MOST_PAYLOAD = 32_768  # bytes
MOST_STORED = 200
WEEK = 7 * 86_400


class Received(Struct, frozen=True, kw_only=True):
    """One message as an app has it."""

    sender: str
    to: str
    channel: bool
    payload: str
    history: bool


class AnyRtcService(HttpEmulator):
    """Users are online or offline; a channel takes any message. Switches are attributes."""

    def __init__(
        self, *, app_id: str = "970CA35de60c44645bbae8a215061b33", key: str = "key", secret: str = "secret"
    ) -> None:
        super().__init__()
        self.app_id, self.key, self.secret = app_id, key, secret
        self.certificate = "5CFd2fd1755d40ecb72977518be15d3b"
        self.static_tokens: set[tuple[str, str]] = set()  # (token, uid)
        self.clock = FakeClock()
        self.users = {"wang": True, "li": True, "zhao": False}  # online?
        self.mute: set[str] = set()  # online, but their app never acknowledges
        self.result: dict[str, Any] | None = None  # instead of the real answer
        self.per_second = 0  # calls; 0: no limit
        self.received: list[Received] = []
        self.stored: dict[str, deque[tuple[float, Received]]] = {}
        self._calls: deque[float] = deque()
        self._numbers = itertools.count(1)

    def routes(self) -> list[web.RouteDef]:
        root = f"/dev/v2/project/{self.app_id}/rtm/users/{{sender}}"
        return [
            web.post(f"{root}/peer_messages", self._peer),
            web.post(f"{root}/channel_messages", self._channel),
        ]

    def log_in(self, user: str) -> None:
        """The user's app gets what is stored and not too old."""
        self.users[user] = True
        for at, message in self.stored.pop(user, ()):
            if self.clock.now() - at <= WEEK:
                self.received.append(message)

    async def _peer(self, request: web.Request) -> web.Response:
        body = await self._body(request, "destination")
        if isinstance(body, web.Response):
            return body
        to = body["destination"]
        message = self._message(request, to, body, channel=False)
        if not self.users.get(to, False):
            if body.get("enable_offline_messaging"):
                queue = self.stored.setdefault(to, deque(maxlen=MOST_STORED))
                queue.append((self.clock.now(), message))
            return self._answer({"code": "message_offline"})
        self.received.append(message)
        waits = request.query.get("wait_for_ack") == "true"
        if waits and to in self.mute:
            await pause(self._end, 0.01)
            return web.json_response({"errorCode": 408, "reason": "timeout"}, status=408)
        return self._answer({"result": "success", "code": "message_delivered" if waits else "message_sent"})

    async def _channel(self, request: web.Request) -> web.Response:
        body = await self._body(request, "channel_name")
        if isinstance(body, web.Response):
            return body
        self.received.append(self._message(request, body["channel_name"], body, channel=True))
        return self._answer({"result": "success", "code": "message_sent"})

    def _answer(self, body: dict[str, Any]) -> web.Response:
        return web.json_response(self.result or {**body, "request_id": f"r{next(self._numbers)}"})

    async def _body(self, request: web.Request, receiver: str) -> dict[str, Any] | web.Response:
        """The body of a request that is let in and valid, or the refusal."""
        if not self._lets_in(request):
            return web.Response(status=401, text="unauthorized")
        if self._too_many():
            return web.Response(status=429)
        try:
            body = json.loads(await request.read())
        except ValueError:
            return web.Response(status=400, text="not JSON")
        to, payload = body.get(receiver), body.get("payload")
        if not isinstance(payload, str) or not 0 < len(payload.encode()) <= MOST_PAYLOAD:
            return web.Response(status=400, text="payload")
        if not isinstance(to, str) or not ID.fullmatch(to) or not ID.fullmatch(request.match_info["sender"]):
            return web.Response(status=400, text="id")
        flags = [value for name, value in body.items() if name.startswith("enable_")]
        assert request.content_type == "application/json"
        return body if all(isinstance(flag, bool) for flag in flags) else web.Response(status=400)

    def _lets_in(self, request: web.Request) -> bool:
        token, uid = request.headers.get("x-ar-token", ""), request.headers.get("x-ar-uid", "")
        if not token:
            expected = base64.b64encode(f"{self.key}:{self.secret}".encode()).decode()
            return request.headers.get("Authorization") == f"Basic {expected}"
        if uid != request.match_info["sender"]:
            return False
        return (token, uid) in self.static_tokens or self._minted(token, uid)

    def _minted(self, token: str, account: str) -> bool:
        """Whether the certificate made this token for that account, and it is still good."""
        if not token.startswith("006" + self.app_id):
            return False
        content = base64.b64decode(token[3 + 32 :])
        size = struct.unpack_from("<H", content)[0]
        signature, rest = content[2 : 2 + size], content[2 + size :]
        channel_sum, user_sum, length = struct.unpack_from("<IIH", rest)
        message = rest[10 : 10 + length]
        signed = self.app_id.encode() + account.encode() + message
        good = hmac.new(self.certificate.encode(), signed, hashlib.sha256).digest()
        sums = (channel_sum, user_sum) == (zlib.crc32(account.encode()), zlib.crc32(b""))
        _, until, count, privilege, expire = struct.unpack("<IIHHI", message)
        fresh = min(until, expire) >= self.clock.now()
        return good == signature and sums and fresh and (count, privilege) == (1, 1000)

    def _too_many(self) -> bool:
        now = self.clock.now()
        while self._calls and self._calls[0] <= now - 1:
            self._calls.popleft()
        self._calls.append(now)
        return bool(self.per_second) and len(self._calls) > self.per_second

    def _message(self, request: web.Request, to: str, body: dict[str, Any], *, channel: bool) -> Received:
        return Received(
            sender=request.match_info["sender"],
            to=to,
            channel=channel,
            payload=body["payload"],
            history=bool(body.get("enable_historical_messaging")),
        )
