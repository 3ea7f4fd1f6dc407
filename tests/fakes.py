"""Stand-ins that tests of several modules share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import aiohttp

from relay.backends.base import Backend, Door, Limits, Receipt, Settings
from relay.clock import Clock
from relay.errors import BackendError, RejectedError
from relay.models import Address, Alert, AlertState, Delivery, DeliveryState, Event, Level, Message, Reason


class FakeSettings(Settings, frozen=True, kw_only=True, tag="fake"):
    word: str = ""


class FakeBackend(Backend):
    """Does what `answer` says: raise, wait, or nothing (accepted)."""

    type = "fake"
    limits = Limits(concurrency=8)

    def __init__(self, name: str, clock: Clock, **settings: Any) -> None:
        super().__init__(
            FakeSettings(**settings),
            Door(session=cast("aiohttp.ClientSession", None), clock=clock, name=name),
        )
        self.sent: list[tuple[str, Message]] = []
        self.tries = 0
        self.flying = 0
        self.most_flying = 0
        self.answer: Callable[[Message, str], BaseException | None] = lambda message, to: None
        self.gate: asyncio.Event | None = None
        self.pause = 0.0  # seconds each attempt takes

    async def send(self, message: Message, to: str) -> Receipt:
        self.tries += 1
        self.flying += 1
        self.most_flying = max(self.most_flying, self.flying)
        try:
            if self.gate is not None:
                await self.gate.wait()
            await asyncio.sleep(self.pause)
            error = self.answer(message, to)
            if error is not None:
                raise error
            self.sent.append((to, message))
            return Receipt(id=f"m{len(self.sent)}", handle=f"h{len(self.sent)}")
        finally:
            self.flying -= 1


class ManyBackend(FakeBackend):
    """Takes up to a hundred receivers in one call; `nobody` is refused alone."""

    limits = Limits(concurrency=8, receivers=100)

    async def send_many(self, message: Message, tos: Sequence[str]) -> list[Receipt | BackendError]:
        self.tries += 1
        error = self.answer(message, "")
        if error is not None:
            raise error
        self.sent += [(to, message) for to in tos if to != "nobody"]
        return [RejectedError("no such user") if to == "nobody" else Receipt(id=to) for to in tos]


def event(message: str = "timeout", **fields: Any) -> Event:
    usual: dict[str, Any] = {
        "time": 1_767_600_000.0,
        "source": "apps",
        "module": "pay",
        "level": Level.ERROR,
        "message": message,
    }
    return Event(**usual | fields)


def alert(fingerprint: str, *, touched: float = 0.0, **fields: Any) -> Alert:
    usual: dict[str, Any] = {
        "id": 1,
        "fingerprint": fingerprint,
        "rule": "r",
        "module": "m",
        "level": Level.ERROR,
        "title": "t",
        "state": AlertState.FIRING,
        "first_seen": 0.0,
        "last_seen": 0.0,
        "count": 1,
        "notified_count": 1,
        "notified_at": 0.0,
        "reminders": 0,
        "touched_at": touched,
    }
    return Alert(**usual | fields)


def message(**fields: Any) -> Message:
    usual: dict[str, Any] = {
        "reason": Reason.FIRST,
        "title": "timeout",
        "level": Level.ERROR,
        "rule": "r",
        "module": "pay",
        "state": AlertState.FIRING,
        "count": 1,
        "first_seen": 0.0,
        "last_seen": 0.0,
        "text": "timeout",
    }
    return Message(**usual | fields)


def delivery(number: int, now: float, *ways: str, **fields: Any) -> Delivery:
    """A pending delivery due now; `ways` name backends in order of preference."""
    first, *others = (Address(way, "someone") for way in (ways or ("a",)))
    usual: dict[str, Any] = {
        "id": number,
        "alert": 0,
        "recipient": "someone",
        "reason": Reason.FIRST,
        "address": first,
        "fallbacks": tuple(others),
        "message": message(),
        "state": DeliveryState.PENDING,
        "created_at": now,
        "next_at": now,
        "expires_at": now + 86400,
    }
    return Delivery(**usual | fields)


class Reports:
    """Records what the operators are told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, bool]] = []

    def __call__(self, kind: str, subject: str, text: str, *, avoid: str = "", cleared: bool = False) -> None:
        self.told.append((kind, subject, cleared))
