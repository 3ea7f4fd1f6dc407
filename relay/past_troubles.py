"""Troubles that an earlier process told of and this one hasn't met: somebody must say that they are over.

What relay finds wrong with itself it keeps in memory. A new process that finds it still wrong says so again,
of the same alert; one that doesn't would leave the alert firing, with reminders, for days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import structlog

from relay.clock import Clock
from relay.errors import StoreError
from relay.models import Alert, AlertState
from relay.outbox.store import Store
from relay.report import Report
from relay.routing.own import TROUBLE

log = structlog.get_logger()

PATIENCE: Final = 600.0  # seconds after the start: whatever is still wrong has shown by then
# These are over when a person, or the next drill, says so.
LASTING: Final = frozenset({"relay.delivery", "relay.drill", "relay.gap", "relay.store"})


class PastTroubles:
    """Ends them, once."""

    def __init__(
        self, store: Store, clock: Clock, alerts: Callable[[], Iterable[Alert]], report: Report
    ) -> None:
        """`alerts`: those that live."""
        self._store = store
        self._clock = clock
        self._alerts = alerts
        self._report = report
        self._met: set[tuple[str, str]] | None = set()  # kinds and subjects that this process told of so far

    def note(self, kind: str, subject: str) -> None:
        """This process has something to say of that."""
        if self._met is not None:
            self._met.add((kind, subject))

    async def run(self) -> None:
        """Look once, when there was time for all to show."""
        await self._clock.sleep(PATIENCE)
        while self._met is not None:
            try:
                await self.run_once()
            except StoreError as error:
                log.warning("past_troubles_put_off", error=str(error))
                await self._clock.sleep(PATIENCE)

    async def run_once(self) -> None:
        """Say of each that it is over. Raises a `StoreError`."""
        over = [each for each in [await self._subject(alert) for alert in self._alerts()] if each]
        met, self._met = self._met or set(), None
        for kind, subject in over:
            if (kind, subject) not in met:
                text = f"{subject}: not met again since relay has started anew"
                self._report(kind, subject, text, cleared=True)

    async def _subject(self, alert: Alert) -> tuple[str, str] | None:
        """Kind and subject of a trouble that can end by itself; None of any other alert."""
        if alert.rule != TROUBLE or alert.module in LASTING or alert.state is AlertState.RESOLVED:
            return None
        row = await self._store.alert(alert.id)
        subject = row.sample.labels.get("subject") if row and row.sample else None
        return (alert.module.partition(".")[2], subject) if subject else None
