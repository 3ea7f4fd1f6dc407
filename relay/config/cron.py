"""Cron expressions, five fields in some zone: when a job was last to run.

As cron does it: of day and weekday, where both are restricted, either is enough; 7 is Sunday too. A time that
the clocks skip in spring is not expected; one that comes twice in autumn is expected once, the first time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final

from msgspec import Struct

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMED: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FURTHEST: Final = 366 * 8 + 3  # days looked back: 29 February comes at least that often


class Cron(Struct, frozen=True):
    """A parsed expression: the values that each field takes."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0: Sunday
    either: bool  # day and weekday are both restricted: one of them is enough


@lru_cache(maxsize=1024)
def parse(text: str) -> Cron:
    """The expression; ValueError with what is wrong."""
    fields = _NAMED.get(text.strip().lower(), text).split()
    if len(fields) != 5:
        raise ValueError(f"{text[:60]!r} is no cron expression: write minute hour day month weekday")
    minutes, hours = _values(fields[0], 0, 59), _values(fields[1], 0, 23)
    days, months = _values(fields[2], 1, 31), _values(fields[3], 1, 12, _MONTHS, 1)
    weekdays = frozenset(day % 7 for day in _values(fields[4], 0, 7, _DAYS, 0))
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    cron = Cron(minutes, hours, days, months, weekdays, either)
    if not any(_runs(cron, date(2024, 1, 1) + timedelta(days=day)) for day in range(366 * 4)):
        raise ValueError(f"{text!r} names a day that never comes")
    return cron


def latest(text: str, before: float, zone: tzinfo | None = None) -> float | None:
    """When the job was last to run, at or before that time (seconds since the epoch); None: never yet."""
    cron = parse(text)
    day = datetime.fromtimestamp(before, tz=zone).date()
    for _ in range(_FURTHEST):
        if _runs(cron, day) and (found := _latest_on(cron, day, before, zone)) is not None:
            return found
        day -= timedelta(days=1)
    return None


def _latest_on(cron: Cron, day: date, before: float, zone: tzinfo | None) -> float | None:
    for hour in sorted(cron.hours, reverse=True):
        for minute in sorted(cron.minutes, reverse=True):
            wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
            at = wall.timestamp()
            if at <= before and datetime.fromtimestamp(at, tz=zone).replace(fold=0) == wall:
                return at
    return None


def _runs(cron: Cron, day: date) -> bool:
    if day.month not in cron.months:
        return False
    in_month, in_week = day.day in cron.days, day.isoweekday() % 7 in cron.weekdays
    return in_month or in_week if cron.either else in_month and in_week


def _values(
    field: str, low: int, high: int, names: Sequence[str] | None = None, first: int = 0
) -> frozenset[int]:
    found: set[int] = set()
    for part in field.lower().split(","):
        span, slash, step = part.partition("/")
        if slash and (not step.isdecimal() or not 1 <= int(step[:4]) <= high):
            raise ValueError(f"{part!r} is no step of a cron expression: write */5")
        start, dash, end = span.partition("-")
        if span == "*":
            begin, stop = low, high
        else:
            begin = _number(start, low, high, names, first)
            stop = _number(end, low, high, names, first) if dash else high if slash else begin
        if begin > stop:
            raise ValueError(f"{part!r} of a cron expression ends before it begins")
        found.update(range(begin, stop + 1, int(step) if slash else 1))
    return frozenset(found)


def _number(text: str, low: int, high: int, names: Sequence[str] | None, first: int) -> int:
    if names and text in names:
        return names.index(text) + first
    if not text.isdecimal() or len(text) > 3 or not low <= int(text) <= high:
        raise ValueError(f"{text[:20]!r} is not part of a cron expression: a number from {low} to {high}")
    return int(text)
