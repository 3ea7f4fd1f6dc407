"""The API of silences and acknowledgements, in relay's own manner and in that of Alertmanager's API v2.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from aiohttp import web

from relay.models import Json
from relay.sources.times import read_time
from relay.values import parse_duration
from relay.web.answers import data, refusal
from relay.web.api import LARGEST_ID, BadRequestError
from relay.web.inside import Inside

NOBODY: Final = "api"  # the author where a request names none

_RESERVED: Final = {"source", "module", "level", "message", "rule", "alert", "fingerprint"}


class NewSilence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"matchers": ["module=pay.*"], "for": "2h", "reason": "deploy", "by": "wang"}`."""

    matchers: list[str]
    span: str | float = msgspec.field(name="for")
    reason: str = ""
    by: str = ""
    until_quiet: str | float = 0.0


class NewAck(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`{"by": "wang", "for": "4h"}` or `{"undo": true}`."""

    by: str = ""
    span: str | float = msgspec.field(name="for", default=0.0)
    undo: bool = False


class TheirMatcher(msgspec.Struct, frozen=True):
    """One of Alertmanager's."""

    name: str
    value: str
    isRegex: bool = False  # noqa: N815 - their word
    isEqual: bool = True  # noqa: N815 - their word


class TheirSilence(msgspec.Struct, frozen=True):
    """One of Alertmanager's, as amtool posts it."""

    matchers: list[TheirMatcher]
    endsAt: str  # noqa: N815 - their word
    createdBy: str = ""  # noqa: N815 - their word
    comment: str = ""


class Muting:
    """`/api/v1/silences`, `/api/v1/alerts/ID/ack`, `/api/v2/silences`."""

    def __init__(self, inside: Inside) -> None:
        self._verbs = inside.verbs
        self._clock = inside.clock

    def routes(self) -> list[web.RouteDef]:
        """For the application."""
        return [
            web.get("/api/v1/silences", self._list),
            web.post("/api/v1/silences", self._add),
            web.post("/api/v1/silences/preview", self._preview),
            web.post(r"/api/v1/silences/{id:\d{1,19}}/end", self._end),
            web.post(r"/api/v1/alerts/{id:\d{1,19}}/ack", self._ack),
            web.get("/api/v2/silences", self._their_list),
            web.post("/api/v2/silences", self._their_add),
            web.delete(r"/api/v2/silence/{id:\d{1,19}}", self._their_end),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        wanted = {"all": True} if request.query.get("all") else {}
        return data(await self._verbs["silences"](wanted))

    async def _add(self, request: web.Request) -> web.Response:
        asked = await _read(request, NewSilence)
        return data(
            await self._verbs["silence"](
                {
                    "matchers": asked.matchers,
                    "for": _seconds(asked.span),
                    "reason": asked.reason,
                    "by": asked.by or NOBODY,
                    "until_quiet": _seconds(asked.until_quiet),
                }
            )
        )

    async def _preview(self, request: web.Request) -> web.Response:
        asked = await _read(request, dict[str, list[str]])
        if list(asked) != ["matchers"]:
            raise BadRequestError('write {"matchers": ["module=pay.*"]}')
        return data(await self._verbs["preview"](asked))

    async def _end(self, request: web.Request) -> web.Response:
        return data(await self._verbs["end_silence"]({"id": _id(request), "by": NOBODY}))

    async def _ack(self, request: web.Request) -> web.Response:
        asked = await _read(request, NewAck)
        wanted: Json = {"alert": _id(request), "by": asked.by or NOBODY, "undo": asked.undo}
        return data(await self._verbs["ack"]({**wanted, "for": _seconds(asked.span)}))

    async def _their_list(self, _: web.Request) -> web.Response:
        """Of those by command only: a recurring one has no place in their words."""
        rows = await self._verbs["silences"]({"all": True})
        return data([_theirs(row) for row in rows if "matchers" in row])

    async def _their_add(self, request: web.Request) -> web.Response:
        asked, now = await _read(request, TheirSilence), self._clock.now()
        ends = read_time(asked.endsAt, now)
        if ends is None or ends <= now:
            return refusal(400, "endsAt must be a time that is still to come")
        made = await self._verbs["silence"](
            {
                "matchers": [_ours(each) for each in asked.matchers],
                "for": ends - now,
                "reason": asked.comment,
                "by": asked.createdBy or NOBODY,
            }
        )
        return data({"silenceID": str(made["id"])})

    async def _their_end(self, request: web.Request) -> web.Response:
        await self._verbs["end_silence"]({"id": _id(request), "by": NOBODY})
        return web.Response()


async def _read(request: web.Request, kind: Any) -> Any:
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequestError(str(error)) from None


def _id(request: web.Request) -> int:
    number = int(request.match_info["id"])
    if number > LARGEST_ID:
        raise BadRequestError("there is no such id")
    return number


def _seconds(given: str | float) -> float:
    """Of `2h`, or a number of seconds."""
    if isinstance(given, str):
        try:
            return parse_duration(given)
        except ValueError as error:
            raise BadRequestError(str(error)) from None
    return given


def _ours(matcher: TheirMatcher) -> str:
    """Their `alertname` is what relay calls the rule's subject: it comes as a label like any other."""
    name = f"label.{matcher.name}" if matcher.name in _RESERVED else matcher.name
    sign = ("=~" if matcher.isRegex else "=") if matcher.isEqual else ("!~" if matcher.isRegex else "!=")
    value = matcher.value if matcher.isRegex else _literal(matcher.value)
    return f"{name}{sign}{value}"


def _literal(value: str) -> str:
    """Their plain values have no wildcards."""
    return f"/^{re.escape(value)}$/" if re.search(r"[*?/]", value) else value


def _theirs(row: Json) -> Json:
    state = "active" if row["in_force"] else "expired"
    found = [re.fullmatch(r"([\w.:-]+)(=~|!~|!=|=)(.*)", each, re.DOTALL) for each in row["matchers"]]
    return {
        "id": str(row["id"]),
        "status": {"state": state},
        "matchers": [
            {
                "name": each[1],
                "value": each[3],
                "isRegex": each[2].endswith("~"),
                "isEqual": not each[2].startswith("!"),
            }
            for each in found
            if each
        ],
        "createdBy": row["author"],
        "comment": row["reason"],
        "startsAt": _moment(row["created_at"]),
        "endsAt": _moment(row["ended_at"] or row["ends_at"]),
        "updatedAt": _moment(row["ended_at"] or row["created_at"]),
    }


def _moment(at: float) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415 - only here

    return datetime.fromtimestamp(at, tz=UTC).isoformat().replace("+00:00", "Z")
