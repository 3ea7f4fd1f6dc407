"""An OpenIM server of any version from v2.0 to v3.8: its tokens, checks, order of checks and numbers."""

from __future__ import annotations

import itertools
import json
from typing import Any

from aiohttp import web
from msgspec import Struct

from relay.clock import FakeClock
from tests.emulators.faults import Handler, HttpEmulator, pause
from tests.emulators.openim_rules import SUPPORTED, claims_of, content_problem, jwt, shown

ADMIN_PLATFORM = 10
TOKEN_PATHS = {"/auth/user_token", "/auth/get_admin_token"}
MOST_USERS = {"v2.0": 200, "v2.2": 200}  # of a question for who is online; later ones: 1000


class Stored(Struct, frozen=True, kw_only=True):
    """One message in one conversation."""

    to: str  # user or group
    session: int
    kind: int  # contentType
    text: str  # as a person reads it
    body: dict[str, Any]
    path: str


class RefusedError(Exception):
    def __init__(self, code: int, text: str, *, status: int = 200, dlt: str = "") -> None:
        self.status = status
        self.body = {"errCode": code, "errMsg": text, "errDlt": dlt}


class OpenImServer(HttpEmulator):
    """Users with their state, groups, fixtures of each refusal; `fault` leaves requests for tokens alone.

    `requests` doesn't count requests for tokens, `token_requests` does.
    """

    def __init__(self, version: str = "v3.8", secret: str = "openIM123") -> None:
        super().__init__()
        self.version = version
        self.secret = secret
        self.clock = FakeClock()
        self.old = version.startswith("v2")
        self.admin = "openIM123456" if self.old else "imAdmin"
        self.users: dict[str, bool] = {"wang": True, "li": True, "zhao": False, "plain": True}  # online?
        self.notifiers = {"ops-alerts"}  # notification accounts
        self.groups = {"g1": ("wang", "li"), "muted-group": ("wang",), "muted-member": (), "gone-group": ()}
        self.blocks = {"blocker": 1302, "stranger": 1303}  # users who refuse, and with what
        self.silent = {"silent"}  # users who take no messages at all
        self.life = 7_776_000  # seconds a token is good for
        self.tokens: dict[str, str] = {}  # issued: "normal" or "kicked"
        self.answer: RefusedError | None = None  # to every send
        self.token_answer: RefusedError | None = None
        self.limited = ""  # "1": asks to wait so many seconds
        self.left_out: set[str] = set()  # of batches
        self.most_text = 20_000  # bytes
        self.token_requests = 0
        self.online_delay = 0.0  # seconds before it says who is online
        self.sent: list[Stored] = []
        self.events: list[dict[str, Any]] = []  # business notifications
        self.operations: list[str] = []
        self._ids = itertools.count(1)

    def routes(self) -> list[web.RouteDef]:
        business = (
            []
            if self.version in {"v2.0", "v2.2", "v3.0"}
            else [self._post("/msg/send_business_notification", self._business)]
        )
        auth = "/auth/get_admin_token" if self.version == "v3.8" else "/auth/user_token"
        common = [self._post("/user/get_users_online_status", self._online), self._post(auth, self._token)]
        match self.version:
            case "v2.0":
                online = self._post("/manager/get_users_online_status", self._online)
                return [self._post("/manager/send_msg", self._send), online, common[1]]
            case "v2.2":
                send = self._post("/msg/manage_send_msg", self._send)
                return [send, self._post("/msg/batch_send_msg", self._batch), *common]
        parse = self._post("/auth/parse_token", self._parse)
        send, batch = self._post("/msg/send_msg", self._send), self._post("/msg/batch_send_msg", self._batch)
        return [send, batch, parse, *common, *business]

    def kick(self) -> None:
        """Every token so far is in the table, and no good."""
        self.tokens = dict.fromkeys(self.tokens, "kicked")

    @web.middleware
    async def _faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in TOKEN_PATHS:
            self.token_requests += 1
            return await handler(request)
        return await super()._faults(request, handler)

    def _post(self, path: str, serve: Any) -> web.RouteDef:
        async def handle(request: web.Request) -> web.Response:
            if serve == self._online and self.online_delay:
                await pause(self._end, self.online_delay)
            try:
                body = self._body(await request.read(), request)
                data = serve(body, request)
            except RefusedError as refused:
                headers = {"Retry-After": self.limited} if refused.status == 429 else {}
                return web.json_response(refused.body, status=refused.status, headers=headers)
            return web.json_response({"errCode": 0, "errMsg": "", "errDlt": "", "data": data})

        return web.post(path, handle)

    def _body(self, raw: bytes, request: web.Request) -> dict[str, Any]:
        """The order of the server's own middleware: the operation's id, the token, the body."""
        if self.limited:
            raise RefusedError(429, "too many requests", status=429)
        if not self.old and not request.headers.get("operationID"):
            raise RefusedError(1001, "header must have operationID")
        if not self.old and request.path not in {*TOKEN_PATHS, "/auth/parse_token"}:
            self._authorise(request)
        try:
            body = json.loads(raw)
        except ValueError:
            raise self._unbound("not JSON") from None
        if self.old and not body.get("operationID"):
            raise self._unbound("operationID")
        if self.old and request.path not in TOKEN_PATHS:
            self._authorise(request)
        self.operations.append(body["operationID"] if self.old else request.headers["operationID"])
        assert isinstance(body, dict)
        return body

    def _unbound(self, what: str) -> RefusedError:
        return RefusedError(400 if self.old else 1001, f"binding: {what}", status=400)

    def _authorise(self, request: web.Request) -> None:
        token = request.headers.get("token", "")
        if not token and not self.old:
            raise RefusedError(1001, "header must have token")
        state = self._state(token)
        if state:
            raise (
                RefusedError(400, "parse token failed", status=400)
                if self.old
                else RefusedError(state, "Token")
            )
        claims = claims_of(token, self.secret) or {}
        if claims.get("UID" if self.old else "UserID") != self.admin:
            raise (
                RefusedError(400, "not authorized", status=400)
                if self.old
                else RefusedError(1002, "NoPermission")
            )

    def _state(self, token: str) -> int:
        """The number for what is wrong with a token; 0 if nothing."""
        claims = claims_of(token, self.secret) if token.count(".") == 2 else None
        if claims is None:
            return 1503
        if claims["exp"] < self.clock.now():
            return 1501
        return {"normal": 0, "kicked": 1506}.get(self.tokens.get(token, ""), 1507)

    def _token(self, body: dict[str, Any], request: web.Request) -> dict[str, Any]:
        if self.token_answer:
            raise self.token_answer
        now = int(self.clock.now())
        user = body.get("userID")
        if self.old:
            if body.get("secret") != self.secret:
                raise RefusedError(401, "Authentication failed", status=400)
            if body.get("platform") not in range(1, 10):
                raise self._unbound("platform")
            claims = {"UID": user, "Platform": "Linux", "exp": now + self.life, "nbf": now - 300, "iat": now}
        else:
            if body.get("secret") != self.secret:
                raise RefusedError(1002, "NoPermissionError", dlt="secret invalid")
            if self.version != "v3.8" and not body.get("platformID"):
                raise self._unbound("platformID")
            if user != self.admin:
                unknown = RefusedError(1004, "RecordNotFoundError")
                raise RefusedError(1001, "userID is error") if self.version == "v3.8" else unknown
            claims = {
                "UserID": user,
                "PlatformID": ADMIN_PLATFORM,
                "exp": now + self.life,
                "iat": now - 5,
                "n": next(self._ids),
            }
        token = jwt(claims, self.secret)
        self.tokens[token] = "normal"
        if self.old:
            return {"userID": user, "token": token, "expiredTime": now + self.life}
        return {"token": token, "expireTimeSeconds": self.life}

    def _parse(self, body: dict[str, Any], request: web.Request) -> dict[str, Any]:
        if state := self._state(body.get("token", "")):
            raise RefusedError(state, "Token")
        return {"userID": self.admin, "platformID": ADMIN_PLATFORM}

    def _online(self, body: dict[str, Any], request: web.Request) -> list[dict[str, Any]]:
        users = body.get("userIDList" if self.old else "userIDs")
        if not users or len(users) > MOST_USERS.get(self.version, 1000):
            raise self._unbound("users")
        words: tuple[Any, Any] = ("offline", "online") if self.old else (0, 1)
        detail = [{"platform": "iOS", "token": jwt({"UserID": "x"}, "y")}]
        return [
            {"userID": user, "status": words[self.users.get(user, False)], "detailPlatformStatus": detail}
            for user in users
        ]

    def _send(self, body: dict[str, Any], request: web.Request) -> dict[str, Any]:
        self._check_message(body, body.get("sessionType"))
        kind, session = body["contentType"], body["sessionType"]
        if kind == 1400:
            self._check_notifier(body["sendID"])
            session = 4  # whatever was sent
        to = body.get("groupID") if session in {2, 3} else body.get("recvID")
        if not to:
            raise RefusedError(405, "recvID is empty", status=400) if self.old else self._unbound("recvID")
        if session in {2, 3}:
            self._check_group(to)
        elif session == 1:
            self._check_user(to)
        return self._store(to, session, body, request.path)

    def _batch(self, body: dict[str, Any], request: web.Request) -> dict[str, Any]:
        receivers = body.get("recvIDList" if self.old else "recvIDs")
        if not isinstance(receivers, list) or len(receivers) > 1000:
            raise self._unbound("receivers")
        self._check_message(body, body.get("sessionType"))
        if body["contentType"] == 1400:
            self._check_notifier(body["sendID"])
        everybody = body.get("isSendAll") and not self.old
        done, failed = [], []
        for to in self.users if everybody else receivers:
            if to in self.left_out or (to not in self.users and body["sessionType"] == 1):
                failed.append(to)
            else:
                stored = self._store(to, body["sessionType"], body, request.path)
                done.append({**stored, "recvID": to})
        names = ("resultList", "FailedIDList") if self.old else ("results", "failedUserIDs")
        return dict(zip(names, (done or None, failed or None), strict=True))

    def _business(self, body: dict[str, Any], request: web.Request) -> dict[str, Any]:
        if not body.get("sendUserID") or bool(body.get("recvUserID")) == bool(body.get("recvGroupID")):
            raise self._unbound("one receiver")
        if not isinstance(body.get("data"), str) or body.get("reliabilityLevel") not in {1, 2, 3}:
            raise self._unbound("data")
        if body.get("recvUserID"):
            self._check_user(body["recvUserID"])
        self.events.append(body)
        return self._ids_of_message()

    def _check_message(self, body: dict[str, Any], session: Any) -> None:
        if self.answer:
            raise self.answer
        if not body.get("sendID") or not isinstance(body.get("content"), dict) or not session:
            raise self._unbound("sendID, content or sessionType")
        kind = int(body.get("contentType") or 0)
        if kind not in SUPPORTED[self.version]:
            raise (
                RefusedError(404, "unsupported", status=400)
                if self.old
                else RefusedError(1001, "not support err contentType")
            )
        if session not in {1, 2, 3, 4}:
            raise RefusedError(203, "sessionType") if self.old else RefusedError(1001, "unknown sessionType")
        problem = content_problem(self.version, kind, body["content"])
        if problem:
            raise (
                RefusedError(403, problem, status=400)
                if self.old
                else RefusedError(1001, "ArgsError", dlt=problem)
            )
        if len(shown(body["content"], kind).encode()) > self.most_text:
            raise RefusedError(1001, "text too long")

    def _check_notifier(self, sender: str) -> None:
        if self.old or sender in {self.admin, *self.notifiers}:
            return
        if sender not in self.users:
            raise RefusedError(1101, "UserIDNotFoundError")
        raise RefusedError(1002, "NoPermissionError", dlt="sendID is no app manager")

    def _check_user(self, to: str) -> None:
        if to in self.blocks:
            code = {1302: 600, 1303: 601}[self.blocks[to]] if self.old else self.blocks[to]
            raise RefusedError(code, "blocked")
        if to in self.silent:
            raise RefusedError(1001, "ArgsError", dlt="message is not sent")
        if to not in self.users and not self.old:
            raise RefusedError(1004, "RecordNotFoundError")

    def _check_group(self, to: str) -> None:
        refusals = {"gone-group": 1204, "muted-group": 1403, "muted-member": 1402}
        if to not in self.groups:
            raise (
                RefusedError(202, "not in group") if self.old else RefusedError(1201, "GroupIDNotFoundError")
            )
        if to in refusals and not self.old:
            raise RefusedError(refusals[to], "group")

    def _store(self, to: str, session: int, body: dict[str, Any], path: str) -> dict[str, Any]:
        kind, content = body["contentType"], body["content"]
        self.sent.append(
            Stored(to=to, session=session, kind=kind, text=shown(content, kind), body=body, path=path)
        )
        return self._ids_of_message()

    def _ids_of_message(self) -> dict[str, Any]:
        number = next(self._ids)  # fresh at every call: a second copy is a second message
        return {
            "serverMsgID": f"{number:032x}",
            "clientMsgID": f"c{number:031x}",
            "sendTime": int(self.clock.now() * 1000),
        }
