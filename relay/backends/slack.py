"""Slack: an incoming webhook, or the Web API with threads and updates.

https://docs.slack.dev/messaging/formatting-message-text, https://docs.slack.dev/reference/methods/chat.postMessage
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final, Literal

from msgspec import Struct, structs

from relay.backends import slack_answer
from relay.backends.base import Check, Door, Limits, Pace, Receipt, shared
from relay.backends.chat import (
    Markup,
    Target,
    address_problem,
    fenced,
    only_mentions,
    room_and_mentions,
    safe_url,
    text_forms,
)
from relay.backends.compose import Composition, Link, compose
from relay.backends.fit import utf16_units
from relay.backends.http import HttpBackend, HttpSettings, operator_url, url_problem
from relay.backends.meaning import GoneError, examined, plainer
from relay.errors import RejectedError
from relay.models import AlertState, Json, Message
from relay.values import Secret

MOST_TEXT: Final = 4000  # characters that chat.update takes; chat.postMessage takes more

_ROOM: Final = re.compile(r"[CDGU][A-Z0-9]{2,}|#[^\s#@<>&|]{1,80}")
_MENTION: Final = re.compile(r"here|channel|everyone|[UWS][A-Z0-9]{2,}")
PER_CHANNEL: Final = ((5, 5.0),)  # one a second, "short bursts" allowed
_MENTIONS: Final = "write @here, @channel, @everyone, or @ and the id of a user (U...) or user group (S...)"
_TOKEN: Final = re.compile(r"xox[a-z](?:\.xox[a-z])?-[\w.-]+", re.ASCII)

_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}  # all that Slack wants escaped
# What makes text bold and the like has no escape: in front of or behind a word it gives way to its likeness.
_LIKENESS: Final = {"*": "∗", "_": "＿", "~": "∼", "`": "ˋ"}
_STYLE: Final = re.compile(r"(?<!\w)[*_~`]|[*_~`](?!\w)")


class Settings(HttpSettings, frozen=True, kw_only=True, tag="slack"):
    """Slack, by an incoming webhook (`url`) or as a bot (`token`).

    Minimal:

        type: slack
        url: ${SLACK_WEBHOOK_URL}

    Full:

        type: slack
        token: ${SLACK_BOT_TOKEN}
        api: https://slack.com/api
        follow_up: thread
        rate: [5/5s]

    At https://api.slack.com/apps create an app for the workspace. For a webhook switch on "Incoming Webhooks"
    and add one to a channel: its URL is the secret. For a bot add the scope `chat:write` under "OAuth &
    Permissions", install the app, copy the token (`xoxb-...`), and invite the bot to its channels.

    A webhook writes to its own channel: an address is any name for it, and who is to be mentioned:
    `ops`, `ops @here`, `@U024BE7LH`. With a token an address is a channel's or user's id or `#name`, then the
    mentions: `C024BE91L @channel @S0614TZR7`. Mentions are `@here`, `@channel`, `@everyone`, and ids of users
    (`U...`) and of user groups (`S...`).

    `follow_up` says what a bot does with later messages about an alert: `thread` replies to the first one,
    and shows the resolution in the channel too; `update` rewrites the first one, which notifies nobody; `new`
    sends each as it is.
    """

    url: Secret = Secret("")
    token: Secret = Secret("")
    api: str = "https://slack.com/api"
    follow_up: Literal["thread", "update", "new"] = "thread"

    def problems(self) -> list[tuple[str, str]]:
        """Not exactly one of url and token, or one that can't be right."""
        if bool(self.url) == bool(self.token):
            return [("url", "needs either url (an incoming webhook) or token (a bot)")]
        if self.url:
            return [("url", text) for text in (url_problem(self.url.reveal()),) if text]
        found = [("api", text) for text in (url_problem(self.api),) if text]
        if not _TOKEN.fullmatch(self.token.reveal()):
            found.append(("token", "a bot's token begins with xoxb-"))
        return found

    def refuses(self, to: str) -> str:
        """Why an address can't be one."""
        target = self.target(to)
        if wrong := address_problem(to, target, _MENTION, _MENTIONS):
            return wrong
        if self.token and not _ROOM.fullmatch(target.room):
            return "a room is a channel's or user's id (C024BE91L) or #name"
        return ""

    def target(self, to: str) -> Target:
        """The address in its parts."""
        return room_and_mentions(to) if self.token else only_mentions(to)


class Thread(Struct, frozen=True):
    """The first message about an alert. Its time stamp is its name: text, as no float holds it."""

    channel: str
    ts: str

    @classmethod
    def of(cls, handle: str) -> Thread | None:
        """What an earlier Receipt's handle names, if anything."""
        channel, _, ts = handle.partition("/")
        return cls(channel, ts) if channel and ts else None

    @property
    def handle(self) -> str:
        """For the next message about the alert."""
        return f"{self.channel}/{self.ts}"


