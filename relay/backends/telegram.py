"""Telegram's bot API: messages to chats and topics, with replies and updates.

https://core.telegram.org/bots/api
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Final, Literal

from msgspec import Struct

from relay.backends import telegram_answer
from relay.backends.base import Check, Door, Limits, Pace, Receipt, shared
from relay.backends.chat import (
    Markup,
    Target,
    address_problem,
    inert,
    laid_out,
    room_and_mentions,
    safe_url,
    without_markup,
)
from relay.backends.compose import Composition, Link, compose
from relay.backends.dialect import html
from relay.backends.fit import fit, utf16_units
from relay.backends.http import HttpBackend, HttpSettings, operator_url, url_problem
from relay.backends.meaning import GoneError, examined, plainer
from relay.backends.telegram_answer import MovedError
from relay.errors import RejectedError
from relay.models import Json, Message
from relay.values import Secret

MOST_TEXT: Final = 4096  # UTF-16 units, without the markup
MOST_PLAIN: Final = 1024  # of the form that is sent where the usual one was refused

_ROOM: Final = re.compile(r"(?:-?\d{1,20}|@\w{4,32})(?:/\d{1,10})?", re.ASCII)
_MENTION: Final = re.compile(r"\w{4,32}", re.ASCII)
PER_PERSON: Final = ((1, 1.0),)
PER_GROUP: Final = ((1, 1.0), (20, 60.0))
_MENTIONS: Final = "write @username, or @ and the number of a user"
_TOKEN: Final = re.compile(r"\d{3,20}:[\w-]{3,200}", re.ASCII)
_TAG: Final = re.compile(r"<[^>]*>")


class Settings(HttpSettings, frozen=True, kw_only=True, tag="telegram"):
    """Telegram, as a bot.

    Minimal:

        type: telegram
        token: ${TELEGRAM_BOT_TOKEN}

    Full:

        type: telegram
        token: ${TELEGRAM_BOT_TOKEN}
        api: https://api.telegram.org
        follow_up: reply
        silent: false
        rate: [20/1m]

    Write `/newbot` to @BotFather in Telegram: it answers with the token. Add the bot to the group or channel
    (there it must be an administrator); a person must have written to it first. A chat's number stands in the
    answer of `https://api.telegram.org/bot<token>/getUpdates` after somebody wrote there.

    An address is a chat's number (groups' begin with `-`) or `@channelname`, after a slash the topic's number
    where there are topics, then who is to be mentioned: `-1001234567890/5 @wangwei @4711` (a user's name, or
    the number of one who has none).

    `url` takes the place of `api` and `token`: the whole of it up to the method, `https://proxy/bot<token>`.
    `follow_up` says what becomes of later messages about an alert: `reply` quotes the first one, `update`
    rewrites it, which notifies nobody, `new` sends each as it is. `silent` messages make no sound.

    Telegram takes 30 messages a second, but 20 a minute to one group and one a second to one chat: if one
    group gets them all, set `rate: [20/1m]`.
    """

    token: Secret = Secret("")
    api: str = "https://api.telegram.org"
    url: Secret = Secret("")
    follow_up: Literal["reply", "update", "new"] = "reply"
    silent: bool = False

    def problems(self) -> list[tuple[str, str]]:
        """Not exactly one of token and url, or one that can't be right."""
        if bool(self.url) == bool(self.token):
            return [("token", "needs either token or url (https://host/bot<token>)")]
        if self.url:
            return [("url", text) for text in (url_problem(self.url.reveal()),) if text]
        found = [("api", text) for text in (url_problem(self.api),) if text]
        if not _TOKEN.fullmatch(self.token.reveal()):
            found.append(("token", "a bot's token is a number, a colon, and letters: 123456:ABC-..."))
        return found

    def refuses(self, to: str) -> str:
        """Why an address can't be one."""
        target = room_and_mentions(to)
        if wrong := address_problem(to, target, _MENTION, _MENTIONS):
            return wrong
        if not _ROOM.fullmatch(target.room):
            return "a chat is its number or @channelname, with /TOPIC behind it for a topic's number"
        return ""

    @property
    def base(self) -> str:
        """What stands before the method in each URL."""
        return self.url.reveal().rstrip("/") or f"{self.api.rstrip('/')}/bot{self.token.reveal()}"


class Chat(Struct, frozen=True):
    """A chat, by number where it has one, and a topic in it (0: none)."""

    id: int | str
    topic: int = 0

    @classmethod
    def of(cls, room: str) -> Chat:
        """The chat that an address or a handle names."""
        name, _, topic = room.partition("/")
        return cls(name if name.startswith("@") else int(name), int(topic or 0))

    @property
    def fields(self) -> Json:
        """The chat as every method wants it."""
        return {"chat_id": self.id, **({"message_thread_id": self.topic} if self.topic else {})}


