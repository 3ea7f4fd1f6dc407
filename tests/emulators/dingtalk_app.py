"""DingTalk's newer server API: tokens, an app's robot in groups and with people, cards by `outTrackId`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web
from msgspec import Struct

from tests.emulators.faults import Handler
from tests.emulators.loose_markdown import Mark, marks, shown
from tests.emulators.tokens import TokenEmulator
from tests.emulators.wecom_robot import has_escapes

MOST = 15_000  # bytes of `msgParam`
MOST_VALUE = 1024  # bytes of a card's variable
TEMPLATES = {"sampleText": ("content",), "sampleMarkdown": ("title", "text")}
VARIABLES = ("title", "text", "facts", "footer")  # that the template shows, from top to bottom


class Post(Struct, kw_only=True):
    """One message as it was seen; a card's changes."""

    kind: str
    to: str
    content: str  # as sent; of a card what its template shows
    pinged: tuple[str, ...] = ()
    card: dict[str, str] = {}
    preview: str = ""
    edits: int = 0

    @property
    def text(self) -> str:
        return self.content.replace("\u200b", "") if self.kind == "sampleText" else shown(self.content)

    @property
    def marks(self) -> list[Mark]:
        return [] if self.kind == "sampleText" else marks(self.content)


class DingtalkOpenApi(TokenEmulator):
    """A company with one app, its robot in one group."""

    TOKEN_PATHS = frozenset({"/v1.0/oauth2/accessToken"})

    def __init__(self, appkey: str, secret: str, *, robot: str = "", template: str = "") -> None:
        super().__init__()
        self.appkey, self.secret = appkey, secret
        self.robot, self.template = robot or appkey, template
        self.groups, self.users = {"cid6KeBB+/oX=="}, {"manager4220", "0123"}
        self.filtered: set[str] = set()
        self.hurried: set[str] = set()  # users who got too many
        self.posts: list[Post] = []
        self.cards: dict[str, Post | None] = {}  # by their `outTrackId`; None: made, and shown nowhere
        self.once = True  # a second card of that name is refused
        self.lost = False  # cards are made, but not delivered
        self.code = ""  # instead of its own, to what isn't about tokens
        self.status = 400  # that goes with it
        self.refusing: set[str] = set()  # kinds of message that are refused as bad

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1.0/oauth2/accessToken", self._token),
            web.post("/v1.0/robot/groupMessages/send", self._guarded(self._to_group)),
            web.post("/v1.0/robot/oToMessages/batchSend", self._guarded(self._to_people)),
            web.post("/v1.0/card/instances/createAndDeliver", self._guarded(self._create)),
            web.put("/v1.0/card/instances", self._guarded(self._update)),
        ]

    async def _token(self, request: web.Request) -> web.Response:
        if await request.json() != {"appKey": self.appkey, "appSecret": self.secret}:
            return refused("invalidClientIdOrSecret")
        return web.json_response({"accessToken": self.issue(), "expireIn": self.lifetime})

    def issue(self) -> str:
        token = f"{len(self.issued)}.abc"  # goes into a header
        self.issued.append(token)
        self.valid.add(token)
        return token

    def _guarded(self, call: Callable[[Any], web.Response]) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            if self.code:
                return refused(self.code, self.status)
            if request.headers.get("x-acs-dingtalk-access-token") not in self.valid:
                return refused("InvalidAuthentication", 401)
            if request.content_type != "application/json" or has_escapes(body):
                return refused("invalidParameter.param.invalid")
            return call(json.loads(body.decode()))

        return guarded

    def _to_group(self, told: Any) -> web.Response:
        if told.get("openConversationId") not in self.groups:
            return refused("invalid.openConversationId")
        return self._wrong(told) or self._said(told, told["openConversationId"])

    def _to_people(self, told: Any) -> web.Response:
        if wrong := self._wrong(told):
            return wrong
        (user,) = told["userIds"]
        for field, users in (
            ("flowControlledStaffIdList", self.hurried),
            ("filteredStaffIdList", self.filtered),
        ):
            if user in users:
                return web.json_response({"processQueryKey": "q", field: [user]})
        if user not in self.users:
            return web.json_response({"processQueryKey": "q", "invalidStaffIdList": [user]})
        return self._said(told, user)

    def _wrong(self, told: Any) -> web.Response | None:
        if told.get("robotCode") != self.robot:
            return refused("invalidParameter.robotCode.auth")
        wanted = TEMPLATES.get(told.get("msgKey"), ())
        if not wanted or told["msgKey"] in self.refusing:
            return refused("invalidParameter.msgKey.invalid")
        parameters = told["msgParam"]
        if not isinstance(parameters, str) or len(parameters.encode()) > MOST:
            return refused("invalidParameter.msgParam.invalid")
        filled = json.loads(parameters)
        return (
            None if all(filled.get(name) for name in wanted) else refused("invalidParameter.msgParam.invalid")
        )

    def _said(self, told: Any, to: str) -> web.Response:
        filled = json.loads(told["msgParam"])
        text = filled["content" if told["msgKey"] == "sampleText" else "text"]
        self.posts.append(Post(kind=told["msgKey"], to=to, content=text))
        return web.json_response({"processQueryKey": f"q{len(self.posts)}"})

    def _create(self, told: Any) -> web.Response:
        if told.get("cardTemplateId") != self.template:
            return refused("param.templateNotExist")
        if self.once and told["outTrackId"] in self.cards:
            return refused("param.cardAlreadyExist")
        filled = told["cardData"]["cardParamMap"]
        if "card" in self.refusing or not _are_variables(filled):
            return refused("param.contentUnsafe")
        place, _, to = told["openSpaceId"].removeprefix("dtv1.card//").partition(".")
        if to not in {"IM_GROUP": self.groups, "IM_ROBOT": self.users}[place]:
            return refused("param.openSpaceIdInvalid")
        name = {"IM_GROUP": "Group", "IM_ROBOT": "Robot"}[place]
        way, looks = told[f"im{name}OpenDeliverModel"], told[f"im{name}OpenSpaceModel"]
        if way.get("robotCode") != self.robot or "supportForward" not in looks:
            return refused("param.openDeliverModelError")
        self.cards[told["outTrackId"]] = None
        if not self.lost:
            post = Post(
                kind="card",
                to=to,
                content=_shown(filled),
                pinged=tuple(way.get("atUserIds", ())),
                card=filled,
                preview=looks["lastMessageI18n"]["ZH_CN"],
            )
            self.cards[told["outTrackId"]] = post
            self.posts.append(post)
        place_result = {
            "spaceType": place,
            "spaceId": to,
            "success": not self.lost,
            "errorMsg": "SYSTEM_ERROR",
        }
        result = {"outTrackId": told["outTrackId"], "deliverResults": [place_result]}
        return web.json_response({"success": True, "result": result})

    def _update(self, told: Any) -> web.Response:
        post = self.cards.get(told["outTrackId"])
        filled = told["cardData"]["cardParamMap"]
        if post is None:
            return refused("param.cardNotExist")
        if "card" in self.refusing or not _are_variables(filled):
            return refused("param.contentUnsafe")
        post.card, post.content, post.edits = filled, _shown(filled), post.edits + 1
        return web.json_response({"success": True, "result": True})


def refused(code: str, status: int = 400) -> web.Response:
    return web.json_response({"code": code, "message": "refused", "requestid": "r-1"}, status=status)


def _are_variables(filled: Any) -> bool:
    return bool(filled) and all(
        isinstance(value, str) and len(value.encode()) <= MOST_VALUE for value in filled.values()
    )


def _shown(filled: dict[str, str]) -> str:
    return "\n".join(filled[name] for name in VARIABLES if filled.get(name))
