"""How late the event loop itself is: a probe that timed out meanwhile says nothing about its target."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

EVERY: Final = 0.25  # seconds between two looks at the clock
_SLACK: Final = 0.1  # seconds that are nothing
_KEPT: Final = 600.0  # seconds remembered: longer than any probe takes


class Lag:
    """Ticks, and remembers when a tick came late, and by how much."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque()  # (when, seconds late)
        self._next = 0.0  # when the next tick should come; 0.0: it doesn't tick

    async def run(self) -> None:
        """Tick until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._next = loop.time() + EVERY
            await asyncio.sleep(EVERY)
            self._note(loop.time())

    def since(self, began: float) -> float:
        """Seconds that the loop was held up since then, in sum, a tick that is overdue now included."""
        now = asyncio.get_running_loop().time()
        overdue = now - self._next if self._next else 0.0
        late = sum(seconds for at, seconds in self._late if at >= began)
        return late + (overdue if overdue > _SLACK else 0.0)

    def _note(self, now: float) -> None:
        late = now - self._next
        if late > _SLACK:
            self._late.append((now, late))
        while self._late and self._late[0][0] < now - _KEPT:
            self._late.popleft()
