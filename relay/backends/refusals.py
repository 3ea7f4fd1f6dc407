"""How long to wait when a service says "too many" again and again, but not for how long.

Of all messages together, or of one receiver's.
"""

from __future__ import annotations

import math
from typing import Final

from relay.clock import Clock

MOST: Final = 3600.0  # seconds
MANY: Final = 10_000  # receivers who are refused at a time; the first of more is forgotten


class Refusals:
    """Refusals in a row: each one doubles the wait, an acceptance ends the row."""

    def __init__(self, clock: Clock, first: float) -> None:
        self._clock = clock
        self._first = first  # seconds
        self._until = -math.inf  # monotonic
        self.in_a_row = 0

    def next_wait(self) -> float:
        """Seconds to wait after another refusal; calls refused during a wait were on their way before it."""
        now = self._clock.monotonic()
        if now >= self._until:
            self.in_a_row += 1
            self._until = now + min(MOST, self._first * 2.0 ** min(self.in_a_row - 1, 30))
        return self._until - now

    def end(self) -> None:
        """The service accepted something."""
        self.in_a_row = 0
        self._until = -math.inf


class ReceiversRefused:
    """Refusals in a row for each receiver."""

    def __init__(self, clock: Clock, first: float) -> None:
        self._clock = clock
        self._first = first  # seconds
        self._rows: dict[str, Refusals] = {}

    def next_wait(self, to: str) -> float:
        """Seconds that this receiver's messages wait after another refusal."""
        if to not in self._rows and len(self._rows) >= MANY:
            del self._rows[next(iter(self._rows))]
        return self._rows.setdefault(to, Refusals(self._clock, self._first)).next_wait()

    def end(self, to: str) -> None:
        """The service accepted something for this receiver."""
        self._rows.pop(to, None)
