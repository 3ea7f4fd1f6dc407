"""ntfy: push messages to whoever subscribed to a topic, on ntfy.sh or a server of one's own."""

from __future__ import annotations

import re
from typing import Final

from msgspec import field
from yarl import URL

from relay.backends.answer import Answer
from relay.backends.base import Check, Door, Limits, Receipt
from relay.backends.codes import Codes, coded
from relay.backends.compose import Composition, compose
from relay.backends.fit import fit, utf8_bytes
from relay.backends.http import (
    HttpBackend,
    HttpSettings,
    json_bytes,
    operator_url,
    secret_problem,
    url_problem,
)
from relay.backends.meaning import PayloadError, otherwise, paused, plainer
from relay.backends.push import basic, titled, urgency, urgency_problems
from relay.errors import BackendDownError, BackendError, RejectedError, TemporaryError
from relay.models import AlertState, Json, Level, Message
from relay.values import Secret

MOST_BYTES: Final = 4096  # of a message; a longer one silently becomes an attachment
MOST_JSON: Final = 2 * MOST_BYTES  # of the whole request: quotes and newlines are escaped in it
MOST_ACTIONS: Final = 3
_TOPIC: Final = re.compile(r"[-_A-Za-z0-9]{1,64}")
_PRIORITY: Final = {
    Level.DEBUG: 1,
    Level.INFO: 2,
    Level.NOTICE: 3,
    Level.WARNING: 3,
    Level.ERROR: 4,
    Level.CRITICAL: 5,
}

# https://docs.ntfy.sh: error codes are the HTTP status and two more digits.
_CODES: Final[Codes] = {
    "40007": (PayloadError, "the priority is not valid"),
    "40009": (RejectedError, "the topic is not valid"),
    "40010": (RejectedError, "the topic's name is not allowed"),
    "40011": (PayloadError, "the message is not UTF-8"),
    "40017": (PayloadError, "the message is not valid JSON"),
    "40018": (PayloadError, "the actions are not valid"),
    "40024": (PayloadError, "the message is not valid JSON"),
    "41301": (PayloadError, "the message is too long, and attachments are off"),
    "41303": (PayloadError, "the message is too large"),
    "42909": (BackendDownError, "too many failed logins: check token, user and password"),
    "50701": (TemporaryError, "the server has no room"),
}
_WAITS: Final = {
    "42901": (5.0, "too many requests"),  # seconds, unless the server names more
    "42908": (3600.0, "the day's messages are used up"),
}


class Settings(HttpSettings, frozen=True, kw_only=True, tag="ntfy"):
    """Push messages by ntfy. An address is a topic: letters, digits, `_` and `-`, at most 64.

    Whoever knows a topic's name reads it, unless the server has access control: then give a `token` (on the
    web page: Account, Access tokens) or `user` and `password` of somebody who may write to it.

    Minimal:

        type: ntfy

    Full:

        type: ntfy
        server: https://ntfy.example.com
        token: ${NTFY_TOKEN}
        priority: {critical: 5, error: 5, warning: 3}
        tags: [rotating_light]
        update: false

    `priority` is 1 (silent) to 5 for each level, `tags` are words or names of emoji. With `update` news of an
    alert takes the place of what was shown before (servers since 2.16; older ones show each).
    """

    server: str = "https://ntfy.sh"
    token: Secret | None = None
    user: str = ""
    password: Secret | None = None
    priority: dict[str, int] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    update: bool = True

    def problems(self) -> list[tuple[str, str]]:
        """A server that is no URL, two kinds of credentials, priorities that aren't."""
        found = [("server", text) for text in (url_problem(self.server),) if text]
        found += [("token", text) for text in (secret_problem(self.token),) if text]
        if self.token and (self.user or self.password):
            found.append(("token", "either a token, or user and password"))
        if bool(self.user) != bool(self.password):
            found.append(("user" if self.user else "password", "user and password go together"))
        found += urgency_problems("priority", self.priority)
        if not all(1 <= number <= 5 for number in self.priority.values()):
            found.append(("priority", "a priority is 1 to 5"))
        return found

    def refuses(self, to: str) -> str:
        """Why that can't be a topic."""
        return "" if _TOPIC.fullmatch(to) else "a topic is of letters, digits, _ and -, at most 64"


