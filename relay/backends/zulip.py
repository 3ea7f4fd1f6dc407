"""Zulip: messages to a channel's topic, one topic for each alert, or to people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from msgspec import Meta, Struct, structs
from yarl import URL

from relay.backends.answer import PAUSE, Answer, retry_after
from relay.backends.base import Check, Door, Limits, Receipt
from relay.backends.codes import Codes, coded
from relay.backends.compose import Composition, compose
from relay.backends.fenced import fenced
from relay.backends.fit import clip, fit
from relay.backends.http import HttpBackend, HttpSettings, url_problem
from relay.backends.meaning import PayloadError, otherwise, plainer
from relay.backends.push import basic
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError
from relay.models import AlertState, Message
from relay.values import Secret

MOST_TOPIC: Final = 60  # characters; the server cuts longer ones, and alerts would share a topic
FORM_TYPE: Final = "application/x-www-form-urlencoded"
RESOLVED: Final = "✔ "  # what Zulip itself puts before a resolved topic's name
_MAIL: Final = re.compile(r"[^\s@,#>]+@[^\s@,#>]+")
_MENTION: Final = re.compile(r"\s+(@\*\*[^*\n]+\*\*|@\*[^*\n]+\*)$")

_CODES: Final[Codes] = {
    "UNAUTHORIZED": (BackendDownError, "the credentials were refused"),
    "INVALID_API_KEY": (BackendDownError, "the API key is not valid"),
    "USER_DEACTIVATED": (BackendDownError, "the bot's account is deactivated"),
    "REALM_DEACTIVATED": (BackendDownError, "the organisation is deactivated"),
    "STREAM_DOES_NOT_EXIST": (RejectedError, "no such channel"),
    "TOPIC_WILDCARD_MENTION_NOT_ALLOWED": (RejectedError, "the bot may not mention everybody"),
    "STREAM_WILDCARD_MENTION_NOT_ALLOWED": (RejectedError, "the bot may not mention everybody"),
    "BAD_REQUEST": (PayloadError, "the receiver or the message was refused"),
}


class Settings(HttpSettings, frozen=True, kw_only=True, tag="zulip"):
    """Messages by Zulip. An address is `#channel`, `#channel > topic`, or mail addresses with commas between.

    Add a bot (Personal settings, Bots, Incoming webhook or Generic), and take its mail address and API key;
    to write to a private channel it must be subscribed. `@**Full Name**` or `@*group*` after a channel, as in
    `#ops @**Ann Lee** @*oncall*`, mentions them.

    Minimal:

        type: zulip
        site: https://example.zulipchat.com
        email: relay-bot@example.zulipchat.com
        api_key: ${ZULIP_API_KEY}

    Full:

        type: zulip
        site: https://zulip.example.com
        email: relay-bot@zulip.example.com
        api_key: ${ZULIP_API_KEY}
        topic: alerts
        news: edit
        resolve_topics: false
        max_characters: 4000

    Each alert has a topic of its own, named after it, unless the address or `topic` names one.
    `news: edit` rewrites the first message about an alert when more is to be said, which notifies nobody.
    `resolve_topics` marks the topic with a ✔ when the alert is over (the bot must be allowed to).
    """

    site: str
    email: str
    api_key: Secret
    topic: str = ""
    news: Literal["new", "edit"] = "new"
    resolve_topics: bool = False
    max_characters: Annotated[int, Meta(ge=1000, le=10_000)] = 10_000  # the server cuts longer messages

    def problems(self) -> list[tuple[str, str]]:
        """A site that is no URL, a bot's address that is none, a topic too long."""
        found = [("site", text) for text in (url_problem(self.site),) if text]
        if not _MAIL.fullmatch(self.email):
            found.append(("email", "must be the bot's mail address"))
        if len(self.topic) > MOST_TOPIC:
            found.append(("topic", f"at most {MOST_TOPIC} characters"))
        return found

    def refuses(self, to: str) -> str:
        """Why that can be neither channel nor people."""
        place = _place(to)
        if not to.isprintable() or not (place.channel or place.people):
            return "an address is #channel, #channel > topic, or mail addresses with commas between"
        if len(place.topic) > MOST_TOPIC:
            return f"a topic has at most {MOST_TOPIC} characters"
        return ""


class Place(Struct, frozen=True):
    """What an address means."""

    channel: str = ""
    topic: str = ""
    mentions: str = ""
    people: tuple[str, ...] = ()


