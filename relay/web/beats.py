"""`POST /api/v1/beats/NAME`: a job's sign of life, `{}` or `{"message": ..., "level": ...}`.

At level error or above it says that the job failed. JSON is asked for as everywhere: no page in an operator's
browser can send it, and make a dead job look alive.
"""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from relay.models import Event, Level
from relay.text import clean
from relay.watchdog.beats import LABEL
from relay.web.answers import data, later, refusal
from relay.web.events import SOURCE, Events, NotStoredError, durable, writer
from relay.web.inside import Inside

MOST_TEXT: Final = 4096  # characters of the message


class Sign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the job says."""

    message: str = ""
    level: str = "info"


class Beats:
    """Taken like an event, answered once it is durable."""

    def __init__(self, inside: Inside, intake: Events) -> None:
        self._inside = inside
        self._intake = intake

    def routes(self) -> list[web.RouteDef]:
        """For the application."""
        return [web.post("/api/v1/beats/{name}", self._post)]

    async def _post(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        rows = await self._inside.verbs["watchdog"]({})
        if name not in {row["name"] for row in rows if row["heartbeat"]}:
            return refusal(404, f"no heartbeat is called {name[:60]!r}")
        body = await request.read()
        try:
            sign = msgspec.json.decode(body or b"{}", type=Sign)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return refusal(400, f'write {{}} or {{"message": "...", "level": "error"}}: {error}')
        level = Level.of(sign.level)
        if level is None:
            return refusal(400, f"unknown level {sign.level[:40]!r}")
        event = self._event(request, name, sign.message, level)
        try:
            await durable(await self._intake.hand_over([event], len(body)))
        except NotStoredError as error:
            return later(str(error))
        return data({"ok": True})

    def _event(self, request: web.Request, name: str, message: str, level: Level) -> Event:
        sender = writer(request)
        what = "failed" if level >= Level.ERROR else "gives a sign of life"
        return Event(
            time=self._inside.clock.now(),
            source=SOURCE,
            module=f"{LABEL}.{name}",
            level=level,
            message=clean(message[:MOST_TEXT]).strip() or f"{name} {what}",
            labels={LABEL: name},
            origin=sender.origin,
            program=sender.program,
        )
