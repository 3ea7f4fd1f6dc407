"""WeChat's Official Account API: tokens of both kinds, reply windows, templates, quotas, callbacks."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import web
from msgspec import Struct

from relay.clock import FakeClock
from tests.emulators.faults import Handler, HttpEmulator

APPID, SECRET = "wx0123456789abcdef", "c4n4ry-0123456789abcdef"
TEMPLATE = "TPL1"
CALLBACK_TOKEN = "c4n4ry-callback"
TOKEN_PATHS = ("/cgi-bin/token", "/cgi-bin/stable_token", "/token")
FORCED_APART, MOST_FORCED = 30.0, 20  # seconds between forced tokens, and how many a day
WORDS = {0: "ok", 40001: "invalid credential, access_token is invalid or not latest", 45011: "freq limit"}
TRAILER = " rid: 65a0f0a1-1f3b5c7d-0a1b2c3d"


class User(Struct):
    """A follower; times are the emulator's."""

    replies_until: float = 0.0  # the window that the user's last action opened
    replies_left: int = 5
    often: int = 0  # messages to refuse as coming too often
    subscribed: bool = True


class Arrived(Struct, frozen=True, kw_only=True):
    """One message as the user got it."""

    channel: str  # "custom" or "template"
    to: str
    text: str  # what is shown: the content, or the fields' values one a line
    payload: dict[str, Any]
    raw: bytes
    id: int = 0


class Refused(Exception):  # noqa: N818 - an answer
    def __init__(self, code: int, words: str = "") -> None:
        super().__init__(words or WORDS.get(code, "refused"))
        self.code = code


