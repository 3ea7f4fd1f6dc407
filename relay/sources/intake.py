"""The one bounded queue between the sources and the pipeline.

Full means: the tail stops reading (the file is the buffer) and the socket stops reading (the writer
waits). Two water marks keep it from flapping: it closes above the high one, opens below the low one.

Writers come first. What files hold can wait, and a backlog of gigabytes must not make a writer wait for its
answer: while writers are about, each batch holds only so much of files as costs them some milliseconds.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from relay.models import Batch

HIGH_EVENTS: Final = 20_000
HIGH_BYTES: Final = 8 * 1024 * 1024
CALM_EVENTS: Final = 2_000  # waiting events above which files aren't read on
BESIDE_WRITERS: Final = 100  # events of files in a batch while writers are about
ABOUT: Final = 1.0  # seconds after a writer's latest event that they are taken to be


class Intake:
    """Batches in arrival order, those of files apart; bounded by events and by bytes of text.

    The bound is soft by one batch per source: `put_nowait` always takes what it is given, and the source
    then waits (`await room()`) or pauses its transport (`on_room`) before it reads more.
    """

    def __init__(
        self, high_events: int = HIGH_EVENTS, high_bytes: int = HIGH_BYTES, calm_events: int = CALM_EVENTS
    ) -> None:
        self._calm_events = calm_events
        self._high_events = high_events
        self._high_bytes = high_bytes
        self._batches: deque[Batch] = deque()
        self._of_files: deque[Batch] = deque()
        self._written_at = -ABOUT  # monotonic time of a writer's latest event
        self._events = 0  # events waiting
        self._bytes = 0  # bytes of text waiting
        self._open = asyncio.Event()
        self._open.set()
        self._calm = asyncio.Event()
        self._calm.set()
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

    def put_nowait(self, batch: Batch, *, of_files: bool = False) -> bool:
        """Take a batch; False if the intake is now full and the source must wait for room.

        All batches of one source must go the same way: each way keeps its order.
        """
        if of_files:
            self._of_files.append(batch)
        else:
            self._batches.append(batch)
            if batch.done is not None and batch.events:
                self._written_at = time.monotonic()
        self._events += len(batch.events)
        self._bytes += batch.size
        self._filled.set()
        if self._events >= self._high_events or self._bytes >= self._high_bytes:
            self._open.clear()
        if self._events > self._calm_events:
            self._calm.clear()
        return self._open.is_set()

    async def room(self) -> None:
        """Wait until there is room."""
        await self._open.wait()

    async def calm(self) -> None:
        """Wait until little is waiting: what comes next would be in the store within some tens of ms."""
        await self._open.wait()
        await self._calm.wait()

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
        while not self._batches and not self._of_files:
            if self.closed:
                return []
            self._filled.clear()
            await self._filled.wait()
        taken: list[Batch] = []
        events = self._take(self._batches, taken, most)
        if time.monotonic() - self._written_at < ABOUT:
            most = min(most, events + BESIDE_WRITERS)
        events += self._take(self._of_files, taken, most - events)
        self._events -= events
        if self._events <= self._calm_events:
            self._calm.set()
        if not self._open.is_set() and self._low():
            self._open.set()
            waiting, self._on_room = self._on_room, []
            for call in waiting:
                call()
        return taken

    def _take(self, batches: deque[Batch], taken: list[Batch], most: int) -> int:
        """Whole batches, up to about `most` events; one in any case if there is nothing else."""
        events = 0
        while batches and (not taken or events + len(batches[0].events) <= most):
            batch = batches.popleft()
            taken.append(batch)
            events += len(batch.events)
            self._bytes -= batch.size
        return events

    def close(self) -> None:
        """No more will come: `get` drains, then returns []."""
        self.closed = True
        self._filled.set()

    def _low(self) -> bool:
        return self._events <= self._high_events // 2 and self._bytes <= self._high_bytes // 2
