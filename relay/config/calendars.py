"""Calendars to days: what their files and lists say, read once when rules.yaml is.

Two kinds of file. `.ics`, as the world publishes holidays: an all-day event is a holiday, or a day that is
worked instead (调休) where it says so. Anything else: a line for each day or range, `2026-10-01..2026-10-07
holiday National Day` or `2026-10-10 workday`; `holiday` may be left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from relay.config.files import read
from relay.config.nodes import Table
from relay.config.people import names_in
from relay.config.problems import Problems
from relay.config.schema import Calendar, Config, Dates, Hours, Person, Place, Way, Window
from relay.config.windows import dates

if TYPE_CHECKING:
    import icalendar

MOST_DAYS: Final = 20_000  # of one file
YEARS_AHEAD: Final = 10  # that an event which comes again is followed

# Words by which published calendars mark a weekend day that is worked.
_WORKED: Final = re.compile(r"补班|上班|调班|[(（\[【]班[)）\]】]|work(?:ing)?[ -]?day", re.IGNORECASE)
_OBSERVED: Final = "observance"  # how Google's calendars begin the description of a day that nobody has off


def with_calendars(config: Config, root: Table, problems: Problems) -> Config:
    """The configuration with its calendars read, and what needs one checked."""
    places = names_in(root, "calendars")
    read_ones = {
        name: _resolved(Calendar(file=given) if isinstance(given, str) else given, places[name], problems)
        for name, given in config.calendars.items()
    }
    config = replace(config, calendars=read_ones)
    files = [each.file for each in read_ones.values() if each.file]
    _check_holidays(config, root, problems)
    return replace(config, files=(*config.files, *files))


def _resolved(calendar: Calendar, place: Place, problems: Problems) -> Calendar:
    off, on = _days(calendar.holidays), _days(calendar.workdays)
    if calendar.file:
        found = (_read_ics if calendar.file.lower().endswith(".ics") else _read_lines)(
            calendar.file, place, problems
        )
        off, on = off | found[0], on | found[1]
    if not off and not on and calendar.file:
        problems.warning(place, f"no holiday and no workday in {calendar.file}")
    return replace(calendar, off=frozenset(off), on=frozenset(on))


def _days(ranges: Iterable[Dates]) -> set[int]:
    return {day for each in ranges for day in range(each.first, min(each.last, each.first + MOST_DAYS) + 1)}


def _read_lines(file: str, place: Place, problems: Problems) -> tuple[set[int], set[int]]:
    text = read(file, problems)
    off: set[int] = set()
    on: set[int] = set()
    for number, line in enumerate((text or "").splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            days = _days([dates(words[0])])
        except ValueError as error:
            problems.error(Place(file, number, 1), str(error))
            continue
        (on if words[1:2] == ["workday"] else off).update(days)
    return off, on


def _read_ics(file: str, place: Place, problems: Problems) -> tuple[set[int], set[int]]:
    text = read(file, problems)
    if text is None:
        return set(), set()
    try:
        import icalendar  # noqa: PLC0415 - an extra, and 100 ms
    except ImportError:
        problems.error(place, f"{file} needs the package icalendar: pip install 'alert-relay[ics]'")
        return set(), set()
    try:
        events = icalendar.Calendar.from_ical(text).walk("VEVENT")
    except ValueError as error:
        problems.error(Place(file, 1, 1), f"not a calendar: {error}")
        return set(), set()
    # Apple's mark days off and worked days with a property of their own; their other events are mere notes.
    marked = [event for event in events if event.get("X-APPLE-SPECIAL-DAY")]
    off: set[int] = set()
    on: set[int] = set()
    for event in marked or events:
        if not _counts(event):
            continue
        try:
            (on if _is_worked(event) else off).update(_days_of(event))
        except (ValueError, TypeError, OverflowError) as error:
            problems.warning(Place(file, 1, 1), f"{_summary(event)!r} can't be read: {error}")
    return off, on


def _counts(event: icalendar.Component) -> bool:
    """Whether it is about a day off or a worked day at all."""
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        return False
    return not str(event.get("DESCRIPTION", "")).lower().startswith(_OBSERVED)


def _is_worked(event: icalendar.Component) -> bool:
    if special := str(event.get("X-APPLE-SPECIAL-DAY", "")):
        return special.upper() == "ALTERNATE-WORKDAY"
    return bool(_WORKED.search(_summary(event)))


def _summary(event: icalendar.Component) -> str:
    return str(event.get("SUMMARY", ""))


def _days_of(event: icalendar.Component) -> Iterator[int]:
    """The days of an all-day event, each time it comes; an appointment within a day is no day off."""
    start = event["DTSTART"].dt
    if isinstance(start, datetime) or not isinstance(start, date):
        return
    if "DTEND" in event:
        length = (event["DTEND"].dt - start).days  # the end is the day after
    elif "DURATION" in event:
        length = event["DURATION"].dt.days
    else:
        length = 1
    count = 0
    for first in _starts(event, start):
        for day in range(first.toordinal(), first.toordinal() + max(1, length)):
            count += 1
            if count > MOST_DAYS:
                return
            yield day


def _starts(event: icalendar.Component, start: date) -> Iterator[date]:
    """`start`, or each start of an event that comes again, without those taken out."""
    rule = event.get("RRULE")
    extra = {day for day in _listed(event.get("RDATE")) if isinstance(day, date)}
    out = _listed(event.get("EXDATE"))
    if rule is None:
        yield from sorted({start, *extra} - out)
        return
    from dateutil.rrule import rrulestr  # noqa: PLC0415 - comes with icalendar

    written = rule.to_ical().decode()
    until = datetime.combine(date.today() + timedelta(days=366 * YEARS_AHEAD), datetime.min.time())  # noqa: DTZ011
    came = {start, *extra}
    for moment in rrulestr(written, dtstart=datetime.combine(start, datetime.min.time())):
        if moment > until or len(came) > MOST_DAYS:
            break
        came.add(moment.date())
    yield from sorted(came - out)


def _listed(value: Any) -> set[date]:
    """The dates of EXDATE or RDATE, which may be there several times."""
    lists = value if isinstance(value, list) else [value] if value is not None else []
    return {each.dt for some in lists for each in some.dts if not isinstance(each.dt, datetime)}


def _check_holidays(config: Config, root: Table, problems: Problems) -> None:
    """`holidays` without a calendar that has some would never come."""
    places = names_in(root, "recipients")
    told = [(rule, rule.place) for rule in config.rules]
    told += [(each, places[name]) for name, each in config.recipients.items() if isinstance(each, Hours)]
    for hours, place in told:
        if not any("holidays" in window.kinds for window in _windows(hours)):
            continue
        if not config.calendars:
            problems.error(place, "`holidays` needs a calendar: name one under `calendars`")
        elif not hours.calendar and len(config.calendars) > 1:
            problems.error(place, "`holidays` of which calendar? Say it with `calendar`")
    for name, recipient in config.recipients.items():
        if isinstance(recipient, dict) and any(
            "holidays" in window.kinds
            for way in recipient.values()
            if isinstance(way, Way)
            for window in (*way.active, *way.mute)
        ):
            if len(config.calendars) != 1:
                problems.error(
                    places[name], "`holidays` of which calendar? Write the person in full, with `calendar`"
                )


def _windows(hours: Hours) -> Iterator[Window]:
    yield from (*hours.active, *hours.mute)
    if isinstance(hours, Person):
        for way in hours.addresses.values():
            if isinstance(way, Way):
                yield from (*way.active, *way.mute)
