"""The live alerts in memory, and when time alone makes one of them due.

The store is the truth; the book is its hot copy, loaded at start and changed only after a commit.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from relay.models import Alert, AlertState


class Book:
    """Fingerprint -> live alert, with a heap of due times (one valid entry per alert)."""

    def __init__(self, due: Callable[[Alert], float | None], alerts: Iterable[Alert] = ()) -> None:
        self._due = due
        self._live: dict[str, Alert] = {}
        self._ids: dict[int, str] = {}  # of live alerts
        self._scheduled: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        for alert in alerts:
            self.put(alert)

    def __len__(self) -> int:
        """Live alerts."""
        return len(self._live)

    def get(self, fingerprint: str) -> Alert | None:
        """The live alert of that fingerprint."""
        return self._live.get(fingerprint)

    def some(self, fingerprints: Iterable[str]) -> dict[str, Alert]:
        """Those of them that are live."""
        found = ((key, self._live.get(key)) for key in fingerprints)
        return {key: alert for key, alert in found if alert is not None}

    def by_id(self, number: int) -> Alert | None:
        """The live alert of that id."""
        return self._live.get(self._ids.get(number, ""))

    def all(self) -> list[Alert]:
        """Every live alert."""
        return list(self._live.values())

    def put(self, alert: Alert) -> None:
        """Take the alert as it is now; a resolved one leaves."""
        if alert.state is AlertState.RESOLVED:
            self._live.pop(alert.fingerprint, None)
            self._ids.pop(alert.id, None)
            self._scheduled.pop(alert.fingerprint, None)
            return
        self._live[alert.fingerprint] = alert
        self._ids[alert.id] = alert.fingerprint
        at = self._due(alert)
        scheduled = self._scheduled.get(alert.fingerprint)
        if at is not None and (scheduled is None or at < scheduled):
            self._schedule(alert.fingerprint, at)

    def reschedule(self) -> None:
        """The rules changed: ask anew when each alert is due."""
        self._heap, self._scheduled = [], {}
        for alert in self._live.values():
            at = self._due(alert)
            if at is not None:
                self._schedule(alert.fingerprint, at)

    def next_due(self) -> float | None:
        """When the earliest alert may be due (wall time)."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float, most: int) -> list[Alert]:
        """Up to `most` alerts that are due; each is scheduled again by `put`."""
        found: list[Alert] = []
        while self._heap and self._heap[0][0] <= now and len(found) < most:
            at, fingerprint = heapq.heappop(self._heap)
            if self._scheduled.get(fingerprint) != at:
                continue  # an older entry of an alert that was scheduled earlier since
            del self._scheduled[fingerprint]
            alert = self._live[fingerprint]
            due = self._due(alert)
            if due is None:
                continue
            if due <= now:
                found.append(alert)
            else:
                self._schedule(fingerprint, due)
        return found

    def quietest(self, count: int) -> list[Alert]:
        """The alerts that have been quiet longest."""
        return heapq.nsmallest(count, self._live.values(), key=lambda alert: alert.touched_at)

    def _schedule(self, fingerprint: str, at: float) -> None:
        self._scheduled[fingerprint] = at
        heapq.heappush(self._heap, (at, fingerprint))


class RecentIds:
    """(program, id) pairs seen lately: the same id from the same program is stored once.

    Bounded: at least the latest `generation` pairs are remembered, at most twice as many. Pairs are kept
    as 64-bit hashes; a false match among 200,000 has a chance of about one in a billion.
    """

    def __init__(self, generation: int = 131_072) -> None:
        self._generation = generation
        self._young: set[int] = set()
        self._old: set[int] = set()

    def add(self, program: str, id: str) -> bool:  # noqa: A002 - the socket's word
        """Remember a pair; False if it is known."""
        key = hash((program, id))
        if key in self._young or key in self._old:
            return False
        if len(self._young) >= self._generation:
            self._young, self._old = set(), self._young
        self._young.add(key)
        return True
