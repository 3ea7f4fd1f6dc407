"""`rate`: an alert when events come so many times as fast as the same rule's did before.

Events are counted in slots of a sixth of `within`, by their own times. Each slot that fills is judged as of
then: so a jump in a backlog is found, and a backlog that is read at once is no jump. There is none before
the rule has counted for as long as it looks back. It is over when events come about as before, or when the
new speed has lasted for so long that it is the usual one.

Where the events' clock is behind, so is the time that the rule goes by: the time of the newest event, and
what has passed since it came.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from relay.config import schema
from relay.models import Event, Reason
from relay.routing.meters.base import Arrived, Held, Outcome, when
from relay.values import format_duration

SLOTS: Final = 6  # in `within`


class Counts(Struct, frozen=True, gc=False, tag="rate", tag_field="kind"):
    """Events by slots of time."""

    width: float  # of a slot, in seconds
    since: float  # when counting began
    slots: tuple[tuple[int, int, int], ...] = ()  # slot, events, those of them held back; sorted
    newest: float = 0.0  # time of the newest event, and
    seen_at: float = 0.0  # when it came, by relay's clock
    jumped: float = 0.0  # when it jumped; 0.0: it is as usual
    usual: float = 0.0  # events in `within` before it jumped


class Rate(Struct, frozen=True):
    """The meter of a rule with `rate`."""

    settings: schema.Jump

    @property
    def width(self) -> float:
        """Seconds of a slot."""
        return self.settings.within / SLOTS

    @property
    def past(self) -> int:
        """Slots that are compared with."""
        return round(self.settings.over / self.width)

    def begin(self, now: float) -> Counts:
        """It counts from now on."""
        return Counts(self.width, now)

    def fits(self, state: Struct) -> bool:
        """Whether the slots are as wide as these settings want them."""
        return isinstance(state, Counts) and state.width == self.width

    def take(self, state: Counts | None, arrived: Arrived) -> Outcome:
        """Count, and judge each slot that got more."""
        counting = _Counting(self, self._remembered(state, arrived), arrived.now)
        for slot, events in _by_slot(arrived, self.width):
            counting.add(slot, events)
        return counting.outcome()

    def due(self, state: Counts, watched: float) -> float | None:
        """While it is up: in each slot."""
        del watched
        return state.seen_at + state.width if state.jumped else None

    def wake(self, state: Counts, now: float) -> Outcome:
        """Look whether it is over, though nothing came."""
        counting = _Counting(self, state, now)
        counting.pass_time(now)
        return counting.outcome()

    def owed(self, state: Counts) -> tuple[str, ...]:
        """What was held back was usual."""
        del state
        return ()

    def settled(self, state: Counts) -> Counts:
        """Nothing to forget."""
        return state

    def shifted(self, state: Counts, seconds: float) -> Counts:
        """All slots move."""
        steps = round(seconds / state.width)
        return replace(
            state,
            since=state.since + seconds,
            slots=tuple((slot + steps, count, held) for slot, count, held in state.slots),
            newest=state.newest + seconds,
            seen_at=state.seen_at + seconds,
            jumped=state.jumped and state.jumped + seconds,
        )

    def _remembered(self, state: Counts | None, arrived: Arrived) -> Counts:
        """After a stop for longer than it looks back nothing is known of the past: it is learnt anew."""
        if state is None:
            return self.begin(arrived.now)
        stopped = arrived.watched - max(state.seen_at, state.since)
        if stopped <= self.settings.over or state.jumped:
            return state
        return self.begin(arrived.watched)


class _Counting:
    """One call of `take` or `wake`: the state thawed."""

    def __init__(self, meter: Rate, state: Counts, now: float) -> None:
        self._settings = meter.settings
        self._past = meter.past
        self._now = now
        self._state = state
        self._slots = {slot: [count, held] for slot, count, held in state.slots}
        self._newest, self._seen_at = state.newest, state.seen_at
        self._jumped, self._usual = state.jumped, state.usual
        self._told: list[Event] = []
        self._held: list[tuple[Event, Held]] = []
        self._earlier = 0
        self._since = float("inf")
        self._counted: tuple[str, ...] = ()
        self._over = ""

    def add(self, slot: int, events: Sequence[Event]) -> None:
        """Events of one slot; each slot is judged as of then."""
        counts = self._slots.setdefault(slot, [0, 0])
        counts[0] += len(events)
        newest = max(when(event, self._now) for event in events)
        if newest >= self._newest:
            self._newest, self._seen_at = newest, self._now
            self._judge_over(slot)
        if not self._jumped:
            self._judge_jump(slot)
        if self._jumped:
            self._told += events
            return
        counts[1] += len(events)
        why = Held(Reason.USUAL, self._why(slot))
        self._held += [(event, why) for event in events]

    def pass_time(self, now: float) -> None:
        """Nothing came until now."""
        self._newest = min(now, self._newest + max(0.0, now - self._seen_at))
        self._seen_at = now
        self._judge_over(int(self._newest / self._state.width))

    def outcome(self) -> Outcome:
        """What came of all."""
        oldest = int(self._newest / self._state.width) - self._past - 2 * SLOTS
        slots = sorted((slot, *counts) for slot, counts in self._slots.items() if slot >= oldest)
        state = replace(
            self._state,
            slots=tuple((slot, count, held) for slot, count, held in slots),
            newest=self._newest,
            seen_at=self._seen_at,
            jumped=self._jumped,
            usual=self._usual,
        )
        return Outcome(
            state=state,
            told=tuple(self._told),
            held=tuple(self._held),
            earlier=self._earlier,
            since=self._since,
            counted=self._counted,
            over=self._over,
        )

    def _judge_jump(self, slot: int) -> None:
        count, mean = self._window(slot), self._mean(slot)
        if not self._knows(slot) or count < max(self._settings.least, self._settings.factor * mean):
            return
        self._jumped, self._usual, self._over = (slot + 1) * self._state.width, mean, ""
        within = format_duration(self._settings.within)
        self._counted = (f"{count:,} in {within}", f"usually {mean:,.3g} in {within}")
        for at, counts in self._slots.items():
            if slot - SLOTS < at <= slot and counts[1]:
                self._earlier += counts[1]
                self._since = min(self._since, at * self._state.width)
                counts[1] = 0
        in_this_call = [each for each in self._held if self._is_within(each[0], slot)]
        self._held = [each for each in self._held if not self._is_within(each[0], slot)]
        self._earlier -= len(in_this_call)
        self._told += [event for event, _ in in_this_call]

    def _judge_over(self, slot: int) -> None:
        """Half way back is back: a speed near the limit would go on and off."""
        if not self._jumped:
            return
        count = self._window(slot)
        within = format_duration(self._settings.within)
        lasted = slot * self._state.width - self._jumped
        limit = max(self._settings.least, self._settings.factor * self._usual)
        if count < (limit + self._usual) / 2:
            self._over = f"{count:,} in {within} now, usually {self._usual:,.3g}"
        elif lasted >= self._settings.over + self._settings.within:
            self._over = f"{count:,} in {within} for {format_duration(lasted)} now: taken as usual"
        else:
            return
        self._jumped = self._usual = 0.0

    def _is_within(self, event: Event, slot: int) -> bool:
        return slot - SLOTS < int(when(event, self._now) / self._state.width) <= slot

    def _window(self, slot: int) -> int:
        """Events in `within` up to the slot's end."""
        return sum(self._slots[at][0] for at in range(slot - SLOTS + 1, slot + 1) if at in self._slots)

    def _mean(self, slot: int) -> float:
        """Events in a `within` of the time before that."""
        first, last = slot - SLOTS - self._past, slot - SLOTS
        total = sum(counts[0] for at, counts in self._slots.items() if first < at <= last)
        return total * SLOTS / self._past

    def _knows(self, slot: int) -> bool:
        """Whether the rule has counted for all of the time that it looks back."""
        return self._left(slot) <= 0.0

    def _left(self, slot: int) -> float:
        """Seconds until it will have."""
        return self._state.since - (slot - SLOTS - self._past + 1) * self._state.width

    def _why(self, slot: int) -> str:
        within = format_duration(self._settings.within)
        said = f"{self._window(slot):,} in {within}"
        if not self._knows(slot):
            return f"{said}; what is usual is known in {format_duration(self._left(slot))}"
        return f"{said}, usually {self._mean(slot):,.3g}"


def _by_slot(arrived: Arrived, width: float) -> list[tuple[int, list[Event]]]:
    """The events by slot, the earliest slot first."""
    slots: dict[int, list[Event]] = {}
    for event in arrived.events:
        slots.setdefault(int(when(event, arrived.now) / width), []).append(event)
    return sorted(slots.items())
