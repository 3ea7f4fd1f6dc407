"""What must keep turning: systemd's watchdog is fed only while all of it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog
from msgspec import Struct

from relay import systemd
from relay.clock import Clock

log = structlog.get_logger()

STILL: Final = 20.0  # seconds without a turn from which on a part isn't well
BEAT: Final = 5.0  # seconds between two beats at most
SPARE: Final = 0.2  # of the time between two beats: later than that, the process itself was held up


class Part(Struct, frozen=True):
    """Something that turns: when it last did (monotonic), and how long it may take."""

    name: str
    turned_at: Callable[[], float]
    still: float = STILL  # seconds


class Heart:
    """Knows the parts, and feeds the watchdog."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._parts: dict[str, Part] = {}

    def join(self, part: Part) -> None:
        """From now on that part must turn, too; it takes the place of one of the same name."""
        self._parts[part.name] = part

    def leave(self, name: str) -> None:
        """That part has ended for good."""
        self._parts.pop(name, None)

    def unwell(self, limit: float = STILL) -> str:
        """Which part stands still, and for how long; "" if all turn. `limit`: seconds that each may."""
        now = self._clock.monotonic()
        for part in self._parts.values():
            still = now - part.turned_at()
            if still >= max(limit, part.still):
                return f"{part.name} stands still for {still:.0f} s"
        return ""

    async def run(self) -> None:
        """Beat until cancelled. A part that stands still is told to systemd in time for WatchdogSec."""
        patience = systemd.watchdog_seconds()
        every = min(patience / 3, BEAT) if patience else BEAT
        while True:
            if unwell := self.unwell(patience - every):
                log.error("standing_still", what=unwell)
                # Only to feed it no more would take WatchdogSec again; systemd before 243 knows no other way.
                systemd.notify(WATCHDOG="trigger", STATUS=unwell)
            else:
                systemd.notify(WATCHDOG=1)
            await self._sleep(every)

    async def _sleep(self, seconds: float) -> None:
        """To the next beat. Was the process itself held up (stopped, swapped out), its parts turn first."""
        began, spare = self._clock.monotonic(), seconds * SPARE
        await self._clock.sleep(seconds)
        if self._clock.monotonic() - began > seconds + spare:
            await self._clock.sleep(spare)
