"""The API: the outbox desk's verbs, as on the control socket."""

from __future__ import annotations

import enum
from typing import Any, Final

import msgspec
from aiohttp import web

from relay.errors import RelayError
from relay.models import AlertState, DeliveryState, Json
from relay.web.answers import data, refusal
from relay.web.inside import Inside

LARGEST_ID: Final = 2**63 - 1


class Chosen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which deliveries: these, or all dead ones."""

    ids: list[int] = []
    all_dead: bool = False


class BadRequestError(RelayError):
    """What was asked can't be read."""


class Api:
    """`/api/v1/`: status, alerts, outbox."""

    def __init__(self, inside: Inside) -> None:
        self._verbs = inside.verbs

    def routes(self) -> list[web.RouteDef]:
        """For the application."""
        return [
            web.get("/api/v1/status", self._status),
            web.get("/api/v1/alerts", self._alerts),
            web.get(r"/api/v1/alerts/{id:\d{1,19}}", self._alert),
            web.get("/api/v1/outbox", self._outbox),
            web.get(r"/api/v1/outbox/{id:\d{1,19}}", self._delivery),
            web.post("/api/v1/outbox/retry", self._retry),
            web.post("/api/v1/outbox/drop", self._drop),
        ]

    async def _status(self, _: web.Request) -> web.Response:
        return data(await self._verbs["status"]({}))

    async def _alerts(self, request: web.Request) -> web.Response:
        return data(await self._verbs["alerts"](_listing(request, AlertState)))

    async def _outbox(self, request: web.Request) -> web.Response:
        return data(await self._verbs["outbox"](_listing(request, DeliveryState)))

    async def _alert(self, request: web.Request) -> web.Response:
        return await self._one("alert", request)

    async def _delivery(self, request: web.Request) -> web.Response:
        return await self._one("delivery", request)

    async def _one(self, verb: str, request: web.Request) -> web.Response:
        number = int(request.match_info["id"])
        found = await self._verbs[verb]({"id": number}) if number <= LARGEST_ID else None
        return refusal(404, f"there is no {verb} {number}") if found is None else data(found)

    async def _retry(self, request: web.Request) -> web.Response:
        return data(await self._verbs["retry"](await _chosen(request)))

    async def _drop(self, request: web.Request) -> web.Response:
        return data(await self._verbs["drop"](await _chosen(request)))


def _listing(request: web.Request, states: type[enum.StrEnum]) -> Json:
    """`?state=firing&state=acked&limit=100`."""
    wanted: dict[str, Any] = {"states": request.query.getall("state", [])}
    known = [str(state) for state in states]
    for state in wanted["states"]:
        if state not in known:
            raise BadRequestError(f"unknown state {state[:40]!r}: one of {', '.join(known)}")
    limit = request.query.get("limit", "100")
    if not limit.isdecimal() or not 1 <= len(limit) <= 9:
        raise BadRequestError("limit is a whole number")
    return {**wanted, "most": int(limit)}


async def _chosen(request: web.Request) -> Json:
    """`{"ids": [1, 2]}` or `{"all_dead": true}`."""
    try:
        chosen = msgspec.json.decode(await request.read(), type=Chosen)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequestError(f'write {{"ids": [1, 2]}} or {{"all_dead": true}}: {error}') from None
    if bool(chosen.ids) == chosen.all_dead:
        raise BadRequestError("either `ids` or `all_dead`")
    if not all(0 < number <= LARGEST_ID for number in chosen.ids):
        raise BadRequestError("an id is a whole number above 0")
    return msgspec.to_builtins(chosen)  # type: ignore[no-any-return]
