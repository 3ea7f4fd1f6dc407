"""PagerDuty's Events API v2 with one integration: events in, incidents out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from aiohttp import web
from msgspec import Struct, field

from tests.emulators.faults import HttpEmulator

KEY = "c4n4ry" + "0123456789abcdef0123456789"  # 32 characters


class Incident(Struct):
    """What one dedup key stands for, from its trigger to its resolution."""

    key: str
    status: str = "triggered"
    events: list[dict[str, Any]] = field(default_factory=list)


class PagerDutyEvents(HttpEmulator):
    """Events that find no open incident are accepted and ignored, as the real one does."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self.incidents: list[Incident] = []
        self.answer: dict[str, Any] | None = None  # instead of its own, with 202
        self.status = 202

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v2/enqueue", self._enqueue)]

    async def _enqueue(self, request: web.Request) -> web.Response:
        event = await request.json()
        if errors := _errors(event):
            return web.json_response(
                {"status": "invalid event", "message": "Event object is invalid", "errors": errors},
                status=400,
            )
        if event["routing_key"] != KEY:
            return web.json_response(
                {"status": "invalid event", "errors": ["Invalid routing key"]}, status=400
            )
        self.events.append(event)
        self._take(event)
        answer = {"status": "success", "message": "Event processed", "dedup_key": event["dedup_key"]}
        return web.json_response(self.answer or answer, status=self.status)

    def _take(self, event: dict[str, Any]) -> None:
        key, action = event["dedup_key"], event["event_action"]
        live = [one for one in self.incidents if one.key == key and one.status != "resolved"]
        if not live and action == "trigger":
            live = [Incident(key)]
            self.incidents += live
        for one in live:
            one.events.append(event)
            if action != "trigger":
                one.status = {"acknowledge": "acknowledged", "resolve": "resolved"}[action]


def _errors(event: dict[str, Any]) -> list[str]:
    found = []
    if len(event.get("routing_key", "")) != 32:
        found.append("'routing_key' is invalid")
    if event.get("event_action") not in {"trigger", "acknowledge", "resolve"}:
        found.append("'event_action' is invalid")
    if not 0 < len(event.get("dedup_key", "")) <= 255:
        found.append("'dedup_key' is invalid")
    payload = event.get("payload", {})
    if not payload.get("source") or payload.get("severity") not in {"critical", "error", "warning", "info"}:
        found.append("'payload' lacks source or severity")
    if not 0 < len(payload.get("summary", "")) <= 1024:
        found.append("'payload.summary' is invalid")
    try:
        datetime.fromisoformat(payload.get("timestamp", ""))
    except ValueError:
        found.append("'payload.timestamp' is invalid")
    found += [
        f"'links' lacks {name}"
        for link in event.get("links", [])
        for name in ("href", "text")
        if not link.get(name)
    ]
    return found
