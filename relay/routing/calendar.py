"""Windows of time: is one open now, and when does the next one open. Pure: the time comes in.

Windows are meant on the wall clock of their zone. Where clocks are set forward, a window within the hour
that is left out doesn't come that day; where they are set back, one within the repeated hour comes twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from relay.config.schema import Calendar, Config, Hours, Way, Window, Windows
from relay.config.windows import DAY, DAYS

NEVER: Final = float("inf")
HORIZON: Final = 2 * 366  # days looked ahead: what isn't open once in that time is never

_SKEW: Final = 2  # days by which the dates of two zones may lie apart


class Days(Struct, frozen=True):
    """What a calendar makes of days, as days since 1 January of year 1."""

    off: frozenset[int] = frozenset()  # public holidays
    on: frozenset[int] = frozenset()  # worked, whatever else they are
    weekend: frozenset[int] = frozenset({5, 6})  # 0 is Monday

    def kind(self, day: int) -> str:
        """Which of `workdays`, `weekends`, `holidays` the day belongs to: exactly one."""
        if day in self.on:
            return "workdays"
        if day in self.off:
            return "holidays"
        return "weekends" if weekday(day) in self.weekend else "workdays"


class Gate(Struct, frozen=True):
    """Open within `active` (none: always) but not within `mute`."""

    active: Windows
    mute: Windows
    zone: str  # "": the host's
    days: Days


def gate_of(config: Config, hours: Hours, way: Way | None = None) -> Gate | None:
    """The gate of a rule or recipient, or of one of a person's addresses; None where it is always open."""
    asked = hours if way is None else way
    if not asked.active and not asked.mute:
        return None
    return Gate(asked.active, asked.mute, hours.zone, days_of(config, hours.calendar))


def days_of(config: Config, name: str) -> Days:
    """The calendar of that name; without one the only one there is; else only weekends are known."""
    calendars = list(config.calendars.values())
    found = config.calendars[name] if name else calendars[0] if len(calendars) == 1 else None
    if not isinstance(found, Calendar):
        return Days()
    return Days(found.off, found.on, frozenset(DAYS.index(day) for day in found.weekend))


def opens_at(gates: tuple[Gate, ...], now: float) -> float:
    """0.0: all of them are open now; else when they next are all open; `NEVER`."""
    return _opens_at(gates, int(now // 60)) if gates else 0.0


@lru_cache(4096)
def _opens_at(gates: tuple[Gate, ...], minute: int) -> float:
    """Windows begin and end with minutes, so one answer serves for a whole minute."""
    now = minute * 60.0
    if all_open(gates, now):
        return 0.0
    today = {gate: wall(now, gate.zone).toordinal() for gate in gates}
    for step in range(-1, HORIZON):
        found = [at for at in _candidates(gates, today, step) if at > now and all_open(gates, at)]
        if found:
            later = [_candidates(gates, today, step + skew) for skew in range(1, _SKEW + 1)]
            found += [at for some in later for at in some if at > now and all_open(gates, at)]
            return min(found)
    return NEVER


def all_open(gates: Iterable[Gate], now: float) -> bool:
    """Whether each of them is open."""
    return all(is_open(gate, now) for gate in gates)


def is_open(gate: Gate, now: float) -> bool:
    """Whether it is open at that time."""
    moment = wall(now, gate.zone)
    day, minute = moment.toordinal(), moment.hour * 60 + moment.minute
    if gate.active and not any(_holds(window, day, minute, gate.days) for window in gate.active):
        return False
    return not any(_holds(window, day, minute, gate.days) for window in gate.mute)


def _holds(window: Window, day: int, minute: int, days: Days) -> bool:
    """A span past midnight belongs to the day on which it begins."""
    for start, end in window.spans:
        if start <= minute < end and on_day(window, day, days):
            return True
        if minute < end - DAY and on_day(window, day - 1, days):
            return True
    return False


def on_day(window: Window, day: int, days: Days) -> bool:
    """Whether the window begins on that day."""
    if not (window.weekdays or window.kinds or window.dates):
        return True
    return (
        weekday(day) in window.weekdays
        or (bool(window.kinds) and days.kind(day) in window.kinds)
        or any(each.first <= day <= each.last for each in window.dates)
    )


def _candidates(gates: Iterable[Gate], today: dict[Gate, int], step: int) -> set[float]:
    """Every time at which a gate may open that belongs to the day `step` days from today."""
    return {at for gate in gates for at in _openings(gate, today[gate] + step)}


def _openings(gate: Gate, day: int) -> Iterator[float]:
    """Where windows of `active` begin, those of `mute` end, and the clock is set."""
    midnight = datetime.fromordinal(day)
    minutes = [start for window in gate.active if on_day(window, day, gate.days) for start, _ in window.spans]
    minutes += [end for window in gate.mute if on_day(window, day, gate.days) for _, end in window.spans]
    for minute in minutes:
        moment = midnight + timedelta(minutes=minute)
        yield instant(moment, gate.zone)
        yield instant(moment.replace(fold=1), gate.zone)
    before, after = instant(midnight, gate.zone), instant(midnight + timedelta(days=1), gate.zone)
    if after - before != 86400.0:
        yield _clock_set(before, after, gate.zone)


def _clock_set(before: float, after: float, zone: str) -> float:
    """When within that day the offset changes, to the minute."""
    low, high = int(before // 60), int(after // 60)
    at_first = _offset(before, zone)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle * 60.0, zone) == at_first:
            low = middle
        else:
            high = middle
    return high * 60.0


def _offset(now: float, zone: str) -> float:
    return (wall(now, zone) - datetime(1970, 1, 1)).total_seconds() - now  # noqa: DTZ001 - wall times have no zone


def weekday(day: int) -> int:
    """0 is Monday."""
    return (day - 1) % 7


def wall(now: float, zone: str) -> datetime:
    """What the clock on the wall shows (a time without a zone)."""
    return datetime.fromtimestamp(now, tz=ZoneInfo(zone) if zone else None).replace(tzinfo=None)


def instant(moment: datetime, zone: str) -> float:
    """When the clock on the wall shows that; of two times the first, unless `fold` is 1."""
    return moment.replace(tzinfo=ZoneInfo(zone) if zone else None).timestamp()
