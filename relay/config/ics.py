"""Days off and worked days of an iCalendar file (RFC 5545), as the world publishes its holidays.

An all-day event is a holiday, or a day that is worked instead (调休) where it says so. Apple's calendars mark
both with a property of their own and have mere notes beside them; Google's have observances, which nobody
has off. An appointment within a day is no day off either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, Final

MOST_DAYS: Final = 20_000  # of one file
YEARS_AHEAD: Final = 10  # that an event which comes again is followed

_WORKED: Final = re.compile(r"补班|上班|调班|[(（\[【]班[)）\]】]|work(?:ing)?[ -]?day", re.IGNORECASE)
_SPECIAL: Final = "X-APPLE-SPECIAL-DAY"
_OBSERVED: Final = "observance"  # how Google begins the description of one

Event = Any  # icalendar is only imported where there is a file for it


def days_of(text: str, today: date) -> tuple[set[int], set[int]]:
    """Holidays and worked days. ValueError if the text is no calendar; ImportError without icalendar."""
    import icalendar  # noqa: PLC0415 - an extra, and 100 ms

    events: list[Event] = list(icalendar.Calendar.from_ical(text).walk("VEVENT"))
    marked = [event for event in events if event.get(_SPECIAL)]
    off: set[int] = set()
    on: set[int] = set()
    for event in marked or events:
        if not _counts(event):
            continue
        for day in _days(event, today):
            (on if _is_worked(event) else off).add(day)
            if len(off) + len(on) >= MOST_DAYS:
                raise ValueError(f"more than {MOST_DAYS} days")
    return off, on


def _counts(event: Event) -> bool:
    """Whether it is about a day off or a worked day at all."""
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        return False
    return not str(event.get("DESCRIPTION", "")).lower().startswith(_OBSERVED)


def _is_worked(event: Event) -> bool:
    if special := str(event.get(_SPECIAL, "")):
        return special.upper() == "ALTERNATE-WORKDAY"
    return bool(_WORKED.search(str(event.get("SUMMARY", ""))))


def _days(event: Event, today: date) -> Iterator[int]:
    """The days of an all-day event, each time it comes."""
    start = event["DTSTART"].dt if "DTSTART" in event else None
    if not isinstance(start, date) or isinstance(start, datetime):
        return
    length = timedelta(days=1)
    if "DTEND" in event:
        length = event["DTEND"].dt - start  # the end is the day after
    elif "DURATION" in event:
        length = event["DURATION"].dt
    for first in _starts(event, start, today):
        yield from range(first.toordinal(), first.toordinal() + max(1, length.days))


def _starts(event: Event, start: date, today: date) -> list[date]:
    """`start`, or each start of an event that comes again, without those taken out."""
    came = {start, *_listed(event.get("RDATE"))}
    if rule := event.get("RRULE"):
        came |= _repeated(rule.to_ical().decode(), start, today)
    return sorted(came - _listed(event.get("EXDATE")))


def _repeated(rule: str, start: date, today: date) -> set[date]:
    from dateutil.rrule import rrulestr  # noqa: PLC0415 - comes with icalendar

    last = datetime.combine(today, time()) + timedelta(days=366 * YEARS_AHEAD)
    found: set[date] = set()
    for moment in rrulestr(
        re.sub(r"(UNTIL=\d{8})T\d{6}Z?", r"\1", rule), dtstart=datetime.combine(start, time())
    ):
        if moment > last or len(found) >= MOST_DAYS:
            break
        found.add(moment.date())
    return found


def _listed(value: Any) -> set[date]:
    """The dates of EXDATE or RDATE, which may be there several times."""
    lists = value if isinstance(value, list) else [value] if value is not None else []
    return {each.dt for some in lists for each in some.dts if type(each.dt) is date}