class WeChatServer(HttpEmulator):
    """One account. `fault` and `requests` are of the sending calls; tokens are always given."""

    def __init__(self) -> None:
        super().__init__()
        self.now = FakeClock().now()
        self.secret = SECRET
        self.allowed_ip = True
        self.users = {"oWang": User(replies_until=self.now + 172800, replies_left=10_000)}
        self.most_text = 2048
        self.day_left = 500_000
        self.minute_left = 5000
        self.busy = 0  # calls to answer with -1 first
        self.answer: dict[str, Any] | None = None  # to every sending call
        self.banned: set[str] = set()
        self.refuse_tokens = False  # whatever token comes
        self.tokens_end_after = ""  # calls of this channel
        self.arrived: list[Arrived] = []
        self.token_calls: list[str] = []  # "legacy", "stable", "forced", "external"
        self.external = "bare"  # or "json": how another program tells the token
        self.channels: list[str] = []  # of each call, refused ones too
        self.most_legacy = 2000  # tokens a day
        self._forced: list[float] = []  # when
        self._tokens: dict[str, float] = {}  # good ones, and until when
        self._current = ""
        self._given = 0  # tokens so far
        self._known: dict[tuple[str, str], float] = {}  # (openid, client_msg_id) and when

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/cgi-bin/token", self._legacy_token),
            web.post("/cgi-bin/stable_token", self._stable_token),
            web.get("/token", self._external_token),
            web.route("*", "/cgi-bin/message/custom/send", self._sending("custom", self._custom)),
            web.route("*", "/cgi-bin/message/template/send", self._sending("template", self._template)),
        ]

    @web.middleware
    async def _faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in TOKEN_PATHS:
            return await handler(request)
        return await super()._faults(request, handler)

    def end_tokens(self) -> None:
        """No token given so far is good any more."""
        self._tokens.clear()

    # --- tokens ---

    async def _legacy_token(self, request: web.Request) -> web.Response:
        if self.token_calls.count("legacy") >= self.most_legacy:
            return _refusal(Refused(45009, "reach max api daily quota limit"))
        self.token_calls.append("legacy")
        return self._token(request.query, new=True, ends_others=True)

    async def _stable_token(self, request: web.Request) -> web.Response:
        data = json.loads(await request.read())
        self.token_calls.append("forced" if data["force_refresh"] else "stable")
        if data["force_refresh"]:
            today = [at for at in self._forced if at > self.now - 86_400]
            if today and today[-1] > self.now - FORCED_APART:
                return _refusal(Refused(45011))
            if len(today) >= MOST_FORCED:
                return _refusal(Refused(45009, "reach max api daily quota limit"))
            self._forced.append(self.now)
        left = self._tokens.get(self._current, self.now + 7200 if self._current else 0.0) - self.now
        return self._token(data, new=data["force_refresh"] or left < 300, ends_others=data["force_refresh"])

    async def _external_token(self, request: web.Request) -> web.Response:
        self.token_calls.append("external")
        if self.external == "bare":
            return web.Response(text=f"{self._new_token()}\n")
        if self.external == "json":
            return web.json_response({"access_token": self._new_token(), "expires_in": 7200})
        return web.Response(text=self.external)

    def _token(self, given: Any, *, new: bool, ends_others: bool) -> web.Response:
        if given["grant_type"] != "client_credential":
            return _refusal(Refused(40002))
        if given["appid"] != APPID:
            return _refusal(Refused(40013, "invalid appid"))
        if given["secret"] != self.secret:
            return _refusal(Refused(40125, "invalid appsecret"))
        if not self.allowed_ip:
            return _refusal(
                Refused(40164, "invalid ip 203.0.113.9 ipv6 ::ffff:203.0.113.9, not in whitelist")
            )
        if new:
            if ends_others:
                self._tokens.clear()
            self._current = self._new_token()
        left = self._tokens.get(self._current, self.now + 7200) - self.now
        return web.json_response({"access_token": self._current, "expires_in": int(left)})

    def _new_token(self) -> str:
        self._given += 1
        token = f"c4n4ry-token-{self._given}_{'x' * 500}"
        self._tokens[token] = self.now + 7200
        return token

    # --- sending ---

    def _sending(self, channel: str, accept: Callable[[Any, bytes], dict[str, Any]]) -> Any:
        async def serve(request: web.Request) -> web.Response:
            self.channels.append(channel)
            raw = await request.read()
            try:
                data = self._admit(request, raw)
                answer = accept(data, raw)
            except Refused as refused:
                return _refusal(refused)
            finally:
                if channel == self.tokens_end_after:
                    self.end_tokens()
            return web.json_response({"errcode": 0, "errmsg": "ok", **answer})

        return serve

    def _admit(self, request: web.Request, raw: bytes) -> Any:
        if request.method != "POST":
            raise Refused(43002, "require POST method")
        self._need_token(request.query.get("access_token", ""))
        if self.busy:
            self.busy -= 1
            raise Refused(-1, "system error")
        if self.answer is not None:
            raise Refused(self.answer["errcode"], self.answer["errmsg"])
        if self.day_left <= 0:
            raise Refused(45009, "reach max api daily quota limit")
        if self.minute_left <= 0:
            raise Refused(45011)
        self.day_left -= 1
        self.minute_left -= 1
        if re.search(rb"\\u[0-9a-fA-F]{4}", raw):
            raise Refused(40033, "invalid charset")
        try:
            return json.loads(raw)
        except ValueError:
            raise Refused(47001, "data format error") from None

    def _need_token(self, token: str) -> None:
        if not token:
            raise Refused(41001, "access_token missing")
        if token not in self._tokens or self.refuse_tokens:
            raise Refused(40001, f"invalid credential, access_token is invalid or not latest: {token}")
        if self.now >= self._tokens[token]:
            raise Refused(42001, "access_token expired")

    def _custom(self, data: Any, raw: bytes) -> dict[str, Any]:
        user = self.users.get(data["touser"])
        text = data["text"]["content"]
        if user is None:
            raise Refused(40003, "invalid openid")
        if data["msgtype"] != "text":
            raise Refused(40008, "invalid message type")
        if not text:
            raise Refused(44004, "empty content")
        if len(text.encode()) > self.most_text:
            raise Refused(45002, "content size out of limit")
        if self.now >= user.replies_until or not user.subscribed:
            raise Refused(45015, "response out of time limit or subscription is canceled")
        if user.often:
            user.often -= 1
            raise Refused(43117, "too often")
        if user.replies_left <= 0:
            raise Refused(45047, "out of response count limit")
        user.replies_left -= 1
        self.arrived.append(Arrived(channel="custom", to=data["touser"], text=text, payload=data, raw=raw))
        return {}

    def _template(self, data: Any, raw: bytes) -> dict[str, Any]:
        user = self.users.get(data["touser"])
        if user is None:
            raise Refused(40003, "invalid openid")
        if data["template_id"] != TEMPLATE:
            raise Refused(40037, "invalid template_id")
        if TEMPLATE in self.banned:
            raise Refused(43116, "template is banned")
        if not user.subscribed:
            raise Refused(43004, "require subscribe")
        for name, part in data["data"].items():
            if not part["value"] or (name.startswith("thing") and len(part["value"]) > 20):
                raise Refused(47003, f"argument invalid! data.{name}.value is invalid")
        key = (data["touser"], data.get("client_msg_id", ""))
        known = self._known.get(key, 0.0) > self.now - 600 and key[1]
        self._known[key] = self.now
        number = 2918131553548107776 + len(self.arrived)
        if not known:
            shown = [
                part["value"][:20] for name, part in data["data"].items() if name not in {"first", "remark"}
            ]
            self.arrived.append(
                Arrived(
                    channel="template",
                    to=data["touser"],
                    text="\n".join(shown),
                    payload=data,
                    raw=raw,
                    id=number,
                )
            )
        return {"msgid": number}

    # --- callbacks ---

    def report(
        self, number: int, status: str, to: str = "oWang", token: str = CALLBACK_TOKEN
    ) -> tuple[dict[str, str], bytes]:
        """Query and body of the POST that tells of a template message's delivery."""
        fields = {
            "ToUserName": "gh_7f083739789a",
            "FromUserName": to,
            "MsgType": "event",
            "Event": "TEMPLATESENDJOBFINISH",
            "Status": status,
        }
        parts = [f"<{name}><![CDATA[{value}]]></{name}>" for name, value in fields.items()]
        parts.append(f"<CreateTime>{int(self.now)}</CreateTime><MsgID>{number}</MsgID>")
        return self.signed(token), f"<xml>{''.join(parts)}</xml>".encode()

    async def call_back(self, url: str, number: int, status: str, to: str = "oWang") -> tuple[int, str]:
        """Post that report as WeChat does; status and body of the answer, which should be `success`."""
        query, body = self.report(number, status, to)
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, params=query, data=body, headers={"Content-Type": "text/xml"}) as answer,
        ):
            return answer.status, await answer.text()

    def signed(self, token: str = CALLBACK_TOKEN, nonce: str = "nonce1") -> dict[str, str]:
        """The query of a callback."""
        at = str(int(self.now))
        digest = hashlib.sha1("".join(sorted([token, at, nonce])).encode()).hexdigest()
        return {"signature": digest, "timestamp": at, "nonce": nonce}


def _refusal(refused: Refused) -> web.Response:
    return web.json_response({"errcode": refused.code, "errmsg": f"{refused}{TRAILER}"})


def anchors(text: str) -> list[str]:
    """What the app makes a link of."""
    return re.findall(r"<\s*/?\s*a\b[^>]*>?", text, re.IGNORECASE)
