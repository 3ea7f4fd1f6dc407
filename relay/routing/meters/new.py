"""`new`: the first problem of its kind passes, ever; all that comes of it later is held back.

While its alert lives, events count in it as with any rule.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from relay.models import Reason
from relay.routing.meters.base import Arrived, Held, Outcome


class Known(Struct, frozen=True, gc=False, tag="new", tag_field="kind"):
    """A problem that was seen."""

    held: int = 0  # events since, that nobody was told of


class New(Struct, frozen=True):
    """The meter of a rule with `new: true`."""

    def begin(self, now: float) -> None:
        """Nothing before the first event."""

    def fits(self, state: Struct) -> bool:
        """Whether it is of this kind."""
        return isinstance(state, Known)

    def take(self, state: Known | None, arrived: Arrived) -> Outcome:
        """Pass the first ever, and what belongs to a live alert."""
        events = tuple(arrived.events)
        if state is None or arrived.live:
            return Outcome(state=state or Known(), told=events)
        held = Held(Reason.KNOWN, "this problem is not new to the rule")
        return Outcome(
            state=replace(state, held=state.held + len(events)), held=tuple((event, held) for event in events)
        )

    def due(self, state: Known, watched: float) -> float | None:
        """Time changes nothing."""
        del state, watched
        return None

    def wake(self, state: Known, now: float) -> Outcome:
        """Time changes nothing."""
        del now
        return Outcome(state=state)

    def owed(self, state: Known) -> tuple[str, ...]:
        """How many were held back before its alert came to life again (by an edit of the rule)."""
        return (f"{state.held:,} earlier were not new",) if state.held else ()

    def settled(self, state: Known) -> Known:
        """They have been told."""
        return replace(state, held=0)

    def shifted(self, state: Known, seconds: float) -> Known:
        """It knows no times."""
        del seconds
        return state
