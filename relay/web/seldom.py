"""Log lines that anybody could cause, once in a while."""

from __future__ import annotations

from typing import Final

from relay.clock import Clock

AGAIN: Final = 60.0  # seconds between two of a kind


class Seldom:
    """Says whether it is time to log that kind again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[str, float] = {}  # kind -> monotonic time

    def __call__(self, kind: str) -> bool:
        """Kinds must be few: each is remembered."""
        now = self._clock.monotonic()
        if now - self._told.get(kind, -AGAIN) < AGAIN:
            return False
        self._told[kind] = now
        return True
