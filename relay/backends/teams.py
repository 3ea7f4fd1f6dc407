"""Microsoft Teams: the webhook of a workflow, which posts an Adaptive Card.

https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final

from msgspec import Meta

from relay.backends.answer import Answer
from relay.backends.base import Door, Limits, Receipt
from relay.backends.chat import address_problem, only_mentions, safe_url, severity
from relay.backends.compose import Composition, compose
from relay.backends.dialect import headline
from relay.backends.fit import fit
from relay.backends.http import JSON_TYPE, HttpBackend, HttpSettings, json_bytes, operator_url, url_problem
from relay.backends.meaning import PayloadError, otherwise, plainer
from relay.errors import BackendDownError, BackendError, RejectedError
from relay.models import Json, Message
from relay.values import Secret, Size

CARD: Final = "application/vnd.microsoft.card.adaptive"
WRONG_TRIGGER: Final = "TriggerInputSchemaMismatch"
COLOURS: Final = {"good": "Good", "info": "Accent", "warning": "Warning", "bad": "Attention"}

_MENTION: Final = re.compile(r"[^\s<>@&\"]{1,128}(?:@[^\s<>@&\"]{1,128})?")
_MENTIONS: Final = "write @ and a person's login (@ann@example.com) or object id"
_CONNECTOR: Final = re.compile(r"https?://[^/]*\bwebhook\.office\.com[:/]", re.IGNORECASE)
# The part of Markdown that a TextBlock knows: emphasis, links, lists. And what might be a tag or an entity.
_MARKS: Final = re.compile(r"[\\*_\[\]~`]")
_ITEM: Final = re.compile(r"^(?:[-+#>=]|\d+[.)])")
_SIGNS: Final = re.compile(r"<(?=/?[A-Za-z!])|&(?=#?\w+;)")
_BREAK: Final = "\u200b"  # zero-width space
_SPACE: Final = "\u00a0"  # keeps the indentation of a stack trace, and four of them from being code


class Settings(HttpSettings, frozen=True, kw_only=True, tag="teams"):
    """Microsoft Teams, by the webhook of a workflow.

    Minimal:

        type: teams
        url: ${TEAMS_WEBHOOK_URL}

    Full:

        type: teams
        url: ${TEAMS_WEBHOOK_URL}
        wide: true
        max_bytes: 28000
        rate: [4/1s]

    In Teams open the channel's menu, "Workflows", and choose "Post to a channel when a webhook request is
    received": at the end it shows a URL, which is the secret. Anyone must be allowed to trigger the flow. The
    older "Incoming Webhook" connectors (`webhook.office.com`) are being switched off and are refused.

    The flow writes to its own channel: an address is any name for it, and who is to be mentioned, by login or
    object id: `ops`, `ops @ann@example.com`. `wide` cards take the channel's whole width. `max_bytes` is the
    longest message; Teams takes about 28 KB.

    Accepted means that the flow was started. Whether it then posted the card is seen only in the flow's own
    run history.
    """

    url: Secret
    wide: bool = True
    max_bytes: Annotated[Size, Meta(ge=2000)] = 28_000

    def problems(self) -> list[tuple[str, str]]:
        """A URL that isn't one, or that of a connector."""
        url = self.url.reveal()
        if _CONNECTOR.match(url):
            return [("url", "is of an Office 365 connector, which Microsoft switches off: make a workflow")]
        return [("url", text) for text in (url_problem(url),) if text]

    def refuses(self, to: str) -> str:
        """Why an address can't be one."""
        return address_problem(to, only_mentions(to), _MENTION, _MENTIONS)


class Teams(HttpBackend):
    """Accepted means that the workflow was triggered."""

    type = "teams"
    settings: Settings
    limits = Limits(windows=((4, 1.0),))

    def __init__(self, settings: Settings, door: Door) -> None:
        super().__init__(settings, door)
        self._url = operator_url(settings.url.reveal())

    async def send(self, message: Message, to: str) -> Receipt:
        """One card; one with less in it if that was too large."""
        if refused := self.settings.refuses(to):
            raise RejectedError(refused, code="address")
        composition = compose(message, self.door.clock.now())
        mentions = only_mentions(to).mentions
        colour = COLOURS[severity(message)]

        def form(most: int) -> bytes:
            return fit(
                composition,
                lambda told: json_bytes(_envelope(self._card(told, colour, mentions))),
                lambda body: len(body) <= most,
            )

        most = self.settings.max_bytes
        return await plainer((form(size) for size in (most, most // 4)), self._post)

    async def _post(self, body: bytes) -> Receipt:
        answer = await self.ask("POST", self._url, body=body, headers={"Content-Type": JSON_TYPE})
        if failure := self._failure(answer):
            raise failure
        return Receipt(note="queued")

    def _failure(self, answer: Answer) -> BackendError | None:
        """What a status means, and the words that come with some."""
        if answer.accepted:
            return None
        code = answer.code("error", "code")
        if code == WRONG_TRIGGER:
            text = f"{code}: the flow wants another request: it must begin with a Teams webhook request"
            return BackendDownError(text, code=code, detail=answer.detail)
        if b"entity too large" in answer.body.lower():
            return PayloadError("the card is too large", code=str(answer.status), detail=answer.detail)
        return otherwise(code, answer, self.door.clock.now())

    def _card(self, told: Composition, colour: str, mentions: tuple[str, ...]) -> Json:
        """The card. Only what every Teams client has known since version 1.2 of the format."""
        teams: Json = {"width": "Full"} if self.settings.wide else {}
        if mentions:
            teams["entities"] = [_entity(name) for name in mentions]
        return {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "msteams": teams,
            "body": list(_blocks(told, colour, mentions)),
            "actions": [
                {"type": "Action.OpenUrl", "title": one.label, "url": safe_url(one.url)} for one in told.links
            ],
        }


def _envelope(card: Json) -> Json:
    attachment = {"contentType": CARD, "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _blocks(told: Composition, colour: str, mentions: tuple[str, ...]) -> Iterator[Json]:
    yield _text(escaped(headline(told)), weight="Bolder", color=colour)
    if mentions:
        yield _text(" ".join(_tag(name) for name in mentions))
    if told.body:
        yield _text(escaped(told.body), fontType="Monospace")
    if told.facts:
        facts = [{"title": name, "value": escaped(value)} for name, value in told.facts]
        yield {"type": "FactSet", "facts": facts}
    if told.footer:
        yield _text(escaped(told.footer), isSubtle=True)


def _text(text: str, **look: Any) -> Json:
    return {"type": "TextBlock", "text": text, "wrap": True, **look}


def _tag(name: str) -> str:
    return f"<at>{name}</at>"


def _entity(name: str) -> Json:
    """What makes a tag notify; its text must equal the tag."""
    return {"type": "mention", "text": _tag(name), "mentioned": {"id": name, "name": name}}


def escaped(text: str) -> str:
    """Nothing of it is Markdown, a tag or an entity; lines stay lines, which takes an empty one between."""
    return "\n\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    rest = line.lstrip(" \t")
    indent = line[: len(line) - len(rest)].expandtabs(4)
    safe = _SIGNS.sub(lambda found: found[0] + _BREAK, _MARKS.sub(r"\\\g<0>", rest))
    return _SPACE * len(indent) + _ITEM.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", safe)
