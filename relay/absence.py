"""Relay notes in the store that it is alive, and reports what it missed while it was not."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog
from msgspec import Struct

from relay.clock import Clock
from relay.errors import StoreError
from relay.models import Delivery, DeliveryState, Reason
from relay.outbox.store import Store
from relay.values import format_duration

log = structlog.get_logger()

NOTE: Final = "alive"  # under which the store remembers when relay last was
NOTED_EVERY: Final = 30.0  # seconds between such notes: how sharp `away` is after a kill
EVERY: Final = 1.0  # seconds between looks
GRACE: Final = 10.0  # seconds after the start in which there is no report: what is owed goes out first
CATCH_UP: Final = 600.0  # seconds after which the report no longer waits for files to be read
LATE: Final = 60.0  # seconds away from which on late alerts are worth a message: a quick restart wakes nobody
MOST: Final = 1000  # deliveries looked at


class Absence(Struct, frozen=True, kw_only=True):
    """One absence, once relay has caught up."""

    away: float  # seconds
    events: int  # read since the start
    late: int  # alerts that would have been told earlier
    gaps: int  # places where something was removed before it could be read
    behind: bool  # files are still being read

    @property
    def text(self) -> str:
        """`away for 4 min 12 s, 318 events read, 2 alerts late, 0 lost`."""
        lost = f"{self.gaps} gaps in what was read, see the reports on them" if self.gaps else "0 lost"
        parts = [
            f"away for {spell(self.away)}",
            f"{self.events} event{'s' * (self.events != 1)} read",
            f"{self.late} alert{'s' * (self.late != 1)} late",
            lost,
        ]
        return ", ".join(parts + ["still catching up"] * self.behind)

    def matters(self, after: float) -> bool:
        """Whether to tell people: it was long, or something is late or lost."""
        return self.away >= after or bool(self.gaps) or (bool(self.late) and self.away >= LATE)


class Life:
    """Notes that relay is alive; once it has caught up after a start, tells how long it wasn't."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        behind: Callable[[], bool],
        events: Callable[[], int],
        tell: Callable[[Absence], None],
    ) -> None:
        """`behind`: whether there is more to read of what was written meanwhile; `events`: read so far."""
        self.gaps = 0  # told of since the start
        self._store = store
        self._clock = clock
        self._behind = behind
        self._events = events
        self._tell = tell
        self._started_at = clock.now()
        self._noted_at = -math.inf  # monotonic
        self._away_since = 0.0  # wall time of the last note of an earlier process; 0.0: there was none
        self._owed: set[int] = set()  # alerts whose messages were due when relay started
        self._reported = False

    async def begin(self) -> None:
        """Before anything is written: what an earlier process left. Raises a `StoreError`."""
        self._away_since = float(await self._store.noted(NOTE) or 0.0)
        waiting = (DeliveryState.PENDING, DeliveryState.SENDING)
        self._owed = owed(await self._store.deliveries(states=waiting, most=MOST), self._started_at)
        self._reported = not self._away_since

    @property
    def silent(self) -> float:
        """Seconds since the store last took a note."""
        return self._clock.monotonic() - self._noted_at

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.run_once()
            await self._clock.sleep(EVERY)

    async def run_once(self) -> None:
        """One look."""
        if self.silent >= NOTED_EVERY:
            await self.note()
        if not self._reported and self._caught_up():
            with contextlib.suppress(StoreError):  # the next look will do
                await self._report()

    async def note(self) -> None:
        """Note it now, as far as the store takes anything."""
        with contextlib.suppress(StoreError):
            await self._store.note(NOTE, str(self._clock.now()))
            self._noted_at = self._clock.monotonic()

    def _caught_up(self) -> bool:
        """Whether what was written while relay was away has been read and told, or that takes too long."""
        up = self._clock.now() - self._started_at
        return up >= GRACE and (not self._behind() or up >= CATCH_UP)

    async def _report(self) -> None:
        recent = await self._store.deliveries(most=MOST)
        missed = Absence(
            away=self._started_at - self._away_since,
            events=self._events(),
            late=len(self._owed | told_late(recent, self._started_at)),
            gaps=self.gaps,
            behind=self._behind(),
        )
        self._reported = True
        log.info("back_again", text=missed.text, away_seconds=round(missed.away, 1))
        self._tell(missed)


def owed(deliveries: Iterable[Delivery], now: float) -> set[int]:
    """The alerts whose messages were due, or on their way, when relay started at `now`."""
    waiting = (DeliveryState.PENDING, DeliveryState.SENDING)
    return {each.alert for each in deliveries if each.state in waiting and each.next_at <= now and each.alert}


def told_late(deliveries: Sequence[Delivery], started_at: float) -> set[int]:
    """The alerts decided after the start on events from before it."""
    return {
        each.alert
        for each in deliveries
        if each.created_at >= started_at
        and each.message.last_seen < started_at
        and each.reason in {Reason.FIRST, Reason.REMINDER}
    }


def spell(seconds: float) -> str:
    """`4 min 12 s`: an absence's length is worth its seconds."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    if not 0 < minutes < 60:
        return format_duration(seconds)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
