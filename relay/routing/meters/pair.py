"""`pair`: an alert when an event isn't followed, within a time, by the one that ends it.

One state for each value of `by`: what is open since when, or an end that came before its beginning (two
sources are read side by side). What opens again while it is open is one with it: its first beginning counts.
A beginning and its end that were both written long ago are read within a moment of each other, so what
comes late is given that moment.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from relay.config import schema
from relay.models import Event, Level, Reason
from relay.routing.fingerprint import template
from relay.routing.meters.base import Arrived, Held, Outcome, when
from relay.routing.meters.fields import value_of
from relay.text import one_line
from relay.values import format_duration

SKEW: Final = 60.0  # seconds by which an end may lie before its beginning: two hosts, two clocks
SETTLE: Final = 10.0  # seconds after it was read that the end of something old may take to be read
KEEP_END: Final = 600.0  # seconds that an end without a beginning is kept
GIVE_UP: Final = 7 * 86400.0  # seconds after the alert when the end isn't waited for any more
_LONGEST: Final = 500  # characters of the message that are kept, and of each label
_MOST_LABELS: Final = 20


class Open(Struct, frozen=True, gc=False, tag="pair", tag_field="kind"):
    """What is open under one value of `by`."""

    seen_at: float  # relay's clock when it came
    since: float = 0.0  # time of the first event that opened it; 0.0: nothing is open
    times: int = 0  # events that opened it
    event: Event | None = None  # the first of them, cut
    ended: float = 0.0  # time of an end that came first; 0.0: none did
    fired: float = 0.0  # when people were told; 0.0: not yet


class Pair(Struct, frozen=True):
    """The meter of a rule with `pair`."""

    settings: schema.Pair

    def begin(self, now: float) -> None:
        """Nothing before the first event."""

    def fits(self, state: Struct) -> bool:
        """Whether it is of this kind."""
        return isinstance(state, Open)

    def take(self, state: Open | None, arrived: Arrived) -> Outcome:
        """Open and close, in the order in which they came."""
        held: list[tuple[Event, Held]] = []
        over = ""
        for event in arrived.events:
            if id(event) in arrived.ending:
                state, why, ended = self._closed(state, event, arrived.now)
                over = ended or over
            else:
                state, why = self._opened(state, event, arrived.now)
            held.append((event, why))
        return Outcome(state=state, held=tuple(held), over=over)

    def due(self, state: Open, watched: float) -> float | None:
        """When the end is overdue, or when it is forgotten."""
        del watched
        if not state.since:
            return state.seen_at + KEEP_END
        if state.fired:
            return state.fired + GIVE_UP
        return max(state.since + self.settings.within, state.seen_at + SETTLE)

    def wake(self, state: Open, now: float) -> Outcome:
        """The end is overdue; or an end has no beginning; or nothing ends it ever."""
        if not state.since:
            return Outcome(state=None)
        if state.fired:
            given_up = f"nothing ended it for {format_duration(now - state.since)}: relay waits no longer"
            return Outcome(state=None, over=given_up)
        assert state.event is not None, "what is open has an event"
        within = format_duration(self.settings.within)
        key = " ".join(f"{name}={one_line(value, 80)}" for name, value in _values(state.event, self.settings))
        times = f"; begun {state.times} times" if state.times > 1 else ""
        event = replace(
            state.event,
            time=now,
            level=max(state.event.level, Level.ERROR),
            message=f"{state.event.message}\nnot ended within {within} ({key}){times}",
            id="",
            program="",
        )
        title = f"not ended within {within}: {template(state.event.message)}"
        return Outcome(state=replace(state, fired=now), told=(event,), title=title)

    def owed(self, state: Open) -> tuple[str, ...]:
        """Nothing is held back that anyone waits for."""
        del state
        return ()

    def settled(self, state: Open) -> Open:
        """Nothing to forget."""
        return state

    def shifted(self, state: Open, seconds: float) -> Open:
        """All times move."""
        return replace(
            state,
            seen_at=state.seen_at + seconds,
            since=state.since and state.since + seconds,
            ended=state.ended and state.ended + seconds,
            fired=state.fired and state.fired + seconds,
        )

    def _opened(self, state: Open | None, event: Event, now: float) -> tuple[Open | None, Held]:
        at = min(when(event, now), now)
        if state is not None and not state.since:
            if at <= state.ended:
                return None, Held(Reason.PAIRED, "what ends it came before it")
            state = None
        within = format_duration(self.settings.within)
        if state is not None:
            return replace(state, times=state.times + 1), Held(Reason.OPENED, "it was open already")
        labels = {name: value[:_LONGEST] for name, value in islice(event.labels.items(), _MOST_LABELS)}
        labels |= {name: event.labels[name][:_LONGEST] for name in self.settings.by if name in event.labels}
        cut = replace(event, message=event.message[:_LONGEST], labels=labels)
        opened = Open(now, since=at or now, times=1, event=cut)
        return opened, Held(Reason.OPENED, f"people are told if nothing ends it within {within}")

    def _closed(self, state: Open | None, event: Event, now: float) -> tuple[Open | None, Held, str]:
        at = min(when(event, now), now)
        if state is None or not state.since:
            before = state.ended if state is not None else 0.0
            return Open(now, ended=max(at, before)), Held(Reason.PAIRED, "nothing was open that it ends"), ""
        if at < state.since - SKEW:
            return state, Held(Reason.PAIRED, "it is older than what is open"), ""
        lasted = format_duration(max(0.0, at - state.since))
        over = f"it ended after {lasted}" if state.fired else ""
        return None, Held(Reason.PAIRED, f"it ends what was open for {lasted}"), over


def _values(event: Event, settings: schema.Pair) -> list[tuple[str, str]]:
    return [(name, value_of(event, name)) for name in settings.by]
