"""Rocket.Chat: an incoming integration, or a user's token with threads and updates.

https://docs.rocket.chat/docs/integrations, https://developer.rocket.chat/apidocs/post-message
"""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Final, Literal

from msgspec import Meta

from relay.backends import rocketchat_answer
from relay.backends.base import Check, Door, Limits, Receipt
from relay.backends.chat import (
    Markup,
    address_problem,
    fenced,
    inert,
    markdown_link,
    room_and_mentions,
    text_forms,
)
from relay.backends.compose import compose
from relay.backends.fit import utf16_units
from relay.backends.http import HttpBackend, HttpSettings, operator_url, url_problem
from relay.backends.meaning import GoneError, examined, plainer
from relay.errors import RejectedError
from relay.models import Json, Message
from relay.values import Secret

OWN: Final = "-"  # the channel that the integration was made for

_ROOM: Final = re.compile(r"-|[#@]?[\w.-]{1,80}")
_MENTION: Final = re.compile(r"[\w.-]{1,80}")
_MENTIONS: Final = "write @ and a user's name, @here or @all"
_HANDLE: Final = re.compile(r"([\w.-]+)/([\w.-]+)", re.ASCII)
_MARKS: Final = re.compile(r"[*_~`]")  # the others have no escape: what follows makes no link of brackets
_BRACKET: Final = re.compile(r"\](?=\()")


class Settings(HttpSettings, frozen=True, kw_only=True, tag="rocketchat"):
    """Rocket.Chat, by an incoming integration (`url`) or as a user (`server`, `user_id` and `token`).

    Minimal:

        type: rocketchat
        url: ${ROCKETCHAT_WEBHOOK_URL}

    Full:

        type: rocketchat
        server: https://chat.example.com
        user_id: ${ROCKETCHAT_USER_ID}
        token: ${ROCKETCHAT_TOKEN}
        alias: relay
        emoji: ":warning:"
        follow_up: thread
        max_chars: 5000
        rate: [10/1m]

    For an integration: "Workspace", "Integrations", "New", "Incoming"; enable it and copy its URL, which is
    the secret. For a user: a bot's account, signed in as it, "Profile", "Personal access tokens" shows both
    its id and the token. `alias`, `emoji` and `avatar` are what the messages show as their sender.

    An address is a room, then the mentions: `#ops @here`, `@wangwei`, or with a token a room's id. `-` is the
    integration's own channel; others need "Allow to overwrite destination channel" in the integration.

    `follow_up` says what becomes of later messages about an alert where there is a token: `thread` replies to
    the first one, `update` rewrites it, which notifies nobody, `new` sends each as it is. `max_chars` is the
    workspace's "Maximum Allowed Characters Per Message".
    """

    url: Secret = Secret("")
    server: str = ""
    user_id: str = ""
    token: Secret = Secret("")
    alias: str = ""
    emoji: str = ""
    avatar: str = ""
    follow_up: Literal["thread", "update", "new"] = "thread"
    max_chars: Annotated[int, Meta(ge=1000)] = 5000

    def problems(self) -> list[tuple[str, str]]:
        """Not exactly one of integration and user, or something that can't be right."""
        if bool(self.url) == bool(self.token):
            return [("url", "needs either url (an integration), or server, user_id and token (a user)")]
        if self.url:
            found = [("url", text) for text in (url_problem(self.url.reveal()),) if text]
            return [*found, *([("server", "belongs to a token")] if self.server or self.user_id else [])]
        found = [("server", text) for text in (url_problem(self.server),) if text]
        for name, value in (("user_id", self.user_id), ("token", self.token.reveal())):
            if not re.fullmatch(r"[\w-]+", value, re.ASCII):
                found.append((name, "must be letters, digits, - and _"))
        return found

    def refuses(self, to: str) -> str:
        """Why an address can't be one."""
        target = room_and_mentions(to)
        if wrong := address_problem(to, target, _MENTION, _MENTIONS):
            return wrong
        if not _ROOM.fullmatch(target.room):
            return "a room is #name, @user, or a room's id"
        if self.url and target.room[0] not in "-#@":
            return "an integration's room is `-` (its own), #name or @user"
        if self.token and target.room == OWN:
            return "`-` is an integration's own channel: with a token write #name, @user or a room's id"
        return ""


