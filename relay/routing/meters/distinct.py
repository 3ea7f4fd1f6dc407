"""`distinct`: so many different values of a label within a time, sliding over the times of the events.

An event passes if some window of that length that holds it holds enough values. Kept are the latest few
times of each value, and twice as many values as are needed: one that comes all the time drives out no other.
"""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from relay.config import schema
from relay.models import Event, Reason
from relay.routing.meters.base import Arrived, Held, Outcome, when
from relay.routing.meters.fields import value_of
from relay.routing.meters.threshold import KEEP, strays
from relay.text import one_line
from relay.values import format_duration

TIMES: Final = 4  # of each value that are kept
LISTED: Final = 20  # values that a message lists
_STEP: Final = 0.001  # seconds
_LEAST_VALUES: Final = 32
_LONGEST: Final = 64  # characters of a value


class Values(Struct, frozen=True, gc=False, tag="distinct", tag_field="kind"):
    """Values by time, in order of their latest arrival."""

    of: str
    values: tuple[tuple[str, tuple[tuple[int, int], ...]], ...] = ()  # value, (time, events held back) ...
    strays: int = 0  # held back, and can't belong to an alert any more
    touched_at: float = 0.0


class Distinct(Struct, frozen=True):
    """The meter of a rule with `distinct`."""

    settings: schema.Distinct

    def begin(self, now: float) -> None:
        """Nothing before the first event."""

    def fits(self, state: Struct) -> bool:
        """Whether the values are those of the same label."""
        return isinstance(state, Values) and state.of == self.settings.of

    def take(self, state: Values | None, arrived: Arrived) -> Outcome:
        """Pass what lies in a full window, hold the rest."""
        counting = _Counting(self.settings, state or Values(self.settings.of), arrived.now)
        for event in arrived.events:
            counting.add(event)
        return counting.outcome()

    def due(self, state: Values, watched: float) -> float | None:
        """Long after the latest event there is nothing to remember."""
        del watched
        return state.touched_at + max(KEEP, 2 * self.settings.within)

    def wake(self, state: Values, now: float) -> Outcome:
        """Forget it."""
        del state, now
        return Outcome(state=None)

    def owed(self, state: Values) -> tuple[str, ...]:
        """Those that stayed below."""
        return strays(state.strays, self.settings.count, self.settings.within)

    def settled(self, state: Values) -> Values:
        """They have been told."""
        return replace(state, strays=0)

    def shifted(self, state: Values, seconds: float) -> Values:
        """All times move."""
        steps = round(seconds / _STEP)
        values = tuple(
            (value, tuple((at + steps, held) for at, held in times)) for value, times in state.values
        )
        return replace(state, values=values, touched_at=state.touched_at + seconds)


class _Time:
    """When a value came, and the events of then that are held back."""

    __slots__ = ("at", "held", "into", "is_gone")

    def __init__(self, at: int, held: int = 0) -> None:
        self.at = at
        self.held = held
        self.into = self  # the time that this one was joined to
        self.is_gone = False

    def now(self) -> _Time:
        """The time that stands for this one."""
        time = self
        while time.into is not time:
            time = time.into
        return time


class _Window(Struct, frozen=True):
    """The values between two times."""

    values: dict[str, None]
    first: int
    last: int