class Telegram(HttpBackend):
    """Accepted means that Telegram stored the message."""

    type = "telegram"
    settings: Settings

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._base = settings.base
        share = shared(self.type, settings.base)
        self.limits = Limits(windows=((30, 1.0),), per_receiver=PER_GROUP, share=share)

    def pace(self, to: str) -> Pace:
        """Topics share their group's limit; a person's number is positive."""
        chat = room_and_mentions(to).room.partition("/")[0].lower()
        return Pace(chat, PER_PERSON if chat.isdecimal() else PER_GROUP)

    async def send(self, message: Message, to: str) -> Receipt:
        """One message, a reply to the first about its alert, or that one rewritten."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        target = room_and_mentions(to)
        composition = compose(message, self.door.clock.now())

        async def call(text: Json) -> Receipt:
            return await self._tell(message.handle, Chat.of(target.room), text)

        return await plainer(forms(composition, target), call)

    async def check(self) -> list[Check]:
        """Whose token it is."""
        return await examined(self._whose)

    async def _tell(self, handle: str, chat: Chat, text: Json) -> Receipt:
        earlier = _Earlier.of(handle)
        if earlier is None or self.settings.follow_up == "new":
            return await self._post(chat, text)
        try:
            if self.settings.follow_up == "update":
                return await self._rewrite(earlier, text)
            chat = Chat(earlier.chat, chat.topic)
            quoted = {"message_id": earlier.message, "allow_sending_without_reply": True}
            receipt = await self._post(chat, text | {"reply_parameters": quoted})
        except GoneError:
            return await self._post(chat, text)
        return Receipt(id=receipt.id, handle=handle, note="reply")

    async def _post(self, chat: Chat, text: Json) -> Receipt:
        """Send to the chat; to the one it has become where it was made a supergroup (once)."""
        payload = text | {"disable_notification": self.settings.silent}
        try:
            return _receipt(await self._call("sendMessage", chat.fields | payload), chat)
        except MovedError as moved:
            now = Chat(moved.to, chat.topic)
            note = f"the chat's number is now {moved.to}"
        receipt = _receipt(await self._call("sendMessage", now.fields | payload), now)
        return Receipt(id=receipt.id, handle=receipt.handle, note=note)

    async def _rewrite(self, earlier: _Earlier, text: Json) -> Receipt:
        payload = {"chat_id": earlier.chat, "message_id": earlier.message, **text}
        await self._call("editMessageText", payload)
        return Receipt(id=str(earlier.message), handle=f"{earlier.chat}/{earlier.message}", note="updated")

    async def _call(self, method: str, payload: Json) -> Json:
        answer = await self.post_json(operator_url(f"{self._base}/{method}"), payload)
        return telegram_answer.required(answer, self.door.clock.now())

    async def _whose(self) -> str:
        return f"the token of @{(await self._call('getMe', {})).get('username', '?')}"


class _Earlier(Struct, frozen=True):
    """The first message about an alert."""

    chat: int | str
    message: int

    @classmethod
    def of(cls, handle: str) -> _Earlier | None:
        chat, _, message = handle.rpartition("/")
        return cls(Chat.of(chat).id, int(message)) if _ROOM.fullmatch(handle) and chat else None


def _receipt(result: Json, chat: Chat) -> Receipt:
    message = result.get("message_id", "")
    return Receipt(id=str(message), handle=f"{chat.id}/{message}" if message else "")


def forms(composition: Composition, target: Target) -> Iterator[Json]:
    """The text as HTML; then, where that was refused, a short one without markup."""
    preview = {"link_preview_options": {"is_disabled": True}}
    who = " ".join(_mention(name) for name in target.mentions)
    text = fit(
        composition,
        lambda told: laid_out(told, MARKUP, who),
        lambda text: utf16_units(shown(text)) <= MOST_TEXT,
    )
    yield {"text": text, "parse_mode": "HTML", **preview}
    who = " ".join(f"@{name}" for name in target.mentions if not name.isdigit())
    text = fit(
        composition,
        lambda told: laid_out(told, without_markup(inert), who),
        lambda text: utf16_units(text) <= MOST_PLAIN,
    )
    yield {"text": text, **preview}


def shown(text: str) -> str:
    """HTML that relay made as Telegram counts it."""
    return unescape(_TAG.sub("", text))


def escaped(text: str) -> str:
    """Nothing of it is a tag, an entity or a mention."""
    return html(inert(text))


def link(one: Link) -> str:
    """A link as its label."""
    return f'<a href="{html(safe_url(one.url))}">{escaped(one.label)}</a>'


MARKUP: Final = Markup(
    escaped=escaped,
    strong=lambda text: f"<b>{text}</b>",
    code=lambda text: f"<pre>{escaped(text)}</pre>",
    link=link,
)


def _mention(name: str) -> str:
    return f'<a href="tg://user?id={name}">{name}</a>' if name.isdigit() else f"@{name}"
