"""A DingTalk app's robot in groups and with people: Markdown, or a card that follows its alert.

https://open.dingtalk.com/document/development/the-robot-sends-a-group-message
https://open.dingtalk.com/document/development/create-and-deliver-cards
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import partial
from typing import Any, Final, Literal

from msgspec import Struct

from relay.backends.answer import Answer
from relay.backends.base import Check, Door, Limits, Receipt
from relay.backends.chat import Target, address_problem, room_and_mentions
from relay.backends.compose import Composition, compose
from relay.backends.dialect import headline, text_of
from relay.backends.dingtalk_api import ALREADY, granted, required
from relay.backends.dingtalk_card import variables
from relay.backends.dingtalk_markdown import laid_out, preview
from relay.backends.fit import clip, fit
from relay.backends.http import JSON_TYPE, HttpBackend, HttpSettings, json_bytes, operator_url, url_problem
from relay.backends.mask import Mask
from relay.backends.meaning import GoneError, Meaning, PayloadError, examined, plainer
from relay.backends.tokens import Tokens
from relay.backends.webhook_forms import idempotency_key
from relay.errors import NeedsFallbackError, RejectedError
from relay.models import Json, Message
from relay.values import Secret

EVERYBODY: Final = "all"
MOST: Final = 15_000  # bytes of a message's parameters as JSON
MOST_PLAIN: Final = 1000  # bytes of the text that is sent when the usual form was refused
MOST_PREVIEW: Final = 100  # characters of a card in the list of chats and on a locked phone

_GROUP: Final = re.compile(r"cid[A-Za-z0-9+/_-]{4,100}={0,2}")
_PERSON: Final = re.compile(r"(?:user:)?[A-Za-z0-9_][\w.@-]{0,63}", re.ASCII)
_MENTION: Final = re.compile(r"all|[\w.-]{1,64}", re.ASCII)
_HANDLE: Final = re.compile(r"relay-[0-9a-f]{32}")
_UNREACHED: Final = {
    "invalidStaffIdList": Meaning(RejectedError, "no such user, or the app may not see them"),
    "filteredStaffIdList": Meaning(RejectedError, "the user takes nothing from this robot"),
    "flowControlledStaffIdList": Meaning(
        NeedsFallbackError, "DingTalk would not show it: too many messages to this user"
    ),
}


class Settings(HttpSettings, frozen=True, kw_only=True, tag="dingtalk_app"):
    """A DingTalk (钉钉) app's robot, which writes to groups and people; its cards follow their alert.

    At open-dev.dingtalk.com create an app of your company and add a robot (机器人) to it: `appkey` (Client
    ID) and `appsecret` (Client Secret) stand under Credentials. Give it the permission to send messages as a
    robot (企业内机器人发送消息), for cards also the one to write card instances (互动卡片实例写). Publish
    it, and add the robot to its groups.

    An address is a group's openConversationId (`cid6KeBBLoveMJOG==`) or a user's id (`manager4220`, or
    `user:manager4220`). With cards, those to be mentioned in the group follow: `cid6Ke== @all`,
    `cid6Ke== @manager4220`.

    * `robot_code`: the robot's, where it isn't `appkey`
    * `card_template`: the id of a template of the card builder (open-dev.dingtalk.com/fe/card); without it
      messages are Markdown. These variables are filled in, all of them text: `state` (`error`, `warning`,
      `resolved` ...), `title`, `text`, `facts`, `footer`, `label_1` and `url_1` to `label_3` and `url_3`
    * `follow_up`: what becomes of later messages about an alert: `edit` (of cards: rewrites the earlier one,
      which notifies nobody) or `new`
    * `server`: where DingTalk stands; outside China https://api.dingtalk.io

    Minimal:

        type: dingtalk_app
        appkey: dingabcdefghijklmnop
        appsecret: ${DINGTALK_APPSECRET}

    Full:

        type: dingtalk_app
        appkey: dingabcdefghijklmnop
        appsecret: ${DINGTALK_APPSECRET}
        robot_code: dingqrstuvwxyz
        card_template: 6f2f5a2e-3b1c-4d5e-8f90-123456789abc.schema
        follow_up: edit
        server: https://api.dingtalk.com
        rate: 10/1s
    """

    appkey: str
    appsecret: Secret
    robot_code: str = ""
    card_template: str = ""
    follow_up: Literal["edit", "new"] = "edit"
    server: str = "https://api.dingtalk.com"

    def problems(self) -> list[tuple[str, str]]:
        """Credentials and ids that can't be right."""
        found = [("server", text) for text in (url_problem(self.server),) if text]
        for name, value in (("appkey", self.appkey), ("appsecret", self.appsecret.reveal())):
            if not re.fullmatch(r"[A-Za-z0-9_-]+", value):
                found.append((name, "is of letters, digits, - and _ only"))
        for name, value in (("robot_code", self.robot_code), ("card_template", self.card_template)):
            if not re.fullmatch(r"[A-Za-z0-9._-]*", value):
                found.append((name, "is of letters, digits, ., - and _ only"))
        return found

    def refuses(self, to: str) -> str:
        """Why an address can't be one, or nobody can be mentioned there."""
        target = room_and_mentions(to)
        if wrong := address_problem(to, target, _MENTION, "write @all or @USERID"):
            return wrong
        if not _GROUP.fullmatch(target.room) and not _PERSON.fullmatch(target.room):
            return "write a group's openConversationId (cid...) or a user's id"
        if target.mentions and not _GROUP.fullmatch(target.room):
            return "only in a group (cid...) can somebody be mentioned"
        if target.mentions and not self.card_template:
            return "only a card can mention somebody: set card_template"
        return ""


