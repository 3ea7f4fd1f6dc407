"""A service's hosts: the one that works is used until it fails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from relay.clock import Clock

STAY: Final = 30.0  # seconds between changes, so that two failing hosts don't take turns with each request


class Hosts:
    """The roots of a service's URLs, in order of preference."""

    def __init__(self, clock: Clock, roots: Sequence[str]) -> None:
        self._clock = clock
        self._roots = list(roots)  # the one in use comes first
        self._changed = -math.inf  # monotonic

    def in_order(self) -> list[str]:
        """The one in use, then the others."""
        return list(self._roots)

    def failed(self, root: str) -> None:
        """Use the next one from now on, if it was the one in use."""
        now = self._clock.monotonic()
        if root == self._roots[0] and now - self._changed >= STAY:
            self._roots.append(self._roots.pop(0))
            self._changed = now
