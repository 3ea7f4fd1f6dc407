"""How many messages a service takes in a time: a limit that holds in every sliding window.

A bucket that refills would let twice the number through around a minute's turn, and a service that counts
closely then blocks the sender for minutes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Final

UNBOUNDED: Final = 10**9  # places where there is no limit


class Quota:
    """At most `number` messages in any `seconds` that follow each other, for each window.

    Times are monotonic seconds and must not go back. A window's edge belongs to the next one: messages
    exactly `seconds` apart are in two windows. No windows: no limit.
    """

    def __init__(self, windows: Sequence[tuple[int, float]]) -> None:
        if any(number < 1 or seconds <= 0 for number, seconds in windows):
            raise ValueError("a window takes at least one message in a time above zero")
        # Of each window the latest `number` messages: the eldest of a full one says when there is room.
        self._windows: Final = [(number, seconds, deque[float](maxlen=number)) for number, seconds in windows]

    def take(self, now: float, count: int = 1) -> float:
        """Take places for messages sent now: 0.0 if taken, else the seconds until there may be as many."""
        wait = self.wait(now, count)
        if wait <= 0.0:
            for _, _, latest in self._windows:
                latest.extend(repeat(now, count))
        return wait

    def wait(self, now: float, count: int = 1) -> float:
        """Seconds until `count` places are free at once, or all if there are fewer; 0.0: now."""
        wait = 0.0
        for number, seconds, latest in self._windows:
            in_the_way = len(latest) - max(0, number - count)
            if in_the_way > 0:
                wait = max(wait, latest[in_the_way - 1] + seconds - now)
        return wait

    def waits(self, now: float, count: int) -> list[float]:
        """Seconds until each of the next `count` messages, if each goes as soon as it may."""
        ahead = Quota([(number, seconds) for number, seconds, _ in self._windows])
        for (_, _, mine), (_, _, its) in zip(self._windows, ahead._windows, strict=True):
            its.extend(mine)
        found: list[float] = []
        at = now
        for _ in range(count):
            at += ahead.wait(at)
            ahead.take(at)
            found.append(at - now)
        return found

    def room(self, now: float) -> int:
        """Places free now."""
        free = UNBOUNDED
        for number, seconds, latest in self._windows:
            while latest and latest[0] + seconds <= now:
                latest.popleft()
            free = min(free, number - len(latest))
        return free

    def give_back(self, taken_at: float) -> None:
        """The message of a place taken at that time was not sent after all."""
        for _, _, latest in self._windows:
            if taken_at in latest:
                latest.remove(taken_at)

    def idle(self, now: float) -> bool:
        """Whether nothing was sent within any window."""
        self.room(now)
        return not any(latest for _, _, latest in self._windows)

    def preload(self, times: Iterable[float]) -> None:
        """Count messages sent before now (by an earlier process), in any order."""
        for time in sorted(times):
            for _, _, latest in self._windows:
                latest.append(time)
