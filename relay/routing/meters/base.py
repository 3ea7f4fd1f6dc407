"""What all meters share: what comes to them, what they make of it, and what time it is for an event."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct

from relay.models import Event, Reason

AHEAD: Final = 60.0  # seconds by which an event's clock may be ahead of relay's
_NOBODY: Final[frozenset[int]] = frozenset()


class Held(Struct, frozen=True, gc=False):
    """Why an event goes no further."""

    reason: Reason
    why: str  # in words: "2 of 3 within 1 min"

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.why}"


class Arrived(Struct, frozen=True):
    """Events of one key that came together, in the order they came."""

    events: Sequence[Event]
    now: float
    watched: float = 0.0  # when relay began to look (its start, or the rule's latest edit)
    live: bool = False  # their alert lives
    ending: Collection[int] = _NOBODY  # `id()` of those that end a pair


class Outcome(Struct, frozen=True, kw_only=True):
    """What a meter makes of it."""

    state: Struct | None  # None: nothing to remember
    told: tuple[Event, ...] = ()  # these go on: they make the alert, or belong to it
    held: tuple[tuple[Event, Held], ...] = ()  # these don't
    earlier: int = 0  # events held back before that belong to the alert now
    since: float = float("inf")  # when the first of those was
    counted: tuple[str, ...] = ()  # what made it tell, then what was counted
    title: str = ""  # of an alert that time alone makes
    over: str = ""  # why the alert is over, after what is told


class Meter(Protocol):
    """What each kind of meter can do. `state` is None where nothing is remembered of the key."""

    def begin(self, now: float) -> Struct | None:
        """The state of a rule that is new, where it has one before any event."""
        ...

    def fits(self, state: Struct) -> bool:
        """Whether a stored state is of this kind, and counted by these settings."""
        ...

    def take(self, state: Any, arrived: Arrived) -> Outcome:
        """Events came."""
        ...

    def due(self, state: Any, watched: float) -> float | None:
        """When time alone makes something happen; None: never."""
        ...

    def wake(self, state: Any, now: float) -> Outcome:
        """It is due."""
        ...

    def owed(self, state: Any) -> tuple[str, ...]:
        """What the next message has to say of what was held back."""
        ...

    def settled(self, state: Any) -> Struct:
        """The state once people have been told."""
        ...

    def shifted(self, state: Any, seconds: float) -> Struct:
        """The state after relay's clock was set by so many seconds: what is past is as long ago as before."""
        ...


def when(event: Event, now: float) -> float:
    """When the event happened, for counting: as it says, unless no sane clock could have said so."""
    return event.time if 0.0 <= event.time <= now + AHEAD else now
