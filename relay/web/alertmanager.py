"""Alerts as Prometheus and amtool post them (Alertmanager's API v2): each one becomes an event.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web
from msgspec import Struct, field

from relay.models import Event, Level
from relay.sources.fields import as_labels
from relay.sources.peer import Peer
from relay.sources.times import read_time
from relay.text import clean, one_line
from relay.web.answers import later, refusal
from relay.web.events import SOURCE, Events, NotStoredError, durable, writer
from relay.web.inside import Inside

MOST_ALERTS: Final = 1000  # of one request

# Words for severity that aren't levels by themselves.
_SEVERITIES: Final = {"page": Level.CRITICAL, "high": Level.ERROR, "low": Level.WARNING, "none": Level.INFO}


class Posted(Struct, frozen=True):
    """One alert, as far as relay looks at it."""

    labels: dict[str, str]
    annotations: dict[str, str] = field(default_factory=dict)
    endsAt: str = ""  # noqa: N815 - their word
    generatorURL: str = ""  # noqa: N815 - their word


class Alerts:
    """`POST /api/v2/alerts`."""

    def __init__(self, inside: Inside, events: Events) -> None:
        self._inside = inside
        self._events = events

    def routes(self) -> list[web.RouteDef]:
        """For the application."""
        return [web.post("/api/v2/alerts", self._post)]

    async def _post(self, request: web.Request) -> web.Response:
        """200 once all are durable; Prometheus sends again what is answered with 5xx."""
        body = await request.read()
        try:
            posted = msgspec.json.decode(body, type=list[Posted])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return refusal(400, f"not a list of alerts: {error}")
        if len(posted) > MOST_ALERTS:
            return refusal(400, f"more than {MOST_ALERTS} alerts in one request")
        now, sender = self._inside.clock.now(), writer(request)
        events = [_event(each, sender, now) for each in posted]
        try:
            await durable(await self._events.hand_over(events, len(body)))
        except NotStoredError as error:
            return later(str(error))
        return web.Response()


def _event(alert: Posted, sender: Peer, now: float) -> Event:
    """As of now: Prometheus posts an alert again and again while it lasts."""
    labels = alert.labels
    name = labels.get("alertname", "alert")
    part = labels.get("service") or labels.get("job") or ""
    over = _is_over(alert, now)
    extra = {"state": "resolved" if over else "firing"}
    if alert.generatorURL:
        extra["generatorURL"] = alert.generatorURL
    return Event(
        time=now,
        source=SOURCE,
        module=one_line(f"{part}.{name}" if part else name),
        level=Level.NOTICE if over else _level(labels.get("severity", "")),
        message=_message(alert, name, over=over),
        labels=as_labels({**labels, **extra}),
        origin=sender.origin,
        program=sender.program,
    )


def _message(alert: Posted, name: str, *, over: bool) -> str:
    notes = alert.annotations
    parts = [notes[key] for key in ("summary", "description", "message") if notes.get(key)]
    told = clean("\n".join(parts)).strip() or one_line(name)
    return f"resolved: {told}" if over else told


def _level(severity: str) -> Level:
    return Level.of(severity) or _SEVERITIES.get(severity.lower(), Level.ERROR)


def _is_over(alert: Posted, now: float) -> bool:
    """Prometheus posts the end of a firing alert too, in the future: it is firing until then."""
    ends = read_time(alert.endsAt, now) if alert.endsAt else None
    return ends is not None and 0 < ends <= now
