"""`threshold`: so many events within a time, sliding over the times that the events carry.

An event passes if some window of that length that holds it holds enough; so it doesn't matter how late it
comes, or how many come at once. What was held back and lies in that window passes with it.

Kept are counts at points in time (milliseconds, or 1/128 of the window for large counts), the latest to
arrive: twice as many as are ever needed where events come in order. So a flood costs no more than a trickle.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from relay.config import schema
from relay.models import Event, Reason
from relay.routing.meters.base import Arrived, Held, Outcome, when
from relay.routing.meters.listing import listed, said
from relay.values import format_duration

EXACT: Final = 128  # events up to which each point in time is kept by itself
KEEP: Final = 86400.0  # seconds that what was held back is remembered at least
_LEAST_POINTS: Final = 16


class Points(Struct, frozen=True, gc=False, tag="threshold", tag_field="kind"):
    """Events by time, in order of arrival."""

    step: float  # seconds
    points: tuple[tuple[int, int, int], ...] = ()  # time in steps, events, those of them held back
    said: tuple[tuple[int, str], ...] = ()  # time in steps and words of the latest few
    strays: int = 0  # held back, and can't belong to an alert any more
    touched_at: float = 0.0


class Threshold(Struct, frozen=True):
    """The meter of a rule with `threshold`."""

    settings: schema.Threshold

    @property
    def step(self) -> float:
        """Seconds between points in time."""
        if self.settings.count <= EXACT:
            return 0.001
        return max(0.001, self.settings.within / EXACT)

    def begin(self, now: float) -> None:
        """Nothing before the first event."""

    def fits(self, state: Struct) -> bool:
        """Whether the points are as far apart as these settings want them."""
        return isinstance(state, Points) and state.step == self.step

    def take(self, state: Points | None, arrived: Arrived) -> Outcome:
        """Pass what lies in a full window, hold the rest."""
        counting = _Counting(self, state or Points(self.step), arrived.now)
        for event in arrived.events:
            counting.add(event)
        return counting.outcome()

    def due(self, state: Points, watched: float) -> float | None:
        """Long after the latest event there is nothing to remember."""
        del watched
        return state.touched_at + max(KEEP, 2 * self.settings.within)

    def wake(self, state: Points, now: float) -> Outcome:
        """Forget it."""
        del state, now
        return Outcome(state=None)

    def owed(self, state: Points) -> tuple[str, ...]:
        """Those that stayed below."""
        return strays(state.strays, self.settings.count, self.settings.within)

    def settled(self, state: Points) -> Points:
        """They have been told."""
        return replace(state, strays=0)

    def shifted(self, state: Points, seconds: float) -> Points:
        """All points move."""
        steps = round(seconds / state.step)
        return replace(
            state,
            points=tuple((at + steps, count, held) for at, count, held in state.points),
            said=tuple((at + steps, text) for at, text in state.said),
            touched_at=state.touched_at + seconds,
        )


def strays(number: int, count: int, within: float) -> tuple[str, ...]:
    """What to say of events that stayed below."""
    if not number:
        return ()
    return (f"{number:,} earlier stayed below {count:,} within {format_duration(within)}",)


class _Counting:
    """One call of `take`: the state thawed."""

    def __init__(self, meter: Threshold, state: Points, now: float) -> None:
        self._settings = meter.settings
        self._step = state.step
        self._span = int(meter.settings.within / state.step + 1e-6)
        self._most = max(_LEAST_POINTS, 2 * min(meter.settings.count, EXACT))
        self._now = now
        self._points: dict[int, list[int]] = {at: [count, held] for at, count, held in state.points}
        self._said = state.said
        self._strays = state.strays
        self._waiting: list[tuple[Event, int, list[int], Held]] = []  # held back in this call, with its point
        self._lost: list[tuple[Event, Held]] = []  # of these, what no window can hold any more
        self._holding = any(held for _, _, held in state.points)
        self._told: list[Event] = []
        self._earlier = 0
        self._since = float("inf")
        self._counted: tuple[str, ...] = ()
        self._full: tuple[int, int, int] | None = None  # the latest window that was found full

    def add(self, event: Event) -> None:
        """One more."""
        at = int(when(event, self._now) / self._step)
        point = self._points.pop(at, None) or [0, 0]
        point[0] += 1
        self._points[at] = point  # at the end: the latest to arrive
        if not self._counted:
            self._said = listed(self._said, at, event)
        first, last, total = window = self._still_full(at) or self._fullest(at)
        if total < self._settings.count:
            self._hold(event, at, point, total)
        else:
            self._full = window
            self._pass(event, first, last, total)
        if len(self._points) > self._most:
            self._strays += self._points.pop(next(iter(self._points)))[1]

    def outcome(self) -> Outcome:
        """What came of all."""
        return Outcome(
            state=Points(
                self._step,
                tuple((at, count, held) for at, (count, held) in self._points.items()),
                self._said,
                self._strays,
                self._now,
            ),
            told=tuple(self._told),
            held=(*self._lost, *((event, held) for event, _, _, held in self._waiting)),
            earlier=self._earlier,
            since=self._since,
            counted=self._counted,
        )

    def _hold(self, event: Event, at: int, point: list[int], total: int) -> None:
        wanted = f"{total:,} of {self._settings.count:,} within {format_duration(self._settings.within)}"
        point[1] += 1
        self._holding = True
        self._waiting.append((event, at, point, Held(Reason.BELOW, wanted)))

    def _pass(self, event: Event, first: int, last: int, total: int) -> None:
        """The event and what was held back in its window; what was held back elsewhere never will be."""
        if not self._counted:
            self._counted = (
                f"{total:,} in {format_duration((last - first) * self._step)}",
                *said(self._said, first, last),
            )
        if self._holding:
            self._release(first, last)
        self._told.append(event)

    def _release(self, first: int, last: int) -> None:
        freed = here = 0
        for event, at, point, held in self._waiting:
            if first <= at <= last and self._points.get(at) is point:
                here += 1
                self._told.append(event)
            else:
                self._lost.append((event, held))
        for at, point in self._points.items():
            if first <= at <= last:
                freed += point[1]
                self._since = min(self._since, at * self._step) if point[1] else self._since
            else:
                self._strays += point[1]
            point[1] = 0
        self._earlier += freed - here
        self._waiting, self._holding = [], False

    def _still_full(self, at: int) -> tuple[int, int, int] | None:
        """The latest full window with the event at `at`, where it is near enough."""
        if self._full is None:
            return None
        first, last, total = self._full
        inside = max(last, at) - min(first, at) <= self._span
        return (min(first, at), max(last, at), total + 1) if inside else None

    def _fullest(self, at: int) -> tuple[int, int, int]:
        """First and last point, and the events, of the fullest window that holds `at`."""
        span = self._span
        near = sorted(
            (point, counts[0]) for point, counts in self._points.items() if -span <= point - at <= span
        )
        best = (at, at, 0)
        start, total = 0, 0
        for point, count in near:
            total += count
            while point - near[start][0] > span:
                total -= near[start][1]
                start += 1
            if near[start][0] <= at <= point and total > best[2]:
                best = (near[start][0], point, total)
        return best
