"""Calendars to days: what their files and lists say, read once when rules.yaml is.

A file that isn't `.ics` has a line for each day or range: `2026-10-01..2026-10-07 holiday National Day`,
`2026-10-10 workday`; `holiday` may be left out, `#` begins a comment.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from msgspec.structs import replace

from relay.config import ics
from relay.config.files import read
from relay.config.nodes import Table
from relay.config.people import names_in, ways_of
from relay.config.problems import Problems
from relay.config.schema import Calendar, Config, Dates, Hours, Place, Way, Window
from relay.config.windows import dates

_Days = tuple[set[int], set[int]]  # holidays, worked days


def with_calendars(config: Config, root: Table, problems: Problems) -> Config:
    """The configuration with its calendars read, and what needs one checked."""
    places = names_in(root, "calendars")
    calendars = {
        name: _read(Calendar(file=given) if isinstance(given, str) else given, places[name], problems)
        for name, given in config.calendars.items()
    }
    _check_holidays(config, root, problems)
    files = [each.file for each in calendars.values() if each.file]
    return replace(config, calendars=dict(calendars), files=(*config.files, *files))


def _read(calendar: Calendar, place: Place, problems: Problems) -> Calendar:
    off, on = _days(calendar.holidays), _days(calendar.workdays)
    if calendar.file:
        is_ics = calendar.file.lower().endswith(".ics")
        more_off, more_on = (
            _from_ics(calendar.file, place, problems) if is_ics else _from_lines(calendar.file, problems)
        )
        off, on = off | more_off, on | more_on
        if not problems.refused and not off and not on:
            problems.warning(place, f"no holiday and no worked day in {calendar.file}")
    return replace(calendar, off=frozenset(off), on=frozenset(on))


def _days(ranges: Iterable[Dates]) -> set[int]:
    return {day for each in ranges for day in range(each.first, each.last + 1)}


def _from_lines(file: str, problems: Problems) -> _Days:
    off: set[int] = set()
    on: set[int] = set()
    for number, line in enumerate((read(file, problems) or "").splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            found = _days([dates(words[0])])
        except ValueError as error:
            problems.error(Place(file, number, 1), str(error))
            continue
        (on if words[1:2] == ["workday"] else off).update(found)
    return off, on


def _from_ics(file: str, place: Place, problems: Problems) -> _Days:
    text = read(file, problems)
    if text is None:
        return set(), set()
    try:
        return ics.days_of(text, date.today())  # noqa: DTZ011 - how far ahead to look, in years
    except ImportError:
        problems.error(place, "an .ics file needs the package icalendar: pip install 'alert-relay[ics]'")
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        problems.error(Place(file, 1, 1), f"no calendar that can be read: {error}")
    return set(), set()


def _check_holidays(config: Config, root: Table, problems: Problems) -> None:
    """`holidays` must be those of a calendar."""
    places = names_in(root, "recipients")
    told: list[tuple[Hours, list[Window], Place]] = [
        (rule, [*rule.active, *rule.mute], rule.place) for rule in config.rules
    ]
    watched = names_in(root, "watchdog")
    told += [(watch, [*watch.active, *watch.mute], watched[name]) for name, watch in config.watchdog.items()]
    for name, recipient in config.recipients.items():
        hours = recipient if isinstance(recipient, Hours) else Hours()
        windows = [*hours.active, *hours.mute]
        for way in ways_of(recipient).values():
            windows += [*way.active, *way.mute] if isinstance(way, Way) else []
        told.append((hours, windows, places[name]))
    for hours, windows, place in told:
        if hours.calendar or not any("holidays" in window.kinds for window in windows):
            continue
        if not config.calendars:
            problems.error(place, "`holidays` needs a calendar: name one under `calendars`")
        elif len(config.calendars) > 1:
            problems.error(place, "`holidays` of which calendar? Say it with `calendar`")
