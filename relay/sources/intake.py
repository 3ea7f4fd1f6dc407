"""The one bounded queue between the sources and the pipeline.

Full means: the tail stops reading (the file is the buffer) and the socket stops reading (the writer
waits). Two water marks keep it from flapping: it closes above the high one, opens below the low one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from relay.models import Batch

HIGH_EVENTS: Final = 20_000
HIGH_BYTES: Final = 8 * 1024 * 1024


class Intake:
    """Batches in arrival order, bounded by events and by bytes of text.

    The bound is soft by one batch per source: `put_nowait` always takes what it is given, and the source
    then waits (`await room()`) or pauses its transport (`on_room`) before it reads more.
    """

    def __init__(self, high_events: int = HIGH_EVENTS, high_bytes: int = HIGH_BYTES) -> None:
        self._high_events = high_events
        self._high_bytes = high_bytes
        self._batches: deque[Batch] = deque()
        self._events = 0  # events waiting
        self._bytes = 0  # bytes of text waiting
        self._open = asyncio.Event()
        self._open.set()
        self._filled = asyncio.Event()
        self._on_room: list[Callable[[], None]] = []  # paused transports, each called once
        self.closed = False

    def __len__(self) -> int:
        """Events waiting."""
        return self._events

    @property
    def full(self) -> bool:
        """Whether a source must wait before it reads more."""
        return not self._open.is_set()

    def put_nowait(self, batch: Batch) -> bool:
        """Take a batch; False if the intake is now full and the source must wait for room."""
        self._batches.append(batch)
        self._events += len(batch.events)
        self._bytes += batch.size
        self._filled.set()
        if self._events >= self._high_events or self._bytes >= self._high_bytes:
            self._open.clear()
        return self._open.is_set()

    async def room(self) -> None:
        """Wait until there is room."""
        await self._open.wait()

    def on_room(self, call: Callable[[], None]) -> None:
        """Call once, as soon as there is room."""
        if self._open.is_set():
            call()
        else:
            self._on_room.append(call)

    async def get(self, most: int) -> list[Batch]:
        """Wait for something, then take whole batches up to about `most` events (at least one batch).

        Cancellation while waiting takes nothing. After `close()` it returns what is left, then [].
        """
        while not self._batches:
            if self.closed:
                return []
            self._filled.clear()
            await self._filled.wait()
        taken: list[Batch] = []
        events = 0
        while self._batches and (not taken or events + len(self._batches[0].events) <= most):
            batch = self._batches.popleft()
            taken.append(batch)
            events += len(batch.events)
            self._bytes -= batch.size
        self._events -= events
        if not self._open.is_set() and self._low():
            self._open.set()
            waiting, self._on_room = self._on_room, []
            for call in waiting:
                call()
        return taken

    def close(self) -> None:
        """No more will come: `get` drains, then returns []."""
        self.closed = True
        self._filled.set()

    def _low(self) -> bool:
        return self._events <= self._high_events // 2 and self._bytes <= self._high_bytes // 2