class _Counting:
    """One call of `take`: the state thawed."""

    def __init__(self, settings: schema.Distinct, state: Values, now: float) -> None:
        self._settings = settings
        self._span = int(settings.within / _STEP + 1e-6)
        self._most = max(_LEAST_VALUES, 2 * settings.count)
        self._now = now
        self._values = {value: [_Time(at, held) for at, held in times] for value, times in state.values}
        self._newest = max((time.at for times in self._values.values() for time in times), default=0)
        self._strays = state.strays
        self._waiting: list[tuple[Event, _Time, Held]] = []  # held back in this call
        self._lost: list[tuple[Event, Held]] = []
        self._holding = any(time.held for times in self._values.values() for time in times)
        self._window: _Window | None = None  # the latest that was looked at
        self._told: list[Event] = []
        self._earlier = 0
        self._since = float("inf")
        self._counted: tuple[str, ...] = ()

    def add(self, event: Event) -> None:
        """One more."""
        value = _short(value_of(event, self._settings.of))
        if not value:
            self._strays += 1
            self._lost.append((event, Held(Reason.BELOW, f"it has no {self._settings.of} to count")))
            return
        at = int(when(event, self._now) / _STEP)
        times = self._values.pop(value, [])
        self._values[value] = times  # at the end: the latest to arrive
        mine = next((time for time in times if time.at == at), None)
        if mine is None:
            mine = _Time(at)
            times.append(mine)
        self._window = window = self._same(value, at) or self._fullest(at)
        self._newest = max(self._newest, at)
        if len(window.values) < self._settings.count:
            self._hold(event, mine, len(window.values))
        else:
            self._pass(event, window)
        self._trim(times)

    def outcome(self) -> Outcome:
        """What came of all."""
        values = tuple(
            (value, tuple((time.at, time.held) for time in times)) for value, times in self._values.items()
        )
        return Outcome(
            state=Values(self._settings.of, values, self._strays, self._now),
            told=tuple(self._told),
            held=(*self._lost, *((event, held) for event, _, held in self._waiting)),
            earlier=self._earlier,
            since=self._since,
            counted=self._counted,
        )

    def _hold(self, event: Event, time: _Time, number: int) -> None:
        settings = self._settings
        within = format_duration(settings.within)
        why = f"{number:,} of {settings.count:,} values of {settings.of} within {within}"
        time.held += 1
        self._holding = True
        self._waiting.append((event, time, Held(Reason.BELOW, why)))

    def _pass(self, event: Event, window: _Window) -> None:
        """The event and what was held back in its window; what was held back elsewhere never will be."""
        if not self._counted:
            values, span = list(window.values), format_duration((window.last - window.first) * _STEP)
            self._counted = (f"{len(values):,} values of {self._settings.of} in {span}", *_listed(values))
        if self._holding:
            self._release(window.first, window.last)
        self._told.append(event)

    def _release(self, first: int, last: int) -> None:
        freed = here = 0
        for event, time, held in self._waiting:
            if not time.now().is_gone and first <= time.now().at <= last:
                here += 1
                self._told.append(event)
            else:
                self._lost.append((event, held))
        for time in (time for times in self._values.values() for time in times):
            if first <= time.at <= last:
                freed += time.held
                self._since = min(self._since, time.at * _STEP) if time.held else self._since
            else:
                self._strays += time.held
            time.held = 0
        self._earlier += freed - here
        self._waiting, self._holding = [], False

    def _trim(self, times: list[_Time]) -> None:
        """Few times of this value, few values."""
        if len(times) > TIMES:
            dropped = times.pop(0)
            if abs(dropped.at - times[0].at) <= self._span:  # as good as then
                times[0].held += dropped.held
                dropped.into = times[0]
            else:
                self._forget([dropped])
        if len(self._values) > self._most:
            self._forget(self._values.pop(next(iter(self._values))))

    def _forget(self, times: list[_Time]) -> None:
        for dropped in times:
            self._strays += dropped.held
            dropped.is_gone = True

    def _same(self, value: str, at: int) -> _Window | None:
        """The latest window, grown to `at`, where no other can hold more values.

        A full one that is near enough; or one that has the value already, for the newest event, or where
        there aren't values enough for any to be full.
        """
        window = self._window
        if window is None:
            return None
        first, last = min(window.first, at), max(window.last, at)
        if last - first > self._span:
            return None
        if len(window.values) >= self._settings.count:
            return _Window({**window.values, value: None}, first, last)
        is_newest = at >= self._newest and window.last >= self._newest
        is_settled = is_newest or len(self._values) < self._settings.count
        return _Window(window.values, first, last) if is_settled and value in window.values else None

    def _fullest(self, at: int) -> _Window:
        """The window with most values among those that hold `at`."""
        span = self._span
        near = sorted(
            (time.at, value)
            for value, times in self._values.items()
            for time in times
            if -span <= time.at - at <= span
        )
        best, bounds = 0, (0, 0)
        inside: Counter[str] = Counter()
        start = 0
        for place, (time, value) in enumerate(near):
            inside[value] += 1
            while time - near[start][0] > span:
                _take_out(inside, near[start][1])
                start += 1
            if near[start][0] <= at <= time and len(inside) > best:
                best, bounds = len(inside), (start, place)
        start, end = bounds
        values = dict.fromkeys(value for _, value in near[start : end + 1])
        return _Window(values, near[start][0], near[end][0])


def _take_out(inside: Counter[str], value: str) -> None:
    inside[value] -= 1
    if not inside[value]:
        del inside[value]


def _short(value: str) -> str:
    """The value; a long one by its beginning and a digest, so that it is still told apart."""
    if len(value) <= _LONGEST:
        return value
    digest = blake2b(value.encode(errors="surrogatepass"), digest_size=4).hexdigest()
    return f"{value[: _LONGEST - 9]}…{digest}"


def _listed(values: list[str]) -> tuple[str, ...]:
    more = (f"and {len(values) - LISTED:,} more",) if len(values) > LISTED else ()
    return (*(one_line(value) for value in values[:LISTED]), *more)
