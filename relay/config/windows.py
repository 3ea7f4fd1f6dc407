"""Windows of time and dates as people write them: `mon-fri 09:00-18:00`, `22:00-06:00`, `2026-10-01`.

A parser raises ValueError in words: what was given, what is allowed.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from relay.config.problems import closest, quoted
from relay.config.schema import Dates, Window

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
KINDS: Final = ("workdays", "weekends", "holidays")  # what a calendar makes of a day: each is one of these
DAY: Final = 1440  # minutes

_FULL_NAMES: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SPAN: Final = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")
_ALLOWED: Final = (
    "write 22:00-06:00, mon-fri 09:00-18:00, workdays, holidays, weekends or 2026-10-01..2026-10-07"
)
_MOST: Final = 3660  # days of a range


def window(text: str) -> Window:
    """One window: days and times in any order, each of which may be left out."""
    weekdays: set[int] = set()
    kinds: set[str] = set()
    ranges: list[Dates] = []
    spans: list[tuple[int, int]] = []
    words = text.lower().replace(",", " ").split()
    for word in words:
        if _SPAN.fullmatch(word):
            spans.append(_span(word))
        elif word in KINDS:
            kinds.add(word)
        elif word[:1].isdigit():
            ranges.append(dates(word))
        else:
            weekdays |= _weekdays(word)
    if not words:
        raise ValueError(f"an empty window: {_ALLOWED}")
    return Window(text, frozenset(weekdays), frozenset(kinds), tuple(ranges), tuple(spans) or ((0, DAY),))


def dates(text: str) -> Dates:
    """`2026-10-01`, or both ends of a range: `2026-10-01..2026-10-07`."""
    first, dots, last = text.partition("..")
    try:
        found = Dates(_ordinal(first), _ordinal(last if dots else first))
    except ValueError:
        raise ValueError(f"{quoted(text)} is no date: write 2026-10-01 or 2026-10-01..2026-10-07") from None
    if found.last < found.first:
        raise ValueError(f"{quoted(text)} ends before it begins")
    if found.last - found.first > _MOST:
        raise ValueError(f"{quoted(text)} is longer than ten years")
    return found


def _ordinal(text: str) -> int:
    return date.fromisoformat(text.strip()).toordinal()


def _span(word: str) -> tuple[int, int]:
    """Minutes since midnight; an end at or before its start is the next day's."""
    found = _SPAN.fullmatch(word)
    assert found is not None
    hours = [int(found[1]), int(found[3])]
    minutes = [int(found[2]), int(found[4])]
    start, end = (60 * hour + minute for hour, minute in zip(hours, minutes, strict=True))
    if start >= DAY or end > DAY or max(minutes) > 59:
        raise ValueError(f"{quoted(word)} has a time that no clock shows: 00:00 to 24:00")
    if start == end:
        raise ValueError(f"{quoted(word)} begins and ends at the same time: leave it out for the whole day")
    return start, end if end > start else end + DAY


def _weekdays(word: str) -> set[int]:
    first, dash, last = word.partition("-")
    start, end = _weekday(first, word), _weekday(last if dash else first, word)
    return {(start + step) % 7 for step in range((end - start) % 7 + 1)}


def _weekday(name: str, word: str) -> int:
    for known in (DAYS, _FULL_NAMES):
        if name in known:
            return known.index(name)
    guess = closest(word, (*KINDS, *_FULL_NAMES, *DAYS))
    raise ValueError(f"{quoted(word)} is no day{f' (did you mean {guess!r}?)' if guess else ''}: {_ALLOWED}")