class _Form(Struct, frozen=True):
    """A message as it may be sent: a card's variables, or the parameters of one of DingTalk's templates."""

    kind: str  # "card", or the template's name
    content: Json


class DingtalkApp(HttpBackend):
    """Accepted means that DingTalk has the message and knows the group or user."""

    type = "dingtalk_app"
    settings: Settings
    limits = Limits(windows=((20, 1.0),), concurrency=8)

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._root = f"{settings.server.rstrip('/')}/v1.0"
        self._robot = settings.robot_code or settings.appkey
        self._tokens = Tokens(door, self._fetch_token)

    async def send(self, message: Message, to: str) -> Receipt:
        """One message; where it can be, the alert's card is rewritten instead."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        target, told = room_and_mentions(to), compose(message, self.door.clock.now())
        forms = _forms(told, message, card=bool(self.settings.card_template))
        return await plainer(forms, partial(self._deliver, message, told, target))

    async def check(self) -> list[Check]:
        """Whether the app's credentials get a token."""
        return await examined(self._look)

    async def _deliver(self, message: Message, told: Composition, target: Target, form: _Form) -> Receipt:
        if form.kind != "card":
            return await self._say(target, form)
        if _HANDLE.fullmatch(message.handle) and self.settings.follow_up == "edit":
            try:
                return await self._rewrite(message.handle, form)
            except GoneError:
                pass
        return await self._show(_once(message, target.room), told, target, form)

    async def _say(self, target: Target, form: _Form) -> Receipt:
        """A message of its own, which can't be changed later."""
        path, whom = _way(target.room)
        parameters = json_bytes(form.content).decode()
        payload = {**whom, "robotCode": self._robot, "msgKey": form.kind, "msgParam": parameters}
        answer = await self._call("POST", f"robot/{path}", payload, "processQueryKey")
        for field, meaning in _UNREACHED.items():
            if answer.get(field):  # of one person, so it is this one
                raise meaning.outcome(meaning.words, code=field.removesuffix("List"))
        return Receipt(id=str(answer["processQueryKey"]))

    async def _show(self, once: str, told: Composition, target: Target, form: _Form) -> Receipt:
        """A new card. `once` names it: a second one of that name is refused, so the first has arrived."""
        payload = {
            "outTrackId": once,
            "cardTemplateId": self.settings.card_template,
            "cardData": {"cardParamMap": form.content},
            "userIdType": 1,
            **_space(target, self._robot, clip(headline(told), MOST_PREVIEW)),
        }
        try:
            answer = await self._call("POST", "card/instances/createAndDeliver", payload, "success")
        except RejectedError as error:
            if error.code.lower() != ALREADY:
                raise
            return Receipt(id=once, handle=once, note="sent before")
        _require_shown(answer, self.mask)
        return Receipt(id=once, handle=once)

    async def _rewrite(self, handle: str, form: _Form) -> Receipt:
        payload = {"outTrackId": handle, "cardData": {"cardParamMap": form.content}}
        await self._call("PUT", "card/instances", payload, "success")
        return Receipt(id=handle, handle=handle, note="edited")

    async def _call(self, method: str, path: str, payload: Json, proof: str) -> Json:
        return await self._tokens.use(partial(self._request, method, path, payload, proof))

    async def _request(self, method: str, path: str, payload: Json, proof: str, token: str) -> Json:
        headers = {"x-acs-dingtalk-access-token": token}
        return required(await self._ask(method, path, payload, headers), self.door.clock.now(), proof)

    async def _ask(self, method: str, path: str, payload: Json, headers: dict[str, str]) -> Answer:
        url = operator_url(f"{self._root}/{path}")
        headers = {"Content-Type": JSON_TYPE, **headers}
        return await self.ask(method, url, body=json_bytes(payload), headers=headers)

    async def _fetch_token(self) -> tuple[str, float]:
        who = {"appKey": self.settings.appkey, "appSecret": self.settings.appsecret.reveal()}
        return granted(await self._ask("POST", "oauth2/accessToken", who, {}), self.door.clock.now())

    async def _look(self) -> str:
        await self._tokens.get()
        return f"a token for {self.settings.appkey} was given"


