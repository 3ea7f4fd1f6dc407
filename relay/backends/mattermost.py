"""Mattermost: an incoming webhook, or a bot with threads and updates.

https://developers.mattermost.com/integrate/webhooks/incoming/, https://developers.mattermost.com/api-documentation/
"""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Final, Literal

from msgspec import Meta

from relay.backends import mattermost_answer
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
from relay.backends.http import JSON_TYPE, HttpBackend, HttpSettings, json_bytes, operator_url, url_problem
from relay.backends.meaning import GoneError, examined, plainer
from relay.errors import RejectedError
from relay.models import Json, Message
from relay.values import Secret

OWN: Final = "-"  # the channel that the webhook was made for

_ROOM: Final = re.compile(r"-|@?[a-z0-9][a-z0-9._-]{0,63}")
_ID: Final = re.compile(r"[a-z0-9]{26}")
_MENTION: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MENTIONS: Final = "write @ and a user's name, @here, @channel or @all"
_MARKS: Final = re.compile(r"[\\`*_\[\]~|]")


class Settings(HttpSettings, frozen=True, kw_only=True, tag="mattermost"):
    """Mattermost, by an incoming webhook (`url`) or as a bot (`server` and `token`).

    Minimal:

        type: mattermost
        url: ${MATTERMOST_WEBHOOK_URL}

    Full:

        type: mattermost
        server: https://chat.example.com
        token: ${MATTERMOST_BOT_TOKEN}
        follow_up: thread
        max_chars: 16383
        rate: [10/1s]

    For a webhook: main menu, "Integrations", "Incoming Webhooks"; its URL is the secret. `username`,
    `icon_url` and `icon_emoji` are what its messages show as their sender, where the server permits it.
    For a bot: "Integrations", "Bot Accounts"; copy its token, and add the bot to the team and its channels.

    A webhook's address is `-` for its own channel, else a channel's name as in its URL or `@user`; a bot's is
    a channel's id (26 letters and digits, under "View Info"). After it come the mentions:
    `town-square @here`, `- @wangwei`.

    `follow_up` says what a bot does with later messages about an alert: `thread` replies to the first one,
    `update` rewrites it, which notifies nobody, `new` sends each as it is. The server splits what is longer
    than `max_chars` characters.
    """

    url: Secret = Secret("")
    server: str = ""
    token: Secret = Secret("")
    username: str = ""
    icon_url: str = ""
    icon_emoji: str = ""
    follow_up: Literal["thread", "update", "new"] = "thread"
    max_chars: Annotated[int, Meta(ge=1000, le=16_383)] = 16_383

    def problems(self) -> list[tuple[str, str]]:
        """Not exactly one of webhook and bot, or a URL that can't be right."""
        if bool(self.url) == bool(self.token):
            return [("url", "needs either url (an incoming webhook), or server and token (a bot)")]
        if self.url:
            found = [("url", text) for text in (url_problem(self.url.reveal()),) if text]
            return [*found, *([("server", "belongs to a token")] if self.server else [])]
        found = [("server", text) for text in (url_problem(self.server),) if text]
        if not _ID.fullmatch(self.token.reveal()):
            found.append(("token", "a token is 26 small letters and digits"))
        if self.username or self.icon_url or self.icon_emoji:
            found.append(("username", "a bot has its own name and icon: these belong to a webhook"))
        return found

    def refuses(self, to: str) -> str:
        """Why an address can't be one."""
        target = room_and_mentions(to)
        if wrong := address_problem(to, target, _MENTION, _MENTIONS):
            return wrong
        if self.token and not _ID.fullmatch(target.room):
            return "a bot wants the channel's id: 26 small letters and digits"
        if not _ROOM.fullmatch(target.room):
            return "a room is `-` (the webhook's own channel), a channel's name as in its URL, or @user"
        return ""


class Mattermost(HttpBackend):
    """Accepted means that the server made a post of the message."""

    type = "mattermost"
    settings: Settings
    limits = Limits()

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._url = operator_url(settings.url.reveal())
        self._api = f"{settings.server.rstrip('/')}/api/v4"
        self._headers = {"Authorization": f"Bearer {settings.token.reveal()}"}
        names = {
            "username": settings.username,
            "icon_url": settings.icon_url,
            "icon_emoji": settings.icon_emoji,
        }
        self._sender = {name: value for name, value in names.items() if value}

    async def send(self, message: Message, to: str) -> Receipt:
        """One message; a bot's may be a reply to the first about its alert, or that one rewritten."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        target = room_and_mentions(to)
        composition = compose(message, self.door.clock.now())
        who = " ".join(f"@{name}" for name in target.mentions)
        forms = text_forms(composition, MARKUP, who, len, self.settings.max_chars)
        if self.settings.token:
            return await plainer(forms, partial(self._by_api, message.handle, target.room))
        return await plainer(forms, partial(self._by_webhook, target.room))

    async def check(self) -> list[Check]:
        """Whose token it is; a webhook can't be asked without posting."""
        return await examined(self._whose) if self.settings.token else []

    async def _by_webhook(self, room: str, text: str) -> Receipt:
        channel = {} if room == OWN else {"channel": room}
        answer = await self.post_json(self._url, {"text": text, **channel, **self._sender})
        mattermost_answer.require_ok(answer, self.door.clock.now())
        return Receipt()

    async def _by_api(self, handle: str, channel: str, text: str) -> Receipt:
        post = {"channel_id": channel, "message": text}
        if not _ID.fullmatch(handle) or self.settings.follow_up == "new":
            return _receipt(await self._call("POST", "/posts", post))
        try:
            if self.settings.follow_up == "update":
                await self._call("PUT", f"/posts/{handle}/patch", {"message": text})
                return Receipt(id=handle, handle=handle, note="updated")
            reply = _receipt(await self._call("POST", "/posts", post | {"root_id": handle}))
        except GoneError:
            return _receipt(await self._call("POST", "/posts", post))
        return Receipt(id=reply.id, handle=handle, note="reply")

    async def _call(self, method: str, path: str, payload: Json) -> Json:
        url = operator_url(f"{self._api}{path}")
        headers = {"Content-Type": JSON_TYPE, **self._headers}
        answer = await self.ask(method, url, body=json_bytes(payload), headers=headers)
        return mattermost_answer.required(answer, self.door.clock.now())

    async def _whose(self) -> str:
        answer = await self.ask("GET", operator_url(f"{self._api}/users/me"), headers=self._headers)
        told = mattermost_answer.required(answer, self.door.clock.now())
        return f"the token of {told.get('username', '?')}"


def _receipt(post: Json) -> Receipt:
    return Receipt(id=str(post["id"]), handle=str(post["id"]))


def escaped(text: str) -> str:
    """Nothing of it is a mention, a link, or styled."""
    return inert(_MARKS.sub(r"\\\g<0>", text))


MARKUP: Final = Markup(
    escaped=escaped,
    strong=lambda text: f"**{text}**",
    code=lambda text: fenced(inert(text)),  # what Slack's signs mean is looked for in code too
    link=markdown_link(escaped),
)