class RocketChat(HttpBackend):
    """Accepted means that the server says it made a post of the message."""

    type = "rocketchat"
    settings: Settings
    limits = Limits(windows=((10, 60.0),))

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._url = operator_url(settings.url.reveal())
        self._api = f"{settings.server.rstrip('/')}/api/v1"
        self._headers = {"X-User-Id": settings.user_id, "X-Auth-Token": settings.token.reveal()}
        names = {"alias": settings.alias, "emoji": settings.emoji, "avatar": settings.avatar}
        self._sender = {name: value for name, value in names.items() if value}

    async def send(self, message: Message, to: str) -> Receipt:
        """One message; with a token it may be a reply to the first about its alert, or that one rewritten."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        target = room_and_mentions(to)
        composition = compose(message, self.door.clock.now())
        who = " ".join(f"@{name}" for name in target.mentions)
        forms = text_forms(composition, MARKUP, who, utf16_units, self.settings.max_chars)
        if self.settings.token:
            return await plainer(forms, partial(self._by_api, message.handle, target.room))
        return await plainer(forms, partial(self._by_integration, target.room))

    async def check(self) -> list[Check]:
        """Whose token it is; an integration can't be asked without posting."""
        return await examined(self._whose) if self.settings.token else []

    async def _by_integration(self, room: str, text: str) -> Receipt:
        channel = {} if room == OWN else {"channel": room}
        answer = await self.post_json(self._url, {"text": text, **channel, **self._sender})
        rocketchat_answer.required(answer, self.door.clock.now())
        return Receipt()

    async def _by_api(self, handle: str, room: str, text: str) -> Receipt:
        where = {"channel": room} if room[0] in "#@" else {"roomId": room}
        post = {**where, "text": text, **self._sender}
        earlier = _HANDLE.fullmatch(handle)
        if earlier is None or self.settings.follow_up == "new":
            return _receipt(await self._call("chat.postMessage", post))
        try:
            if self.settings.follow_up == "update":
                await self._call("chat.update", {"roomId": earlier[1], "msgId": earlier[2], "text": text})
                return Receipt(id=earlier[2], handle=handle, note="updated")
            reply = _receipt(await self._call("chat.postMessage", post | {"tmid": earlier[2]}))
        except GoneError:
            return _receipt(await self._call("chat.postMessage", post))
        return Receipt(id=reply.id, handle=handle, note="reply")

    async def _call(self, method: str, payload: Json) -> Json:
        answer = await self.post_json(operator_url(f"{self._api}/{method}"), payload, self._headers)
        return rocketchat_answer.required(answer, self.door.clock.now())

    async def _whose(self) -> str:
        answer = await self.ask("GET", operator_url(f"{self._api}/me"), headers=self._headers)
        told = rocketchat_answer.required(answer, self.door.clock.now())
        return f"the token of {told.get('username', '?')}"


def _receipt(told: Json) -> Receipt:
    message = told.get("message")
    post = message if isinstance(message, dict) else {}
    room, name = str(post.get("rid", "")), str(post.get("_id", ""))
    return Receipt(id=name, handle=f"{room}/{name}" if room and name else "")


def escaped(text: str) -> str:
    """Nothing of it is a mention, a link, or styled."""
    return inert(_BRACKET.sub("]\u200b", _MARKS.sub(r"\\\g<0>", text)))


MARKUP: Final = Markup(
    escaped=escaped,
    strong=lambda text: f"*{text}*",
    code=lambda text: fenced(inert(text)),
    link=markdown_link(escaped),
)
