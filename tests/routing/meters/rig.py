"""A meter as the daemon drives it, stopped and started after every step, and events to feed it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from relay.models import Event
from relay.routing.meters.base import Arrived, Meter, Outcome
from relay.routing.meters.kinds import read, written
from tests.routing.build import NOW, event

__all__ = ["NOW", "Driven", "at"]


def at(second: float, message: str = "timeout after 3000 ms", **labels: str) -> Event:
    """An event that happened so many seconds after NOW."""
    return event(message, time=NOW + second, labels=labels)


class Driven:
    """One key of a meter. The state is written and read back after each step, as across a restart."""

    def __init__(self, meter: Any) -> None:
        self.meter: Meter = meter
        self.watched = NOW
        self.live = False
        self.state: Struct | None = meter.begin(NOW)
        self._through_the_store()

    def take(self, now: float, *events: Event, ending: Sequence[Event] = ()) -> Outcome:
        """Events arrive so many seconds after NOW."""
        arrived = Arrived(events, NOW + now, self.watched, self.live, {id(each) for each in ending})
        return self._kept(self.meter.take(self.state, arrived))

    def until(self, now: float) -> list[tuple[float, Outcome]]:
        """Time passes up to and including then; when it woke, and what came of it."""
        woken: list[tuple[float, Outcome]] = []
        while self.state is not None:
            due = self.meter.due(self.state, self.watched)
            if due is None or due > NOW + now:
                break
            assert not woken or due > woken[-1][0] + NOW - 1e-6, "it would wake without end"
            woken.append((due - NOW, self._kept(self.meter.wake(self.state, due))))
        return woken

    def clock_set(self, seconds: float) -> None:
        """The clock was set by so many seconds."""
        if self.state is not None:
            self.state = self.meter.shifted(self.state, seconds)
        self.watched += seconds

    def _kept(self, outcome: Outcome) -> Outcome:
        self.state = outcome.state
        self._through_the_store()
        return outcome

    def _through_the_store(self) -> None:
        if self.state is None:
            return
        again = read(written(self.state))
        assert again == self.state
        assert again is not None
        assert self.meter.fits(again)
        self.state = again
