"""What only shows when all watchdog entries are there: who depends on whom, which names are taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from relay.config.checks import CommandCheck
from relay.config.commands import absence
from relay.config.nodes import Table
from relay.config.people import names_in, walked
from relay.config.problems import Problems, hint, quoted
from relay.config.schema import Config, Place, Watch

OWN: Final = ("relay", "watchdog")  # sources of relay's own events: no other may take them for itself


def check_watchdog(config: Config, root: Table, problems: Problems) -> None:
    """Names that are there, no circle of dependencies."""
    sources = names_in(root, "sources")
    for name in OWN:
        if name in sources:
            problems.error(
                sources[name], f"{name!r} is the source of relay's own events: choose another name"
            )
    places = names_in(root, "watchdog")
    causes = {name: watch.depends_on for name, watch in config.watchdog.items()}
    _check_causes(causes, places, root, problems)
    for name, watch in config.watchdog.items():
        for key, program, effect in _programs(watch):
            if wrong := absence(program):
                problems.warning(_place_of(name, key, root) or places[name], f"{wrong}: {effect}")
    for circle in walked(causes)[0]:
        problems.error(
            places[circle[0]], f"entries depend on each other in a circle: {' -> '.join(circle[:8])}"
        )


def _programs(watch: Watch) -> Iterator[tuple[str, str, str]]:
    """The key of the entry that names a program, that program, and what it means if it isn't there."""
    if isinstance(watch.restart, tuple) and watch.restart:
        yield "restart", watch.restart[0], "the restart would fail"
    for check in watch.checks:
        if isinstance(check, CommandCheck):
            yield "check", check.command[0], "the check could say nothing"


def _check_causes(
    causes: Mapping[str, tuple[str, ...]], places: Mapping[str, Place], root: Table, problems: Problems
) -> None:
    for name, needed in causes.items():
        for cause in needed:
            if cause not in places:
                place = _place_of(name, "depends_on", root) or places[name]
                problems.error(place, f"unknown watchdog entry {quoted(cause)}{hint(cause, list(places))}")


def _place_of(name: str, key: str, root: Table) -> Place | None:
    """Where an entry has that key."""
    section = root.get("watchdog")
    entry = section.get(name) if isinstance(section, Table) else None
    given = entry.get(key) if isinstance(entry, Table) else None
    return given.place if given is not None else None
