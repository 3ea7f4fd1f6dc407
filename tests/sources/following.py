"""A tail under test: what it handed over, what of that was committed, and a restart after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

from relay.clock import FakeClock
from relay.config.schema import TailSource
from relay.models import Batch, Event, Position
from relay.sources.intake import Intake
from relay.sources.tail import Tail
from relay.sources.trouble import Trouble

STARTED: list[Following] = []  # to be closed after each test


def close_all() -> None:
    """Let go of every file."""
    while STARTED:
        STARTED.pop().tail._turns.close()


class TickingClock(FakeClock):
    """No two readings of the wall clock are the same."""

    def now(self) -> float:
        self._now += 1e-6
        return super().now()


class Following:
    """One source over the runs of relay. `look` hands over and commits, unless told otherwise."""

    def __init__(self, *patterns: Path | str, first_start: bool = True, **settings: Any) -> None:
        self.settings = TailSource(tail=tuple(map(str, patterns)), **settings)
        self.clock = TickingClock(time.time())
        self.events: list[Event] = []  # committed
        self.positions: dict[tuple[int, int], Position] = {}  # as the store has them
        self.waiting: list[Batch] = []  # handed over and not committed
        self.troubles: list[Trouble] = []
        self.intake = Intake(calm_events=10**9)  # what is handed over is taken after a look
        self.tail = self._start(first_start=first_start)
        STARTED.append(self)

    def _start(self, *, first_start: bool) -> Tail:
        self.intake = Intake(calm_events=10**9)  # what is handed over is taken after a look
        return Tail(
            "app",
            self.settings,
            self.intake,
            self.clock,
            list(self.positions.values()),
            first_start=first_start,
            report=self.troubles.append,
        )

    async def look(self, *, commit: bool = True) -> list[str]:
        """One look; the messages that were handed over."""
        self.clock.advance(0.001)
        await self.tail.run_once()
        new = await self.drain()
        if commit:
            self.commit()
        return [event.message for batch in new for event in batch.events]

    async def later(self, seconds: float) -> list[str]:
        """A look after some time, and what time alone brings."""
        self.clock.advance(seconds)
        return await self.look()

    async def glance(self) -> None:
        """A look with an intake that is soon full, broken off then."""
        self._use(Intake(high_events=10))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await self.tail.run_once()
        await self.drain()
        self._use(Intake(calm_events=10**9))

    def _use(self, intake: Intake) -> None:
        self.intake = self.tail._handover._intake = intake

    async def drain(self) -> list[Batch]:
        """What was handed over."""
        new: list[Batch] = []
        while self.intake._batches or self.intake._of_files:
            new += await self.intake.get(1_000_000)
        self.waiting += new
        return new

    def commit(self, most: int | None = None) -> None:
        """The first `most` batches reach the store."""
        for batch in self.waiting[:most]:
            self.events += batch.events
            self.positions |= {(each.dev, each.inode): each for each in batch.positions}
        self.waiting = self.waiting[len(self.waiting) if most is None else most :]

    def crash(self) -> None:
        """Killed, and started again: what wasn't committed is gone."""
        self.waiting = []
        self.tail._turns.close()
        self.tail = self._start(first_start=False)

    async def stop(self) -> None:
        """Stopped in order: what was handed over is committed."""
        self.tail._handover.pay()
        await self.drain()
        self.commit()
        self.crash()

    @property
    def messages(self) -> list[str]:
        return [event.message for event in self.events]

    @property
    def gaps(self) -> list[Trouble]:
        return [each for each in self.troubles if each.kind == "gap"]
