"""Whether messages lie in the outbox though their backend is up: the operators hear, by another one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

import structlog

from relay.clock import Clock
from relay.errors import StoreError
from relay.report import Report
from relay.values import format_duration
from relay.vitals import Condition

log = structlog.get_logger()

EVERY: Final = 30.0  # seconds between looks at the store
LONG: Final = 900.0  # seconds overdue; a service's limit may hold a message back for up to ten minutes


class Backlog:
    """By backend, for how long the message that waits longest is overdue."""

    def __init__(
        self,
        clock: Clock,
        next_due: Callable[[], Awaitable[Mapping[str, float]]],
        up: Callable[[], Collection[str]],
        report: Report,
    ) -> None:
        """`next_due`: when a backend's first pending delivery is due. `up`: those that aren't down."""
        self.overdue: dict[str, float] = {}  # seconds
        self._clock = clock
        self._next_due = next_due
        self._up = up
        self._report = report
        self._long: dict[str, Condition] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.run_once()
            await self._clock.sleep(EVERY)

    async def run_once(self) -> None:
        """One look."""
        try:
            due = await self._next_due()
        except StoreError as error:
            log.info("backlog_unknown", error=str(error))
            return
        now, up = self._clock.now(), self._up()
        self.overdue = {backend: max(0.0, now - at) for backend, at in due.items()}
        for backend in {*self.overdue, *self._long}:
            overdue = self.overdue.get(backend, 0.0)
            condition = self._long.setdefault(backend, Condition(backend, 0.0))
            late = overdue > LONG and backend in up
            self._tell(backend, condition.feed(holds=late, now=self._clock.monotonic()), overdue)
            if not (condition.told or overdue):
                del self._long[backend]

    def _tell(self, backend: str, change: str, overdue: float) -> None:
        subject = f"outbox of {backend}"
        if change == "begins":
            log.warning("outbox_late", backend=backend, seconds=round(overdue))
            text = f"messages have been due at backend {backend} for {format_duration(overdue)}"
            advice = "though it isn't down; see relay outbox list --state pending"
            self._report("vitals", subject, f"{text}, {advice}", avoid=backend)
        elif change == "ends":
            log.info("outbox_on_time", backend=backend)
            text = f"backend {backend}: messages go out in time again"
            self._report("vitals", subject, text, cleared=True)
