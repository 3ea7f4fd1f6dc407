"""How many messages a service takes in a time: a limit that holds in every sliding window.

A bucket that refills would let twice the number through around a minute's turn, and a service that counts
closely then blocks the sender for minutes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final


class Quota:
    """At most `number` messages in any `seconds` that follow each other, for each window.

    Times are monotonic seconds and must not go back. A window's edge belongs to the next one: messages
    exactly `seconds` apart are in two windows. No windows: no limit.
    """

    def __init__(self, windows: Sequence[tuple[int, float]]) -> None:
        if any(number < 1 or seconds <= 0 for number, seconds in windows):
            raise ValueError("a window takes at least one message in a time above zero")
        # Of each window the latest `number` messages: the eldest of a full one says when there is room.
        self._windows: Final = [(seconds, deque[float](maxlen=number)) for number, seconds in windows]

    def take(self, now: float) -> float:
        """Take a place for a message sent now: 0.0 if taken, else the seconds until there may be one."""
        wait = self.wait(now)
        if wait <= 0.0:
            for _, latest in self._windows:
                latest.append(now)
        return wait

    def wait(self, now: float) -> float:
        """Seconds until a place is free; 0.0: now."""
        waits = (
            latest[0] + seconds - now for seconds, latest in self._windows if len(latest) == latest.maxlen
        )
        return max(0.0, max(waits, default=0.0))

    def room(self, now: float) -> int | None:
        """Places free now; None: no limit."""
        if not self._windows:
            return None
        return min(
            (latest.maxlen or 0) - sum(at > now - seconds for at in latest)
            for seconds, latest in self._windows
        )

    def give_back(self, taken_at: float) -> None:
        """The message of the place taken at that time was not sent after all."""
        for _, latest in self._windows:
            if taken_at in latest:
                latest.remove(taken_at)

    def preload(self, times: Iterable[float]) -> None:
        """Count messages sent before now (by an earlier process), in any order."""
        for time in sorted(times):
            for _, latest in self._windows:
                latest.append(time)
