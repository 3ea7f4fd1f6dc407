"""`absent`: an alert when nothing has matched for a time.

What counts is when an event arrives, so that a program whose clock is wrong is no false alarm. Only what is
read in the grace after a start may have waited for relay: it counts by its own time, corrected by how far
behind such events usually are. So a backlog neither hides that nothing comes any more, nor fakes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from relay.config import schema
from relay.models import Event, Level, Reason
from relay.routing.meters.base import Arrived, Held, Outcome, when
from relay.values import format_duration

LONGEST_GRACE: Final = 300.0  # seconds, where the rule doesn't say
_SLOWLY: Final = 8  # events in which a lag that grew is believed


class Last(Struct, frozen=True, gc=False, tag="absent", tag_field="kind"):
    """When something matched."""

    since: float  # when the rule began to wait for its first
    last: float = 0.0  # 0.0: never
    lag: float = -1.0  # seconds that events are usually behind when they arrive; below 0: not known
    fired: float = 0.0  # when people were told that nothing comes; 0.0: something did


class Absent(Struct, frozen=True):
    """The meter of a rule with `absent`."""

    settings: schema.Absent
    name: str = ""  # the rule's: what is missing

    @property
    def grace(self) -> float:
        """Seconds after a start in which it doesn't fire."""
        if self.settings.grace is not None:
            return self.settings.grace
        return min(self.settings.for_, LONGEST_GRACE)

    def begin(self, now: float) -> Last:
        """It waits from now on."""
        return Last(since=now)

    def fits(self, state: Struct) -> bool:
        """Whether it is of this kind."""
        return isinstance(state, Last)

    def take(self, state: Last | None, arrived: Arrived) -> Outcome:
        """Something matched."""
        state = state or self.begin(arrived.now)
        in_grace = arrived.now < arrived.watched + self.grace
        last, lag = _latest(state, arrived.events, arrived.now, in_grace=in_grace)
        wanted = f"people are told when nothing matches for {format_duration(self.settings.for_)}"
        held = Held(Reason.SEEN, wanted)
        gone = arrived.now - max(state.last, state.since)
        return Outcome(
            state=replace(state, last=last, lag=lag, fired=0.0),
            held=tuple((event, held) for event in arrived.events),
            over=f"something matched again, after {format_duration(gone)}" if state.fired else "",
        )

    def due(self, state: Last, watched: float) -> float | None:
        """When nothing will have matched for too long."""
        if state.fired:
            return None
        return max((state.last or state.since) + self.settings.for_, watched + self.grace)

    def wake(self, state: Last, now: float) -> Outcome:
        """Nothing has matched for too long."""
        waited = format_duration(now - (state.last or state.since))
        never = "" if state.last else ", and never since the rule is there"
        event = Event(
            time=now,
            source="",
            module="",
            level=Level.ERROR,
            message=f"nothing matched for {waited}{never}; wanted: something every "
            f"{format_duration(self.settings.for_)}",
            origin="absent",
        )
        title = f"{self.name}: nothing matched for {format_duration(self.settings.for_)}"
        return Outcome(state=replace(state, fired=now), told=(event,), title=title)

    def owed(self, state: Last) -> tuple[str, ...]:
        """Nothing is held back that anyone waits for."""
        del state
        return ()

    def settled(self, state: Last) -> Last:
        """Nothing to forget."""
        return state

    def shifted(self, state: Last, seconds: float) -> Last:
        """All times move."""
        return replace(
            state,
            since=state.since + seconds,
            last=state.last and state.last + seconds,
            fired=state.fired and state.fired + seconds,
        )


def _latest(state: Last, events: Sequence[Event], now: float, *, in_grace: bool) -> tuple[float, float]:
    """When the latest of the events came, and how far behind such events are."""
    newest = min(now, max(when(event, now) for event in events))
    lag = now - newest
    if in_grace:
        waited = max(0.0, lag - state.lag) if state.lag >= 0.0 else 0.0
        return max(state.last, now - waited), state.lag
    known = state.lag if state.lag >= 0.0 else lag
    return now, lag if lag < known else known + (lag - known) / _SLOWLY
