"""What is counted of one entry while relay watches it: for `/metrics` and `relay watchdog list`."""

from __future__ import annotations

from collections import Counter

from relay.models import Json
from relay.watchdog.verdict import Kind

JUDGED = frozenset({Kind.HELD, Kind.FAILED})


class Tally:
    """Of this process alone; it goes when its entry does."""

    def __init__(self) -> None:
        self.looks = dict.fromkeys((kind.value for kind in Kind), 0)  # by outcome
        self.looked_at = 0.0  # wall time of the latest look that could judge; 0.0: none could yet
        self.look_seconds = 0.0  # how long the latest look took
        self.restarts = 0  # begun
        self.results: Counter[str] = Counter({"recovered": 0, "still down": 0})  # of restarts, once verified

    def look(self, kind: Kind, seconds: float, now: float) -> None:
        """Count a look that ends now."""
        self.looks[kind.value] += 1
        self.look_seconds = seconds
        if kind in JUDGED:
            self.looked_at = now

    def json(self) -> Json:
        """As plain data."""
        return {
            "looks": dict(self.looks),
            "looked_at": self.looked_at,
            "look_seconds": round(self.look_seconds, 6),
            "restarts_begun": self.restarts,
            "restart_results": dict(self.results),
        }
