"""What a service drops and calls accepted: too many messages to one receiver, and equal ones."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from typing import Final

from msgspec import structs

from relay.backends.compose import Composition
from relay.clock import Clock
from relay.models import Message

MANY: Final = 10_000  # receivers, from which on those are forgotten who got nothing for long


class Receivers:
    """What each receiver got lately; `windows` are (messages, seconds) pairs, each of them sliding."""

    def __init__(self, clock: Clock, windows: Sequence[tuple[int, float]]) -> None:
        self._clock = clock
        self._windows = windows
        self._most = max(number for number, _ in windows)
        self._longest = max(seconds for _, seconds in windows)
        self._times: dict[str, deque[float]] = {}  # monotonic

    def take(self, to: str) -> bool:
        """Whether `to` may get a message now; it is counted then."""
        now = self._clock.monotonic()
        if len(self._times) >= MANY:
            self._forget(now)
        times = self._times.setdefault(to, deque(maxlen=self._most))
        if any(len(times) >= number and times[-number] > now - seconds for number, seconds in self._windows):
            return False
        times.append(now)
        return True

    def _forget(self, now: float) -> None:
        recent = {to: times for to, times in self._times.items() if times and times[-1] > now - self._longest}
        self._times.clear()
        self._times.update(recent)


def marked(told: Composition, message: Message) -> Composition:
    """Told apart from other messages, for services that drop what is identical.

    An alert's messages differ by its number and their counts; those about relay itself may not.
    """
    if message.alert:
        return told
    mark = hashlib.sha256(message.key.encode(errors="replace")).hexdigest()[:6]
    return structs.replace(told, footer=" · ".join(part for part in (f"#{mark}", told.footer) if part))
