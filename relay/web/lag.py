"""How late the event loop is: the sign that something holds it."""

from __future__ import annotations

from collections import deque
from typing import Final

from relay.clock import Clock
from relay.web.inside import Counts

EVERY: Final = 1.0  # seconds
KEPT: Final = 60  # measures


async def watch_lag(clock: Clock, counts: Counts) -> None:
    """Measure until cancelled."""
    measured: deque[float] = deque(maxlen=KEPT)
    while True:
        before = clock.monotonic()
        await clock.sleep(EVERY)
        measured.append(max(0.0, clock.monotonic() - before - EVERY))
        counts.lag = max(measured)
