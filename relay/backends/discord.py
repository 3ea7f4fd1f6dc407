"""Discord: a channel's webhook, whose messages can be rewritten.

https://discord.com/developers/docs/resources/webhook#execute-webhook
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct
from yarl import URL

from relay.backends import discord_answer
from relay.backends.answer import Answer
from relay.backends.base import Check, Door, Limits, Receipt, shared
from relay.backends.chat import (
    Markup,
    address_problem,
    fenced,
    markdown_link,
    only_mentions,
    severity,
    text_forms,
)
from relay.backends.compose import compose
from relay.backends.dialect import headline, markdown
from relay.backends.fit import clip, utf16_units
from relay.backends.http import JSON_TYPE, HttpBackend, HttpSettings, json_bytes, operator_url, url_problem
from relay.backends.meaning import GoneError, examined, plainer
from relay.errors import RejectedError
from relay.models import Json, Message
from relay.values import Secret

MOST_TEXT: Final = 4096  # characters of an embed's description
MOST_THREAD_NAME: Final = 100

COLOURS: Final = {"good": 0x2EB67D, "info": 0x3498DB, "warning": 0xF1C40F, "bad": 0xE01E5A}
_KEY: Final = re.compile(r"\d{3,20}/[\w-]{3,200}", re.ASCII)
_MENTION: Final = re.compile(r"everyone|here|&?\d{3,20}", re.ASCII)
_MENTIONS: Final = "write @everyone, @here, @ and a user's id, or @& and a role's id"
_ROOM: Final = re.compile(r"thread:(\d{3,20})", re.ASCII)
_NAME: Final = re.compile(r"(?i)(?!.*(?:clyde|discord)).{0,80}")


class Settings(HttpSettings, frozen=True, kw_only=True, tag="discord"):
    """Discord, by a channel's webhook.

    Minimal:

        type: discord
        url: ${DISCORD_WEBHOOK_URL}

    Full:

        type: discord
        key: ${DISCORD_WEBHOOK_KEY}
        api: https://discord.com/api/v10
        username: relay
        avatar_url: https://relay.example.com/relay.png
        follow_up: update
        forum: false
        rate: [5/2s]

    In the channel's settings under "Integrations" make a webhook and copy its URL: it is the secret. `key` is
    the part of it behind `/webhooks/`, ID/TOKEN, and takes the place of `url`.

    The webhook writes to its own channel: an address is any name for it, or `thread:ID` for a thread in it,
    then who is to be mentioned: `ops @here`, `@80351110224678912` (a user's id), `@&165511591545143296` (a
    role's). `username` and `avatar_url` are what the messages show as their sender. In a forum
    (`forum: true`) each alert becomes a post.

    `follow_up: update` rewrites the first message when more is to be said about its alert, which notifies
    nobody; `new` sends each message as it is.
    """

    url: Secret = Secret("")
    key: Secret = Secret("")
    api: str = "https://discord.com/api/v10"
    username: str = ""
    avatar_url: str = ""
    follow_up: Literal["update", "new"] = "update"
    forum: bool = False

    def problems(self) -> list[tuple[str, str]]:
        """Not exactly one of url and key, or something that Discord would refuse."""
        if bool(self.url) == bool(self.key):
            return [("url", "needs either url or key (the ID/TOKEN of a webhook)")]
        found = [("url" if self.url else "api", text) for text in (url_problem(self.base),) if text]
        if self.key and not _KEY.fullmatch(self.key.reveal()):
            found.append(("key", "is the part of the URL behind /webhooks/: a number, a slash, a token"))
        if not _NAME.fullmatch(self.username):
            found.append(("username", "at most 80 characters, without `clyde` or `discord`"))
        return found

    def refuses(self, to: str) -> str:
        """Why an address can't be one."""
        target = only_mentions(to)
        if wrong := address_problem(to, target, _MENTION, _MENTIONS):
            return wrong
        if target.room.startswith("thread:") and not _ROOM.fullmatch(target.room):
            return "a thread is thread: and its id"
        return ""

    @property
    def base(self) -> str:
        """The webhook's URL."""
        return self.url.reveal() or f"{self.api.rstrip('/')}/webhooks/{self.key.reveal()}"


class Posted(Struct, frozen=True):
    """The first message about an alert; `thread` is "" for one in the channel itself."""

    id: str
    thread: str = ""

    @classmethod
    def of(cls, handle: str) -> Posted | None:
        """What an earlier Receipt's handle names, if anything."""
        found = re.fullmatch(r"(\d+)(?:/(\d+))?", handle, re.ASCII)
        return cls(found[1], found[2] or "") if found else None

    @property
    def handle(self) -> str:
        """For the next message about the alert."""
        return f"{self.id}/{self.thread}" if self.thread else self.id


class Discord(HttpBackend):
    """Accepted means that Discord stored the message, and told its id."""

    type = "discord"
    settings: Settings

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        base, _, query = settings.base.partition("?")
        self.limits = Limits(windows=((5, 2.0),), share=shared(self.type, base))  # each webhook's
        self._base = base.rstrip("/")
        self._query = tuple(query.split("&")) if query else ()
        names = {"username": settings.username, "avatar_url": settings.avatar_url}
        self._sender = {name: value for name, value in names.items() if value}

    async def send(self, message: Message, to: str) -> Receipt:
        """One message, or the first about its alert rewritten."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        found = _ROOM.fullmatch(only_mentions(to).room)
        thread = found[1] if found else ""

        async def call(payload: Json) -> Receipt:
            return await self._tell(message, thread, payload)

        return await plainer(self._forms(message, only_mentions(to).mentions), call)

    async def check(self) -> list[Check]:
        """Which webhook it is."""
        return await examined(self._which)

    async def _tell(self, message: Message, thread: str, payload: Json) -> Receipt:
        earlier = Posted.of(message.handle)
        if earlier is None or self.settings.follow_up == "new":
            return await self._post(message, thread, payload)
        try:
            return await self._rewrite(earlier, payload)
        except GoneError:
            return await self._post(message, thread, payload)

    async def _post(self, message: Message, thread: str, payload: Json) -> Receipt:
        payload = payload | self._sender
        if self.settings.forum and not thread:
            payload["thread_name"] = clip(headline(compose(message, self.door.clock.now())), MOST_THREAD_NAME)
        answer = await self._ask("POST", "", payload, "wait=true", *_in(thread))
        told = discord_answer.required(answer, self.door.clock.now())
        if not told:
            return Receipt(note="not confirmed")
        thread = str(told.get("channel_id", "")) if "thread_name" in payload else thread
        posted = Posted(str(told["id"]), thread)
        return Receipt(id=posted.id, handle=posted.handle)

    async def _rewrite(self, posted: Posted, payload: Json) -> Receipt:
        answer = await self._ask("PATCH", f"/messages/{posted.id}", payload, *_in(posted.thread))
        try:
            discord_answer.required(answer, self.door.clock.now())
        except RejectedError as error:
            if error.code not in discord_answer.PLACES:
                raise
            raise GoneError(str(error), code=error.code, detail=error.detail) from None
        return Receipt(id=posted.id, handle=posted.handle, note="updated")

    async def _which(self) -> str:
        answer = await self.ask("GET", self._url(""))
        told = discord_answer.required(answer, self.door.clock.now())
        return f"the webhook {told.get('name', '?')} of channel {told.get('channel_id', '?')}"

    async def _ask(self, method: str, path: str, payload: Json, *query: str) -> Answer:
        headers = {"Content-Type": JSON_TYPE}
        return await self.ask(method, self._url(path, *query), body=json_bytes(payload), headers=headers)

    def _url(self, path: str, *query: str) -> URL:
        parts = "&".join((*self._query, *query))
        return operator_url(f"{self._base}{path}?{parts}" if parts else f"{self._base}{path}")

    def _forms(self, message: Message, mentions: tuple[str, ...]) -> Iterator[Json]:
        """The message as an embed; then, where that was refused, a short text."""
        composition = compose(message, self.door.clock.now())
        who = " ".join(_mention(name) for name in mentions)
        rich, plain = text_forms(composition, MARKUP, "", utf16_units, MOST_TEXT), who
        allowed = {"allowed_mentions": _allowed(mentions)}
        embed = {"description": next(rich), "color": COLOURS[severity(message)]}
        yield {"content": who, "embeds": [embed], **allowed}
        yield {"content": f"{plain}\n{next(rich)}".strip(), "embeds": [], **allowed}


def _allowed(mentions: tuple[str, ...]) -> Json:
    """Who may be notified: nobody but those of the address."""
    return {
        "parse": ["everyone"] if {"everyone", "here"} & set(mentions) else [],
        "users": [name for name in mentions if name.isdigit()],
        "roles": [name[1:] for name in mentions if name.startswith("&")],
    }


def _mention(name: str) -> str:
    return f"@{name}" if name in {"everyone", "here"} else f"<@{name}>"


def _in(thread: str) -> tuple[str, ...]:
    return (f"thread_id={thread}",) if thread else ()


MARKUP: Final = Markup(
    escaped=markdown,
    strong=lambda text: f"**{text}**",
    code=fenced,
    link=markdown_link(markdown),
)