class Ntfy(HttpBackend):
    """Publishes to a topic; accepted means that the server gave the message an id."""

    type = "ntfy"
    settings: Settings
    limits = Limits(windows=((60, 300.0),))  # a burst of 60, then one in 5 s

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._server = settings.server.rstrip("/")
        self._url = operator_url(f"{self._server}/")
        self._headers = {}
        if settings.token:
            self._headers["Authorization"] = f"Bearer {settings.token.reveal()}"
        elif settings.password:
            self._headers["Authorization"] = basic(settings.user, settings.password)

    async def send(self, message: Message, to: str) -> Receipt:
        """Publish to one topic; news of an alert replaces what was shown of it."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        forms = (self._payload(message, to, bare=bare) for bare in (False, True))
        answer = await plainer(forms, self._publish)
        ident = answer.code("id")
        if not ident:
            raise TemporaryError("an answer without an id", detail=answer.detail, limit=3)
        return Receipt(id=ident, handle=message.handle or ident)

    async def check(self) -> list[Check]:
        """Whether the server is up, and takes the credentials."""
        return [
            await self._check("/v1/health", "the server is up"),
            await self._check("/v1/account", "the credentials are good"),
        ]

    async def _publish(self, payload: Json) -> Answer:
        answer = await self.post_json(self._url, payload, self._headers)
        self._accept(answer)
        return answer

    async def _check(self, path: str, meaning: str) -> Check:
        try:
            url = URL(self._server + path, encoded=True)
            self._accept(await self.ask("GET", url, headers=self._headers))
        except BackendError as error:
            return Check(ok=False, text=f"{path}: {error}", code=error.code)
        return Check(ok=True, text=meaning)

    def _payload(self, message: Message, to: str, *, bare: bool) -> Json:
        """The message within the server's limits; `bare` for one that was refused as it was."""
        around = {"topic": to} if bare else self._around(message, to)
        most = MOST_BYTES // 4 if bare else MOST_BYTES

        def form(told: Composition) -> Json:
            parts = titled(told)
            return {**around, "title": parts.title, "message": parts.text}

        def fits(payload: Json) -> bool:
            return utf8_bytes(payload["message"]) <= most and len(json_bytes(payload)) <= MOST_JSON

        return fit(compose(message, self.door.clock.now()), form, fits)

    def _around(self, message: Message, to: str) -> Json:
        """All but the text."""
        urls = message.links[:MOST_ACTIONS]
        payload: Json = {
            "topic": to,
            "priority": urgency(message, _PRIORITY, self.settings.priority),
            "tags": [*self.settings.tags, *_state_tags(message)],
            "actions": [{"action": "view", "label": label, "url": url} for label, url in urls],
        }
        if urls:
            payload["click"] = urls[0][1]
        if self.settings.update and message.handle:
            payload["sequence_id"] = message.handle
        return payload

    def _accept(self, answer: Answer) -> None:
        """Raise what the answer's code says, or else its status."""
        code = answer.code("code")
        now = self.door.clock.now()
        if code in _WAITS:
            seconds, words = _WAITS[code]
            raise paused(code, answer, now, seconds, words=words)
        if failure := coded(code, _CODES, answer):
            raise failure
        if not answer.accepted:
            raise otherwise(code, answer, now)


def _state_tags(message: Message) -> tuple[str, ...]:
    """The emoji that clients show before the title."""
    if message.state is AlertState.RESOLVED:
        return ("white_check_mark",)
    return ("warning",) if message.level >= Level.ERROR else ()
