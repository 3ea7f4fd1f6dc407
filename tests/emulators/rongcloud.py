"""RongCloud's server API: signatures, receivers' caps, quotas counted in messages, and what it stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from msgspec import Struct

from relay.clock import FakeClock
from tests.emulators.faults import HttpEmulator

KEY, SECRET = "uwd1c0sxdlx2", "relay-c4n4ry-secret"
TOLERANCE = 300.0  # seconds a time stamp may be off
FORM = "application/x-www-form-urlencoded"
CAPS = {"system": 100, "private": 1000, "group": 3}
QUOTAS = {
    "system": ((100, 1),),
    "private": ((6000, 60),),
    "group": ((20, 1),),
    "all": ((2, 3600), (3, 86400)),
}
FIELDS = {"RC:TxtMsg": {"content"}, "RC:InfoNtf": {"message"}, "RC:CmdMsg": {"name", "data"}}


class Stored(Struct, frozen=True, kw_only=True):
    """One message as one receiver got it."""

    way: str  # "system", "private", "group", "push", "broadcast"
    to: str  # "*": everybody; "tags": by filter
    sender: str
    object_name: str
    content: Any  # decoded if it is JSON
    raw: str
    push: str
    fields: dict[str, str]


class Refused(Exception):  # noqa: N818 - an answer
    def __init__(self, status: int, code: int, words: str) -> None:
        super().__init__(words)
        self.status, self.code = status, code


class RongCloudServer(HttpEmulator):
    """One app; switches as attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = FakeClock().now()
        self.states = {"wang": "1"}  # of presence; the others are offline
        self.full_groups: set[str] = set()
        self.refuse: tuple[int, int] = (0, 0)  # HTTP status and code of every call
        self.broadcast_enabled = True
        self.dedup = False  # the feature behind msgRandom
        self.old = False  # answers without messageUIDs
        self.stored: list[Stored] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self._sent: dict[str, list[float]] = {}
        self._seen: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        ways = {
            "/message/system/publish.json": self._publish("system"),
            "/message/private/publish.json": self._publish("private"),
            "/message/group/publish.json": self._publish("group"),
            "/message/broadcast.json": self._broadcast,
            "/push.json": self._push,
            "/user/checkOnline.json": self._check_online,
        }
        return [web.post(path, self._served(handler)) for path, handler in ways.items()] + [
            web.route("*", "/{path:.*}", self._nowhere)
        ]

    async def _nowhere(self, request: web.Request) -> web.Response:
        return web.json_response({"code": 404, "errorMessage": "Not found."}, status=404)

    def _served(
        self, handler: Callable[[bytes, str], dict[str, Any]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def serve(request: web.Request) -> web.Response:
            body = await request.read()
            try:
                self._admit(request, body)
                answer = handler(body, request.content_type)
            except Refused as refused:
                return web.json_response(
                    {"code": refused.code, "errorMessage": str(refused)}, status=refused.status
                )
            self.bodies.append(body)
            return web.json_response({"code": 200, **answer})

        return serve

    def _admit(self, request: web.Request, body: bytes) -> None:
        if self.refuse[0]:
            raise Refused(*self.refuse, "refused")
        found: dict[str, str] = {}
        for name in ("App-Key", "Nonce", "Timestamp", "Signature"):
            found[name] = request.headers.get(name, request.headers.get(f"RC-{name}", ""))
            if not found[name]:
                raise Refused(400, 1002, f"{name} is missing")
        self.headers.append(found)
        if found["App-Key"] != KEY:
            raise Refused(400, 1002, "Invalidate App-Key.")
        at = float(found["Timestamp"])
        at = at / 1000 if at > 1e11 else at
        signed = hashlib.sha1(f"{SECRET}{found['Nonce']}{found['Timestamp']}".encode()).hexdigest()
        if signed != found["Signature"] or abs(at - self.now) > TOLERANCE or len(found["Nonce"]) > 18:
            raise Refused(401, 1004, "bad signature")
        if not body:
            raise Refused(400, 1003, "empty POST")

    def _publish(self, way: str) -> Callable[[bytes, str], dict[str, Any]]:
        def publish(body: bytes, content_type: str) -> dict[str, Any]:
            pairs = _form(body, content_type)
            key = "toGroupId" if way == "group" else "toUserId"
            tos = [value for name, value in pairs if name == key]
            if not 1 <= len(tos) <= CAPS[way]:
                raise Refused(400, 1002, f"{key} is wrong")
            fields = dict(pairs)
            _need_ids(fields.get("fromUserId", ""), *tos)
            if self.full_groups & set(tos):
                raise Refused(405, 405, "group is full")
            self._once(fields.get("msgRandom", ""), tos)
            self._count(way, len(tos))
            for to in tos:
                self._store(way, to, fields)
            ids = [
                {key.removeprefix("to")[:1].lower() + key[3:]: to, "messageUID": f"uid-{to}"} for to in tos
            ]
            return {} if self.old else {"messageUIDs": ids}

        return publish

    def _broadcast(self, body: bytes, content_type: str) -> dict[str, Any]:
        fields = dict(_form(body, content_type))
        _need_ids(fields.get("fromUserId", ""))
        self._count("all", 1)
        self._store("broadcast", "*", fields)
        return {"messageUID": "uid-all"}

    def _push(self, body: bytes, content_type: str) -> dict[str, Any]:
        if content_type != "application/json":
            raise Refused(400, 1002, "not JSON")
        data = json.loads(body)
        audience, message = data["audience"], data["message"]
        if not isinstance(audience["is_to_all"], bool) or not isinstance(message["content"], str):
            raise Refused(400, 1002, "a parameter is of the wrong type")
        if not set(data["platform"]) <= {"ios", "android"} or not data["platform"]:
            raise Refused(400, 1002, "platform is wrong")
        users = audience.get("userid", [])
        if len(users) > 1000 or any(len(audience.get(name, [])) > 20 for name in ("tag", "tag_or")):
            raise Refused(400, 1002, "audience is too large")
        if not (users or audience["is_to_all"] or set(audience) & {"tag", "tag_or", "packageName"}):
            raise Refused(400, 1002, "no audience")
        _need_ids(data["fromuserid"], *users)
        self._count("all", 1)
        fields = {
            "fromUserId": data["fromuserid"],
            **message,
            "pushContent": data["notification"]["alert"],
            "audience": json.dumps(audience),
        }
        for to in ["*"] if audience["is_to_all"] else users or ["tags"]:
            self._store("push", to, fields)
        return {"id": "push-1"}

    def _check_online(self, body: bytes, content_type: str) -> dict[str, Any]:
        user = dict(_form(body, content_type)).get("userId", "")
        _need_ids(user)
        return {"status": self.states.get(user, "0")}

    def _once(self, number: str, tos: list[str]) -> None:
        if not self.dedup or not number:
            return
        if not 0 <= int(number) < 2**63:
            raise Refused(400, 1002, "msgRandom is no int64")
        if number in self._seen:
            raise Refused(400, 1099, "sent before")
        self._seen.add(number)

    def _count(self, way: str, messages: int) -> None:
        if way == "all" and not self.broadcast_enabled:
            raise Refused(429, 1008, "too many")
        sent = self._sent.setdefault(way, [])
        for number, seconds in QUOTAS[way]:
            if sum(at > self.now - seconds for at in sent) + messages > number:
                raise Refused(429, 1008, "too many")
        sent.extend([self.now] * messages)

    def _store(self, way: str, to: str, fields: dict[str, str]) -> None:
        name, raw = fields.get("objectName", ""), fields.get("content", "")
        if not 1 <= len(name) <= 32 or not raw:
            raise Refused(400, 1002, "objectName or content is wrong")
        if len(raw.encode()) > 128 * 1024:
            raise Refused(400, 1005, "too long")
        try:
            content = json.loads(raw)
        except ValueError:
            content = None
        if name.startswith("RC:") and not (content and FIELDS.get(name, set()) <= set(content)):
            raise Refused(400, 1002, "content is no message of that type")
        self.stored.append(
            Stored(
                way=way,
                to=to,
                sender=fields["fromUserId"],
                object_name=name,
                content=content,
                raw=raw,
                push=fields.get("pushContent", ""),
                fields=fields,
            )
        )


def _form(body: bytes, content_type: str) -> list[tuple[str, str]]:
    if content_type != FORM:
        raise Refused(400, 1002, "no form")
    return parse_qsl(body.decode("ascii"), strict_parsing=True)


def _need_ids(*ids: str) -> None:
    if not all(1 <= len(one) <= 64 for one in ids):
        raise Refused(400, 1002, "an id is wrong")
