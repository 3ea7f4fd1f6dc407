"""The seats of a lane: how many deliveries may be on their way to one backend.

Seats start at one and grow with success and with time: a service that has just come back isn't met by a
thundering herd, and a relay that is killed again and again repeats next to nothing.
"""

from __future__ import annotations

from typing import Final

from relay.clock import Clock

GROWTH: Final = 200  # accepted messages per additional seat
YOUTH: Final = 1.0  # seconds from the start, or from coming back, without seats for age ...
GROWTH_BY_AGE: Final = 32  # ... and additional seats for each second after that


class Seats:
    """How many there are, and how many are taken."""

    def __init__(self, most: int, clock: Clock) -> None:
        self._clock = clock
        self._bound = most
        self.taken = 0  # reserved, on their way, or being settled
        self.accepted = 0  # messages since `begin_again`
        self._since = clock.monotonic()
        self.probing = False  # one at a time: the backend is down

    @property
    def most(self) -> int:
        """As many as there are now."""
        if self.probing:
            return 1
        age = self._clock.monotonic() - self._since - YOUTH
        return min(self._bound, 1 + self.accepted // GROWTH + int(max(0.0, age) * GROWTH_BY_AGE))

    @property
    def free(self) -> int:
        """As many as can be taken; none if too many are, since there are fewer."""
        return max(0, self.most - self.taken)

    def begin_again(self, *, probing: bool) -> None:
        """The backend has gone down, or come back."""
        self.probing = probing
        self.accepted = 0
        self._since = self._clock.monotonic()
