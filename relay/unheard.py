"""Alerts that nobody may have heard of: no address accepted a message, and someone else could be told."""

from __future__ import annotations

from typing import Final

from relay.clock import Clock
from relay.config.schema import Rule
from relay.models import Alert
from relay.outbox.store import Store
from relay.routing.escalation import UNACCEPTED, next_step

EVERY: Final = 5.0  # seconds between looks at the store
MOST: Final = 500  # alerts looked up at once


class Unheard:
    """Asks the store, which alone knows what was accepted; nothing here needs to survive a restart."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._waiting: dict[int, Alert] = {}  # alerts with a next step, not known to be accepted
        self._accepted: set[int] = set()  # of the alerts with a next step
        self._next_look = clock.monotonic()

    def note(self, alert: Alert, rule: Rule | None) -> None:
        """Take an alert as it is now."""
        if rule is None or not rule.escalate:
            return
        if next_step(rule, alert) is None:
            self._waiting.pop(alert.id, None)
            self._accepted.discard(alert.id)
        elif alert.id not in self._accepted:
            self._waiting[alert.id] = alert

    async def look(self, now: float) -> list[Alert]:
        """Those that no address has accepted in a minute."""
        if not self._waiting or self._clock.monotonic() < self._next_look:
            return []
        self._next_look = self._clock.monotonic() + EVERY
        late = [alert for alert in self._waiting.values() if now - alert.stepped_at >= UNACCEPTED][:MOST]
        found = await self._store.unaccepted_alerts([alert.id for alert in late]) if late else set()
        for alert in late:
            if alert.id not in found:  # or told with others, whose messages are none of its own
                self._accepted.add(alert.id)
                self._waiting.pop(alert.id, None)
        return [alert for alert in late if alert.id in found]
