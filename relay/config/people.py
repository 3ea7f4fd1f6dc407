"""Names and who they lead to: all mentioned are there, no team holds itself, everyone can be reached."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from relay.config.check import Mention
from relay.config.nodes import Listing, Node, Scalar, Table
from relay.config.problems import Problems, hint, quoted
from relay.config.schema import Config, Owner, Person, Place, Rota, Team, Way

Ways = Mapping[str, str | Way]  # by backend
Recipient = dict[str, str | Way] | tuple[str, ...] | Rota | Person | Team | Owner
Recipients = dict[str, Recipient]
Teams = Mapping[str, tuple[str, ...]]  # the members of each recipient; none for a person

MAX_TEAMS: Final = 20  # teams within teams: routing expands them one within the other

_WORDS: Final = {
    "recipients": "recipient",
    "backends": "backend",
    "calendars": "calendar",
    "rules": "rule",
}
_CIRCLES: Final = 20  # circles told of at once
_SHOWN: Final = 6  # names of a circle that a problem spells out


def check_mentions(mentions: Iterable[Mention], root: Table, problems: Problems) -> None:
    """Each name stands in its section (well or badly written: that is told there)."""
    sections = {section: names_in(root, section) for section in ("sources", *_WORDS)}
    sections["rules"] = dict.fromkeys(rule_names(root), root.place)
    if http := root.get("http"):
        sections["sources"].setdefault("http", http.place)  # what comes in there is its events' source
    for mention in mentions:
        known = sections[mention.section]
        if mention.name in known:
            continue
        if mention.section == "sources":
            likely = hint(mention.name, known)
            problems.warning(mention.place, f"no source is called {quoted(mention.name)}{likely}")
        else:
            problems.unknown(mention.place, _WORDS[mention.section], mention.name, known)


def check_people(config: Config, root: Table, problems: Problems) -> None:
    """Teams have an end, and behind each name there is an address."""
    recipients = config.recipients
    places = names_in(root, "recipients")
    teams = {name: members_of(recipient) for name, recipient in recipients.items()}
    circles, depths = walked(teams)
    _tell_of_teams(circles, depths, places, problems)
    _check_addresses(config, root, problems)
    excused = _excused(recipients, teams, root).union(*circles)
    reached = _reached(recipients, teams, excused)
    for name in recipients:
        if name not in reached:
            problems.error(places[name], f"nobody can be reached through {quoted(name)}: it has no address")


def names_in(root: Table, section: str) -> dict[str, Place]:
    """The names that a section gives, and where."""
    found = root.get(section)
    return {name: key.place for name, (key, _) in found.pairs.items()} if isinstance(found, Table) else {}


def rule_names(root: Table) -> list[str]:
    """The names that the rules have, well or badly written."""
    found = root.get("rules")
    rules = found.items if isinstance(found, Listing) else ()
    names = (rule.get("name") for rule in rules if isinstance(rule, Table))
    return [name.text for name in names if isinstance(name, Scalar)]


def ways_of(recipient: Recipient) -> Ways:
    """The addresses of a person or room, in order; none for a recipient that stands for others."""
    if isinstance(recipient, Person):
        return recipient.addresses
    return recipient if isinstance(recipient, dict) else {}


def address_of(way: str | Way) -> str:
    """The account, room or mail address."""
    return way.to if isinstance(way, Way) else way


def members_of(recipient: Recipient) -> tuple[str, ...]:
    """Everyone a recipient may stand for, by name; nobody for a person or room."""
    match recipient:
        case Rota():
            stand_ins = (name for override in recipient.overrides for name in override.to)
            return tuple(dict.fromkeys((*recipient.rota, *stand_ins)))
        case Team():
            return recipient.team
        case Owner():
            return tuple(dict.fromkeys((*recipient.else_, *recipient.names.values())))
    return recipient if isinstance(recipient, tuple) else ()


def _tell_of_teams(
    circles: list[list[str]], depths: dict[str, int], places: Mapping[str, Place], problems: Problems
) -> None:
    for circle in circles:
        shown = " -> ".join(circle if len(circle) <= _SHOWN else [*circle[:_SHOWN], "..."])
        problems.error(places[circle[0]], f"teams in a circle: {shown}")
    for name, depth in depths.items():
        if depth == MAX_TEAMS + 1:
            problems.error(places[name], f"more than {MAX_TEAMS} teams within each other")


def walked(teams: Teams) -> tuple[list[list[str]], dict[str, int]]:
    """Circles (the first `_CIRCLES`), and how many teams deep each team is.

    A depth-first walk without recursion: a chain of teams may be longer than Python's stack.
    """
    circles: list[list[str]] = []
    depths: dict[str, int] = {}
    for start in teams:
        path = {} if start in depths else {start: iter(teams[start])}  # the teams we are in, outermost first
        while path:
            name, members = next(reversed(path.items()))
            member = next(members, None)
            if member is None:
                depths[name] = 1 + max((depths.get(each, 0) for each in teams[name]), default=-1)
                path.popitem()
            elif member in path and len(circles) < _CIRCLES:
                inside = list(path)
                circles.append([*inside[inside.index(member) :], member])
            elif member in teams and member not in depths and member not in path:
                path[member] = iter(teams[member])
    return circles, depths


def _check_addresses(config: Config, root: Table, problems: Problems) -> None:
    """Each address is one that its backend could serve."""
    section = root.get("recipients")
    for name, recipient in config.recipients.items():
        person = section.get(name) if isinstance(section, Table) else None
        if isinstance(recipient, Person) and isinstance(person, Table):
            person = person.get("addresses")
        if not isinstance(person, Table):
            continue
        for backend, way in ways_of(recipient).items():
            settings = config.backends.get(backend)
            if settings and (refused := settings.refuses(address_of(way))):
                problems.error(_written(person.pairs[backend][1]).place, refused)


def _written(way: Node) -> Node:
    return way.get("to") or way if isinstance(way, Table) else way


def _excused(recipients: Recipients, teams: Teams, root: Table) -> set[str]:
    """The names of whom a problem is told already."""
    section = root.get("recipients")
    pairs = section.pairs if isinstance(section, Table) else {}
    unread = {name for name, (_, node) in pairs.items() if isinstance(node, Table) and node.pairs}
    absent = {member for members in teams.values() for member in members} - recipients.keys()
    return {name for name in unread if not recipients.get(name)} | absent


def _reached(recipients: Recipients, teams: Teams, excused: Iterable[str]) -> set[str]:
    """The names behind which there is an address, with those that are excused."""
    belongs_to = defaultdict(list)
    for team, members in teams.items():
        for member in members:
            belongs_to[member].append(team)
    ways = [name for name, recipient in recipients.items() if ways_of(recipient)]
    ways += excused
    reached: set[str] = set()
    while ways:
        name = ways.pop()
        if name not in reached:
            reached.add(name)
            ways += belongs_to[name]
    return reached
