"""What waits for one backend: when the next delivery is due, and taking those that are."""

from __future__ import annotations

import math
from typing import Final

import structlog

from relay.attempt import LATE
from relay.clock import Clock
from relay.errors import StoreError
from relay.models import Delivery
from relay.outbox.store import Store

log = structlog.get_logger()

AGAIN: Final = 1.0  # seconds until a store that failed is asked again


class Claims:
    """The pending deliveries of one backend."""

    def __init__(self, backend: str, store: Store, clock: Clock) -> None:
        self._backend = backend
        self._store = store
        self._clock = clock
        self._next_due: float | None = -math.inf  # wall time of the earliest pending one; None: none known
        self._stale = True  # after an outage, relay's own too: some of what waits is superseded

    @property
    def due_in(self) -> float:
        """Seconds until the next one is due, infinite if none is known."""
        return math.inf if self._next_due is None else self._next_due - self._clock.now()

    def notice(self, at: float) -> bool:
        """There is one, due then (wall time); whether that is news."""
        news = self._next_due is None or at < self._next_due
        if news:
            self._next_due = at
        return news

    async def take(self, most: int, seconds: float) -> list[Delivery]:
        """Due ones, for at most that long; where fewer come than wanted, `look_ahead` is worth it."""
        now = self._clock.now()
        try:
            return await self._store.claim(self._backend, most, now, now + seconds)
        except StoreError as error:
            log.warning("claim_failed", backend=self._backend, error=str(error))
            await self._clock.sleep(AGAIN)
            return []

    async def look_ahead(self) -> None:
        """Learn when the next one is due; one that is noticed meanwhile counts too."""
        self._next_due = None
        try:
            due = (await self._store.next_due()).get(self._backend)
        except StoreError:
            due = self._clock.now() + AGAIN
        if due is not None:
            self.notice(due)

    def came_back(self) -> None:
        """After an outage what waits may be superseded."""
        self._stale = True

    async def collapse(self) -> None:
        """After an outage: of several messages about one alert to one recipient only the latest is sent."""
        if not self._stale:
            return
        self._stale = False
        now = self._clock.now()
        try:
            superseded = await self._store.supersede(self._backend, now - LATE, now)
        except StoreError as error:
            log.warning("collapse_failed", backend=self._backend, error=str(error))
        else:
            if superseded:
                log.info("stale_deliveries_cancelled", backend=self._backend, count=superseded)
