"""Gotify: push messages from a server of one's own."""

from __future__ import annotations

from functools import partial
from typing import Final

from msgspec import field
from yarl import URL

from relay.backends.answer import Answer
from relay.backends.base import Check, Door, Limits, Receipt
from relay.backends.compose import compose
from relay.backends.fit import fit, utf8_bytes
from relay.backends.http import HttpBackend, HttpSettings, operator_url, secret_problem, url_problem
from relay.backends.meaning import otherwise, plainer
from relay.backends.push import titled, urgency, urgency_problems
from relay.errors import BackendError, TemporaryError
from relay.models import Json, Level, Message
from relay.values import Secret

MOST_BYTES: Final = 32 * 1024  # of a text; the server has no limit, but its MySQL column has one of 64 KiB
MOST_BARE: Final = 1024
_PRIORITY: Final = {
    Level.DEBUG: 0,
    Level.INFO: 1,
    Level.NOTICE: 2,
    Level.WARNING: 4,
    Level.ERROR: 7,
    Level.CRITICAL: 10,
}


class Settings(HttpSettings, frozen=True, kw_only=True, tag="gotify"):
    """Push messages by Gotify. An address is free text: the token alone says whose devices are meant.

    Create an application in Gotify's web page (Apps) and take its token, which begins with `A`.

    Minimal:

        type: gotify
        server: https://gotify.example.com
        token: ${GOTIFY_TOKEN}

    Full:

        type: gotify
        server: https://example.com/gotify
        token: ${GOTIFY_TOKEN}
        priority: {critical: 10, error: 8, warning: 5, info: 0}

    `priority` is 0 to 10 for each level; the Android app makes a sound from 4 on and insists from 8 on.
    """

    server: str
    token: Secret
    priority: dict[str, int] = field(default_factory=dict)

    def problems(self) -> list[tuple[str, str]]:
        """A server that is no URL, a token of another kind, priorities that aren't."""
        found = [("server", text) for text in (url_problem(self.server),) if text]
        if self.token.reveal()[:1] == "C":
            found.append(("token", "this is a client's token; an application's begins with A"))
        found += [("token", text) for text in (secret_problem(self.token),) if text]
        found += urgency_problems("priority", self.priority)
        if not all(0 <= number <= 10 for number in self.priority.values()):
            found.append(("priority", "a priority is 0 to 10"))
        return found


class Gotify(HttpBackend):
    """Posts to one application; accepted means that the server gave the message an id."""

    type = "gotify"
    settings: Settings
    limits = Limits()

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._server = settings.server.rstrip("/")
        self._url = operator_url(f"{self._server}/message")
        self._headers = {"X-Gotify-Key": settings.token.reveal()}

    async def send(self, message: Message, to: str) -> Receipt:
        """Post it to the application; the server has no way to update or thread."""
        del to
        answer = await plainer((False, True), partial(self._post, message))
        ident = answer.code("id")
        if not ident:
            raise TemporaryError("an answer without an id", detail=answer.detail, limit=3)
        return Receipt(id=ident)

    async def _post(self, message: Message, bare: bool) -> Answer:  # noqa: FBT001 - a form
        answer = await self.post_json(self._url, self._payload(message, bare=bare), self._headers)
        if not answer.accepted:
            raise otherwise("", answer, self.door.clock.now())
        return answer

    async def check(self) -> list[Check]:
        """Whether the server is up; an application's token can't be tried without a message."""
        try:
            answer = await self.ask("GET", URL(f"{self._server}/health", encoded=True))
            self.accept(answer)
        except BackendError as error:
            return [Check(ok=False, text=str(error), code=error.code)]
        health = answer.code("health")
        return [Check(ok=health == "green", text=f"health: {health or 'unknown'}")]

    def _payload(self, message: Message, *, bare: bool) -> Json:
        """The whole message; `bare` is a short one, for a server that refused that."""
        most = MOST_BARE if bare else MOST_BYTES
        composition = compose(message, self.door.clock.now())
        told = fit(composition, titled, lambda form: utf8_bytes(form.text) <= most)
        extras: Json = {"client::display": {"contentType": "text/plain"}}
        if message.links:
            extras["client::notification"] = {"click": {"url": message.links[0][1]}}
        return {
            "title": told.title,
            "message": told.text,
            "priority": urgency(message, _PRIORITY, self.settings.priority),
            **({} if bare else {"extras": extras}),
        }