class Zulip(HttpBackend):
    """Posts messages as a bot; accepted means `result: success`."""

    type = "zulip"
    settings: Settings
    limits = Limits(windows=((200, 60.0),), concurrency=16)

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._api = f"{settings.site.rstrip('/')}/api/v1"
        self._headers = {"Authorization": basic(settings.email, settings.api_key)}

    async def send(self, message: Message, to: str) -> Receipt:
        """Post it; news of an alert goes to its topic, which is the thread."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        place = _place(to)
        topic = place.topic or self.settings.topic or _topic(message)
        if place.channel:
            form = {"type": "stream", "to": place.channel, "topic": topic}
        else:
            form = {"type": "private", "to": json.dumps(place.people)}
        ident = await self._rewritten(message, place) or await self._posted(message, place, form)
        if place.channel and message.state is AlertState.RESOLVED and self.settings.resolve_topics:
            await self._resolve(ident, topic)
        return Receipt(id=ident, handle=ident)

    async def check(self) -> list[Check]:
        """Whether the site answers, and takes the credentials."""
        try:
            answer = await self._ask("GET", "/users/me")
        except BackendError as error:
            return [Check(ok=False, text=str(error), code=error.code)]
        return [Check(ok=True, text=f"the bot is {answer.code('full_name')}")]

    async def _posted(self, message: Message, place: Place, form: dict[str, str]) -> str:
        """The id of a new message."""
        contents = self._contents(message, place.mentions)
        answer = await plainer(
            contents, lambda text: self._ask("POST", "/messages", {**form, "content": text})
        )
        return answer.code("id")

    async def _rewritten(self, message: Message, place: Place) -> str:
        """The id of the alert's first message, now with this in it; "" where there is none to rewrite."""
        ident = message.handle
        if self.settings.news != "edit" or not ident.isdecimal():
            return ""
        text = next(self._contents(message, place.mentions))
        try:
            await self._ask("PATCH", f"/messages/{ident}", {"content": text})
        except RejectedError:
            return ""  # deleted, or older than the organisation lets messages be changed
        return ident

    async def _resolve(self, ident: str, topic: str) -> None:
        """Mark the topic. The message was accepted: what happens here must not make it be sent again."""
        name = RESOLVED + clip(topic, MOST_TOPIC - len(RESOLVED))
        with suppress(BackendError):
            await self._ask("PATCH", f"/messages/{ident}", {"topic": name, "propagate_mode": "change_all"})

    def _contents(self, message: Message, mentions: str) -> Iterator[str]:
        """The text as it should be; then, for when that was refused, a quarter of it."""

        def render(told: Composition) -> str:
            return f"{mentions}\n\n{fenced(told)}" if mentions else fenced(told)

        composition = compose(message, self.door.clock.now())
        most = self.settings.max_characters
        yield fit(composition, render, lambda text: len(text) <= most)
        yield fit(composition, render, lambda text: len(text) <= most // 4)

    async def _ask(self, method: str, path: str, form: dict[str, str] | None = None) -> Answer:
        """One call; raises what the answer's code or status says."""
        url = URL(self._api + path, encoded=True)
        headers = {**self._headers, "Content-Type": FORM_TYPE} if form else self._headers
        body = urlencode(form).encode() if form else None
        answer = await self.ask(method, url, body=body, headers=headers)
        if answer.accepted and answer.code("result") == "success":
            return answer
        code = answer.code("code")
        if code == "RATE_LIMIT_HIT":
            raise RateLimitedError(
                f"{code}: too many messages", retry_after=self._wait(answer), code=code, detail=answer.detail
            )
        if failure := coded(code, _CODES, answer):
            raise failure
        if not answer.accepted:
            raise otherwise(code, answer, self.door.clock.now())
        raise TemporaryError("an answer without success", code=code, detail=answer.detail, limit=3)

    def _wait(self, answer: Answer) -> float:
        """Seconds, the longer of what header and body say."""
        now = self.door.clock.now()
        told = (answer.headers.get("Retry-After", ""), answer.code("retry-after"))
        waits = [wait for text in told if (wait := retry_after(text, now)) is not None]
        return max(waits, default=PAUSE)


def _place(to: str) -> Place:
    to = to.strip()
    if not to.startswith("#"):
        people = tuple(part.strip() for part in to.split(","))
        return Place(people=people) if all(map(_MAIL.fullmatch, people)) else Place()
    mentions: list[str] = []
    while found := _MENTION.search(to):
        mentions.insert(0, found[1])
        to = to[: found.start()]
    channel, _, topic = to[1:].partition(">")
    return Place(channel.strip(), topic.strip(), " ".join(mentions))


def _topic(message: Message) -> str:
    """An alert's topic; where its name must be cut, part of the fingerprint keeps it apart from others."""
    told = compose(structs.replace(message, wording=None), 0.0)  # a template's words may change every time
    name = told.subject or "relay"
    if len(name) <= MOST_TOPIC:
        return name
    mark = f" {message.fingerprint[:6]}"
    return clip(name, MOST_TOPIC - len(mark)) + mark
