"""Relay tells when it is ended again and again: each start, seen alone, looks like any other."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

from relay.clock import Clock
from relay.errors import StoreError
from relay.outbox.store import Store
from relay.report import Report
from relay.values import format_duration

NOTE: Final = "starts"  # under which the store remembers those of processes that weren't stopped properly
MANY: Final = 3  # such ends ...
WITHIN: Final = 600.0  # ... within so many seconds are told; after so many without one it is over


class Crashes:
    """Ends without a stop: by a crash, the kernel, systemd's watchdog, the power."""

    def __init__(self, store: Store, clock: Clock, report: Report) -> None:
        self._store = store
        self._clock = clock
        self._report = report
        self._earlier: Sequence[float] = ()  # wall times at which processes started that ended so

    async def begin(self) -> None:
        """Note this start, and read what went before. Raises a `StoreError`."""
        now = self._clock.now()
        noted = [float(word) for word in (await self._store.noted(NOTE)).split()]
        self._earlier = [at for at in noted if now - WITHIN < at <= now]
        await self._note([*self._earlier, now])

    async def end(self) -> None:
        """This process was stopped properly."""
        await self._note(self._earlier)

    async def run(self) -> None:
        """Tell of it, if it is so, and that it is over."""
        if len(self._earlier) < MANY:
            return
        within = format_duration(WITHIN)
        text = f"relay ended {len(self._earlier)} times within {within} without having been stopped"
        self._report("crash", "relay", f"{text}; why is in its journal: journalctl -u relay")
        await self._clock.sleep(WITHIN)
        self._report("crash", "relay", f"relay has run for {within}", cleared=True)

    async def _note(self, starts: Sequence[float]) -> None:
        with contextlib.suppress(StoreError):  # a full disk keeps relay neither from starting nor from ending
            await self._store.note(NOTE, " ".join(f"{at:.3f}" for at in starts))
