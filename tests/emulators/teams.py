"""A Teams workflow that posts the card it is sent, and refuses what Teams couldn't show."""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import web
from msgspec import Struct

from relay.models import Json
from tests.emulators.chat import Shown, is_json, shown
from tests.emulators.faults import HttpEmulator

QUERY = "api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=c4n4ry%2Bc4n4ry"
TAG = re.compile(r"<at>[^<]*</at>")
LINK = re.compile(r"\[[^\]]*\]\([^)]*\)|<\w+:[^>]*>")
LIST = re.compile(r"^(?:[-+*]|\d+[.)])\s", re.MULTILINE)
ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")


class Card(Struct, frozen=True):
    """A card as posted."""

    content: Json
    size: int  # bytes of the whole request

    @property
    def texts(self) -> list[str]:
        """Every text in the order of the card, as it was sent."""
        texts = []
        for block in self.content["body"]:
            if block["type"] == "TextBlock":
                texts.append(block["text"])
            texts += [f"{fact['title']}: {fact['value']}" for fact in block.get("facts", [])]
        return texts

    @property
    def shown(self) -> Shown:
        text = ESCAPE.sub(r"\1", "\n".join(self.texts))
        return shown(text.replace("\n\n", "\n").replace("\xa0", " "), self.size)

    @property
    def pings(self) -> list[str]:
        """Those who were notified: an entity whose text stands in the card."""
        entities = self.content["msteams"].get("entities", [])
        text = "\n".join(self.texts)
        return [one["mentioned"]["id"] for one in entities if one["text"] in text]

    @property
    def marks(self) -> list[str]:
        text = re.sub(r"\\[!-/:-@\[-`{-~]", "", "\n".join(self.texts))
        return self.pings + TAG.findall(text) + LINK.findall(text) + LIST.findall(text)


class Teams(HttpEmulator):
    def __init__(self, *, most: int = 28_000) -> None:
        super().__init__()
        self.most = most  # bytes
        self.cards: list[Card] = []
        self.queries: list[str] = []
        self.refusal: tuple[int, bytes] | None = None

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/workflows/{flow}/triggers/manual/paths/invoke", self._trigger)]

    @property
    def hook(self) -> str:
        return f"{self.url}/workflows/f0/triggers/manual/paths/invoke?{QUERY}"

    async def _trigger(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.queries.append(request.raw_path.partition("?")[2])
        if self.refusal is not None:
            return web.Response(status=self.refusal[0], body=self.refusal[1])
        if self.queries[-1] != QUERY:
            return _refused(401, "DirectApiAuthorizationRequired")
        if len(body) > self.most:
            return web.Response(status=413, text="Request Entity too large")
        envelope = json.loads(body) if is_json(request) else {}
        if envelope.get("type") != "message":
            return _refused(400, "TriggerInputSchemaMismatch")
        (attachment,) = envelope["attachments"]
        assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        _require_valid(attachment["content"])
        self.cards.append(Card(attachment["content"], len(body)))
        return web.Response(status=202)


def _require_valid(card: Json) -> None:
    """Teams would drop a broken card without a word; a test must hear of it."""
    assert card["type"] == "AdaptiveCard"
    assert card["version"] in {"1.2", "1.3", "1.4"}
    known: dict[str, set[str]] = {
        "TextBlock": {"type", "text", "wrap", "weight", "color", "fontType", "isSubtle"},
        "FactSet": {"type", "facts"},
    }
    for block in card["body"]:
        assert set(block) <= known[block["type"]]
        assert block.get("text", "x").strip()
    entities: list[Any] = card["msteams"].get("entities", [])
    text = json.dumps(card["body"], ensure_ascii=False)
    assert all(one["text"] == f"<at>{one['mentioned']['name']}</at>" for one in entities)
    assert all(one["text"] in text for one in entities)
    assert all(action["type"] == "Action.OpenUrl" for action in card["actions"])


def _refused(status: int, code: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": "refused"}}, status=status)
