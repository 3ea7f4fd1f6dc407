"""What relay missed while it was away, and made up for: the start report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from relay.models import Delivery, DeliveryState, Reason
from relay.values import format_duration

NOTED_EVERY: Final = 30.0  # seconds between notes that relay is alive: how sharp `away` is after a kill
CATCH_UP: Final = 600.0  # seconds after which the report no longer waits for files to be read
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
        return self.away >= after or bool(self.late or self.gaps)


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
