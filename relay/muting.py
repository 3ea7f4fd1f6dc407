"""What people do about noise: acknowledge, silence, look. Verbs of the control socket and the API.

What changes anything goes through the pipeline as an order: in its transaction, answered once it is durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from relay.clock import Clock
from relay.control import Verb
from relay.errors import RelayError, StoreFullError
from relay.models import (
    Acknowledge,
    Alert,
    AlertState,
    Batch,
    EndSilence,
    Event,
    Json,
    Order,
    Reason,
    Silence,
)
from relay.outbox.store import AlertRow, Store
from relay.pipeline import Pipeline
from relay.routing.silence import conditions_of, words_of
from relay.sources.intake import Intake
from relay.text import one_line

PATIENCE: Final = 20.0  # seconds until an order must be in the store
LOOK_BACK: Final = 86400.0  # seconds that a preview covers
MOST_PREVIEWED: Final = 1000  # alerts
LONGEST: Final = 366 * 86400.0  # seconds of a silence or acknowledgement
MOST_WORDS: Final = 200  # characters of a reason or a name
QUIETED: Final = (Reason.FIRST, Reason.REMINDER, Reason.CLOSED, Reason.ESCALATED)  # what a silence holds back


class NotDoneError(RelayError):
    """What was asked can't be done, in words."""


