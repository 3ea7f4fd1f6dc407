"""From generations to the intake: events with the position that may be saved once they are."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from relay.clock import Clock
from relay.models import Batch, Event, Position
from relay.sources.generation import Generation
from relay.sources.intake import Intake

OWE: Final = 1.0  # seconds between positions that no event goes with


class Handover:
    """Hands over at once what has events; positions alone wait a second for company."""

    def __init__(self, source: str, intake: Intake, clock: Clock) -> None:
        self.events = 0  # handed over so far
        self._source = source
        self._intake = intake
        self._clock = clock
        self._owing: dict[Generation, None] = {}  # whose position moved without an event
        self._paid_at = -math.inf

    def give(self, events: list[Event], positions: list[Position]) -> None:
        """Events, with what may be saved then."""
        self.events += len(events)
        size = sum(len(event.message) for event in events)
        self._intake.put_nowait(Batch(events=events, positions=positions, size=size), of_files=True)

    def progress(self, generation: Generation, events: list[Event]) -> None:
        """A generation was read on."""
        generation.settle()
        if events:
            self.give(events, self.positions([generation]))
        else:
            self.owe(generation)

    def owe(self, generation: Generation) -> None:
        """Its position is to be handed over soon, if that is news."""
        if generation.mark.offset != generation.told:
            self._owing[generation] = None
        if generation.told < 0:
            self._paid_at = -math.inf  # it should be known before it is rotated

    def positions(self, generations: Iterable[Generation]) -> list[Position]:
        """What may be saved of them now."""
        monotonic = self._clock.monotonic()
        told = []
        for each in generations:
            self._owing.pop(each, None)
            each.told_at = monotonic
            told.append(each.position(self._source))
        return told

    def pay(self) -> None:
        """Hand over the positions that wait, all in one batch."""
        if self._owing:
            self.give([], self.positions(list(self._owing)))
            self._paid_at = self._clock.monotonic()

    def pay_for(self, generation: Generation) -> None:
        """Hand over its position now, if that is news."""
        if generation.mark.offset != generation.told:
            self.give([], self.positions([generation]))

    @property
    def due(self) -> float:
        """When to pay, in monotonic time."""
        return self._paid_at + OWE if self._owing else math.inf

    async def room(self) -> None:
        """Wait until what is read next would be in the store soon: a file can wait, a writer can't."""
        await self._intake.calm()