class Slack(HttpBackend):
    """Accepted means that Slack stored the message."""

    type = "slack"
    settings: Settings

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        if settings.url:  # a webhook writes to one channel
            self.limits = Limits(windows=PER_CHANNEL, share=shared(self.type, settings.url.reveal()))
        else:
            self.limits = Limits(per_receiver=PER_CHANNEL, share=shared(self.type, settings.token.reveal()))
        self._url = operator_url(settings.url.reveal())
        self._api = settings.api.rstrip("/")
        self._headers = {"Authorization": f"Bearer {settings.token.reveal()}"}

    async def send(self, message: Message, to: str) -> Receipt:
        """One message, a reply to the first about its alert, or that one rewritten."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        composition = compose(message, self.door.clock.now())
        target = self.settings.target(to)
        if self.settings.url:
            return await plainer(forms(composition, target), self._by_webhook)
        return await plainer(forms(composition, target), partial(self._by_api, message, target.room))

    def pace(self, to: str) -> Pace:
        """Whoever is mentioned, the channel counts."""
        return Pace(self.settings.target(to).room, self.limits.per_receiver)

    async def check(self) -> list[Check]:
        """Whose token it is; of a webhook, whether it is one."""
        return await examined(self._whose_webhook if self.settings.url else self._whose_token)

    async def _by_webhook(self, text: str) -> Receipt:
        answer = await self.post_json(self._url, _payload(text))
        slack_answer.require_posted(answer, self.door.clock.now())
        return Receipt()

    async def _by_api(self, message: Message, room: str, text: str) -> Receipt:
        thread = Thread.of(message.handle)
        if thread is None or self.settings.follow_up == "new":
            return await self._post({"channel": room, **_payload(text)})
        try:
            return await self._follow(thread, message, text)
        except GoneError:
            return await self._post({"channel": room, **_payload(text)})

    async def _follow(self, thread: Thread, message: Message, text: str) -> Receipt:
        payload = {"channel": thread.channel, **_payload(text)}
        if self.settings.follow_up == "update":
            await self._call("chat.update", payload | {"ts": thread.ts})
            return Receipt(id=thread.ts, handle=thread.handle, note="updated")
        shown = message.state is AlertState.RESOLVED
        reply = await self._post(payload | {"thread_ts": thread.ts, "reply_broadcast": shown})
        return structs.replace(reply, handle=thread.handle, note="reply")

    async def _post(self, payload: Json) -> Receipt:
        told = await self._call("chat.postMessage", payload)
        thread = Thread(str(told.get("channel", "")), str(told.get("ts", "")))
        return Receipt(id=thread.ts, handle=thread.handle)

    async def _call(self, method: str, payload: Json) -> Json:
        answer = await self.post_json(operator_url(f"{self._api}/{method}"), payload, self._headers)
        return slack_answer.required(answer, self.door.clock.now())

    async def _whose_token(self) -> str:
        told = await self._call("auth.test", {})
        return f"the token of {told.get('user', '?')} in {told.get('team', '?')}"

    async def _whose_webhook(self) -> str:
        """A message without text isn't posted, and refused as such only by a webhook that exists."""
        answer = await self.post_json(self._url, {})
        if answer.body.strip() not in {b"no_text", b"invalid_payload"}:
            slack_answer.require_posted(answer, self.door.clock.now())
        return "the webhook exists"


def forms(composition: Composition, target: Target) -> Iterator[str]:
    """The text as it should be, then a short one without markup."""
    mentions = " ".join(_mention(name) for name in target.mentions)
    return text_forms(composition, MARKUP, mentions, utf16_units, MOST_TEXT)


def escaped(text: str) -> str:
    """Nothing of it is a mention, a link or styled."""
    return _entities(_STYLE.sub(lambda found: _LIKENESS[found[0]], text))


def link(one: Link) -> str:
    """A link as its label."""
    return f"<{_entities(safe_url(one.url))}|{escaped(one.label).replace('|', '｜')}>"


def _entities(text: str) -> str:
    return "".join(_ENTITIES.get(char, char) for char in text)


MARKUP: Final = Markup(
    escaped=escaped,
    strong=lambda text: f"*{text}*",
    code=lambda text: fenced(_entities(text)),
    link=link,
)


def _mention(name: str) -> str:
    if name in {"here", "channel", "everyone"}:
        return f"<!{name}>"
    return f"<!subteam^{name}>" if name.startswith("S") else f"<@{name}>"


def _payload(text: str) -> Json:
    return {"text": text, "unfurl_links": False, "unfurl_media": False}