class Muting:
    """Each verb takes a request object and returns plain data."""

    def __init__(self, store: Store, clock: Clock, intake: Intake, pipeline: Pipeline) -> None:
        self._store = store
        self._clock = clock
        self._intake = intake
        self._pipeline = pipeline

    def verbs(self) -> Mapping[str, Verb]:
        """By the name used on the control socket."""
        return {
            "ack": self._on_ack,
            "silence": self._on_silence,
            "silences": self._on_silences,
            "end_silence": self._on_end,
            "preview": self._on_preview,
            "hushes": self._on_hushes,
            "rotate_links": self._on_rotate,
        }

    async def _on_ack(self, request: Json) -> Json:
        """`{"alert": id, "for": seconds?, "by": name?, "undo": bool?}`: the alert as it is then."""
        alert = await self._live(int(request["alert"]))
        by, undo, now = _author(request), bool(request.get("undo")), self._clock.now()
        if request.get("once") and alert.state is AlertState.ACKED:
            return _shown(alert)  # a link followed twice
        until = now + _seconds(request["for"]) if request.get("for") else 0.0
        await self._order(Acknowledge(alert.id, by, until, undo))
        return _shown(await self._live(alert.id))

    async def _on_silence(self, request: Json) -> Json:
        """`{"matchers": [...], "for": seconds, "reason", "by", "until_quiet"}`: it, with its preview."""
        matchers = tuple(str(each) for each in request["matchers"])
        conditions_of(matchers)
        author, now = _author(request), self._clock.now()
        if request.get("once") and (same := self._same(matchers, author)):
            return self._described(same)
        seconds, quiet = _seconds(request["for"]), float(request.get("until_quiet") or 0.0)
        silence = Silence(
            id=self._store.next_ids(1),
            matchers=matchers,
            author=author,
            reason=one_line(str(request.get("reason") or ""), MOST_WORDS),
            created_at=now,
            ends_at=now + seconds,
            until_quiet=_seconds(quiet) if quiet else 0.0,
            quiet_since=now,
        )
        preview = await self._preview(matchers)
        await self._order(silence)
        return {**self._described(silence), "preview": preview}

    async def _on_silences(self, request: Json) -> Any:
        """Those in force, those of rules.yaml, and with `all` those that ended."""
        since = 0.0 if request.get("all") else None
        stored = await self._store.silences(ended_since=since)
        return [
            *(self._described(each) for each in stored),
            *(
                {
                    "id": planned.name,
                    "author": planned.mute.author,
                    "reason": planned.mute.reason,
                    "every": planned.mute.every,
                    "until": planned.mute.until,
                    "in_force": held is not None,
                    "ends_at": held.ends_at if held else 0.0,
                    "held": len(self._pipeline.hushes.hushed_by(held.key)) if held else 0,
                }
                for planned, held in self._pipeline.hushes.planned(self._clock.now())
            ),
        ]

    async def _on_end(self, request: Json) -> Json:
        """`{"id": n, "by": name?}`."""
        number = int(request["id"])
        silence = self._pipeline.hushes.silence(number)
        if silence is None:
            raise NotDoneError(f"there is no silence {number} in force")
        await self._order(EndSilence(number, _author(request)))
        return {"id": number, "ended": True}

    async def _on_preview(self, request: Json) -> Json:
        return await self._preview(tuple(str(each) for each in request["matchers"]))

    async def _on_hushes(self, request: Json) -> Any:
        """What holds back an event of the alert with that fingerprint, for `relay explain`."""
        event = msgspec.convert(request["event"], Event)
        now = float(request.get("at") or self._clock.now())
        alert = self._pipeline.book.get(str(request["fingerprint"])) or msgspec.convert(
            request["alert"], Alert
        )
        return [hush.json() for hush in self._pipeline.hushes.all_on(alert, event, now)]

    async def _on_rotate(self, _: Json) -> Json:
        await self._pipeline.links.rotate(self._store)
        return {"rotated": True}

    async def _preview(self, matchers: tuple[str, ...]) -> Json:
        """What a silence with these would have held back in the last 24 hours."""
        tests, since = conditions_of(matchers), self._clock.now() - LOOK_BACK
        rows = await self._store.alerts(most=MOST_PREVIEWED)
        hit = [
            row
            for row in rows
            if row.alert.last_seen >= since and all(test(row.alert, row.sample) for test in tests)
        ]
        messages = 0
        for row in hit:
            owed = await self._store.deliveries(alert=row.alert.id)
            messages += sum(each.created_at >= since and each.reason in QUIETED for each in owed)
        return {
            "hours": 24,
            "messages": messages,
            "events": sum(row.alert.count for row in hit),
            "alerts": [_line(row) for row in hit[:20]],
            "count": len(hit),
            "whole": len(rows) < MOST_PREVIEWED,
        }

    async def _order(self, order: Order) -> None:
        """Into the pipeline, and wait until it is durable. RelayError."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settle(error: Exception | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        if self._intake.closed:
            raise NotDoneError("relay is stopping")
        self._intake.put_nowait(Batch(events=[], orders=[order], done=settle))
        try:
            async with asyncio.timeout(PATIENCE):
                await done
        except TimeoutError:
            raise StoreFullError("relay couldn't store it in time; it may still take effect") from None

    async def _live(self, number: int) -> Alert:
        alert = self._pipeline.book.by_id(number)
        if alert is not None:
            return alert
        row = await self._store.alert(number)
        raise NotDoneError(f"there is no alert {number}" if row is None else f"alert {number} is over")

    def _same(self, matchers: tuple[str, ...], author: str) -> Silence | None:
        silences = self._pipeline.hushes.silences()
        return next((each for each in silences if (each.matchers, each.author) == (matchers, author)), None)

    def _described(self, silence: Silence) -> Json:
        held = self._pipeline.hushes.hushed_by(f"silence {silence.id}")
        return {
            **msgspec.to_builtins(silence),
            "words": words_of(silence),
            "in_force": not silence.ended_at,
            "held": len(held),
        }


def _shown(alert: Alert) -> Json:
    return {
        "id": alert.id,
        "state": alert.state.value,
        "title": alert.title,
        "module": alert.module,
        "acked_by": alert.acked_by,
        "acked_until": alert.acked_until,
    }


def _line(row: AlertRow) -> Json:
    alert = row.alert
    return {"id": alert.id, "module": alert.module, "title": alert.title, "count": alert.count}


def _author(request: Json) -> str:
    """Who asks: as they say, else whom the kernel names."""
    given = request.get("by") or request.get("peer") or ""
    return one_line(str(given), MOST_WORDS)


def _seconds(given: Any) -> float:
    seconds = float(given)
    if not 0 < seconds <= LONGEST:
        raise NotDoneError("a time must be more than 0 and at most a year")
    return seconds
