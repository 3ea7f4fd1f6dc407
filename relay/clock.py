"""Time comes in through this door, so that tests can stand at it."""

from __future__ import annotations

import asyncio
import time
from typing import Final, Protocol

CLOCK_SET: Final = 2.0  # seconds by which the two clocks drift apart only if one was set, or the host slept


class Clock(Protocol):
    """Wall time for what people see and what is stored, monotonic time for durations."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that long."""
        ...


class SystemClock:
    """The host's clock."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
    sleep = staticmethod(asyncio.sleep)


class Jumps:
    """Notices that the wall clock was set: it strays from the monotonic one."""

    def __init__(self, wall: float, monotonic: float) -> None:
        self._offset = wall - monotonic

    def latest(self, wall: float, monotonic: float) -> float:
        """By how many seconds it was set since it was asked last; 0.0 if it wasn't."""
        jump = wall - monotonic - self._offset
        self._offset += jump
        return jump if abs(jump) > CLOCK_SET else 0.0


class FakeClock:
    """A clock for tests: time moves only by `advance` and `sleep`."""

    def __init__(self, now: float = 1_767_600_000.0) -> None:
        self._now = now
        self._monotonic = 1000.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> float:
        """The time set so far."""
        return self._now

    def monotonic(self) -> float:
        """The time passed so far."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass, and wake whoever waited for it."""
        self._now += seconds
        self._monotonic += seconds
        for until, wake in self._sleepers:
            if until <= self._monotonic:
                wake.set()
        self._sleepers = [(until, wake) for until, wake in self._sleepers if until > self._monotonic]

    async def sleep(self, seconds: float) -> None:
        """Wait until a test has advanced the clock that far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake = asyncio.Event()
        self._sleepers.append((self._monotonic + seconds, wake))
        await wake.wait()