def _forms(told: Composition, message: Message, *, card: bool) -> Iterator[_Form]:
    """The message as it should be, then as Markdown, then a short text."""
    if card and not message.digest:  # a card has room for one alert
        yield _Form("card", variables(told, message))
    yield fit(told, _markdown, lambda form: len(json_bytes(form.content)) <= MOST)
    yield fit(told, _text, lambda form: len(json_bytes(form.content)) <= MOST_PLAIN)


def _markdown(told: Composition) -> _Form:
    return _Form("sampleMarkdown", {"title": preview(told), "text": laid_out(told)})


def _text(told: Composition) -> _Form:
    return _Form("sampleText", {"content": text_of(told)})


def _way(room: str) -> tuple[str, Json]:
    """The interface that reaches a group or a person, and how it names them."""
    if _GROUP.fullmatch(room):
        return "groupMessages/send", {"openConversationId": room}
    return "oToMessages/batchSend", {"userIds": [room.removeprefix("user:")]}


def _space(target: Target, robot: str, said: str) -> Json:
    """Where a card goes, whom it pings, and what the list of chats says of it."""
    shown = {
        "supportForward": True,
        "lastMessageI18n": {"ZH_CN": said, "EN_US": said},
        "notification": {"alertContent": said},
    }
    if not _GROUP.fullmatch(target.room):
        return {
            "openSpaceId": f"dtv1.card//IM_ROBOT.{target.room.removeprefix('user:')}",
            "imRobotOpenSpaceModel": shown,
            "imRobotOpenDeliverModel": {"spaceType": "IM_ROBOT", "robotCode": robot},
        }
    named = ("@ALL" if name == EVERYBODY else name for name in target.mentions)
    pinged = {"atUserIds": {name: name for name in named}} if target.mentions else {}
    return {
        "openSpaceId": f"dtv1.card//IM_GROUP.{target.room}",
        "imGroupOpenSpaceModel": shown,
        "imGroupOpenDeliverModel": {"robotCode": robot, **pinged},
    }


def _require_shown(answer: Json, mask: Mask) -> None:
    """The card may exist and not have got there: a message without one is sent then."""
    result: Any = answer.get("result")
    places = result.get("deliverResults") if isinstance(result, dict) else None
    for place in places or ():
        if isinstance(place, dict) and place.get("success") is False:
            why = mask(str(place.get("errorMsg")))[:200]
            raise PayloadError("the card was made, but not delivered", code="deliverResults", detail=why)


def _once(message: Message, room: str) -> str:
    told = f"{idempotency_key(message)}\0{room}"
    return "relay-" + hashlib.sha256(told.encode(errors="replace")).hexdigest()[:32]
