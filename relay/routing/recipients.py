"""Names of rules.yaml to people: teams expanded, rotas and owners resolved, and who is within their hours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from relay.config.people import address_of, members_of, ways_of
from relay.config.schema import Config, Hours, Owner, Rota, Rule, Team, Way
from relay.models import Address, Event, Standing
from relay.routing.calendar import NEVER, Gate, gate_of, opens_at
from relay.routing.owner import owners_of
from relay.routing.rota import turn


class Reached(Struct, frozen=True, gc=False):
    """A person or room to be told, with the addresses to try, in order: those that can be used then."""

    recipient: str
    addresses: tuple[Address, ...]
    opens_at: float = 0.0  # 0.0: may be told now; else when the time for it comes; inf: never
    via: str = ""  # the rota that they were reached through
    turn_ends: float = NEVER  # when somebody else may be on duty

    @property
    def look_at(self) -> float:
        """When it is worth looking again whether they, or whoever is on duty instead, can be told."""
        return min(self.opens_at, self.turn_ends) if self.opens_at else 0.0


class _Path(Struct, frozen=True):
    """How a name was come to: what must be open on the way, and the rota passed last."""

    gates: tuple[Gate, ...] = ()
    via: str = ""
    turn_ends: float = NEVER

    def through(self, gate: Gate | None) -> _Path:
        """The path with one more gate on it."""
        return self if gate is None or gate in self.gates else replace(self, gates=(*self.gates, gate))


_STRAIGHT: Final = _Path()
_AT_ALL_TIMES: Final = Hours()


def reached_by(config: Config, rule: Rule, now: float, event: Event | None = None) -> list[Reached]:
    """Whom the rule reaches at `now`, and those it will once they are within their hours and its own."""
    return addresses(config, rule.to, now, event, _STRAIGHT.through(gate_of(config, rule)))


def addresses(
    config: Config,
    names: Iterable[str],
    now: float,
    event: Event | None = None,
    path: _Path = _STRAIGHT,
) -> list[Reached]:
    """The people and rooms behind `names`, each once, in order of first mention; `opens_at` says when.

    `event` is what owners of code are found by. A name that isn't configured reaches nobody; the config
    checker reports it.
    """
    reached: dict[str, Reached] = {}
    for name, way_there in _people(config, names, now, event, path, seen=set()):
        found = _reached(config, name, way_there, now)
        before = reached.get(name)
        if before is None or found.opens_at < before.opens_at:
            reached[name] = found
    return [each for each in reached.values() if each.addresses]


def expected_by(config: Config, rule: Rule, now: float, standings: Iterable[Standing]) -> list[Reached]:
    """As `reached_by`, without the event: whoever owns the code is known from the alert's standings."""
    if not needs_event(config, rule.to):
        return reached_by(config, rule, now)
    names = [each.recipient for each in standings]
    return addresses(config, names, now, None, _STRAIGHT.through(gate_of(config, rule)))


def told_now(config: Config, names: Iterable[str], now: float) -> list[Reached]:
    """Those of them who may be told now."""
    return [each for each in addresses(config, names, now) if not each.opens_at]


def needs_event(config: Config, names: Iterable[str]) -> bool:
    """Whether it takes an event to say who is behind the names."""
    asked, seen = list(names), set[str]()
    while asked:
        name = asked.pop()
        recipient = config.recipients.get(name)
        if isinstance(recipient, Owner):
            return True
        if name not in seen and recipient is not None:
            seen.add(name)
            asked += members_of(recipient)
    return False


def _reached(config: Config, name: str, path: _Path, now: float) -> Reached:
    """A person or room, with the addresses that are open at once when they can first be told."""
    recipient = config.recipients[name]
    hours = recipient if isinstance(recipient, Hours) else _AT_ALL_TIMES
    path = path.through(gate_of(config, hours))
    if not path.gates and not any(isinstance(way, Way) for way in ways_of(recipient).values()):
        plain = tuple(Address(backend, address_of(way)) for backend, way in ways_of(recipient).items())
        return Reached(name, plain, 0.0, path.via, path.turn_ends)
    ways: list[tuple[float, Address]] = []
    for backend, way in ways_of(recipient).items():
        gate = gate_of(config, hours, way) if isinstance(way, Way) else None
        ways.append((opens_at(path.through(gate).gates, now), Address(backend, address_of(way))))
    first = min((at for at, _ in ways), default=0.0)
    usable = tuple(address for at, address in ways if at == first)
    return Reached(name, usable, first, path.via, path.turn_ends)


def _people(
    config: Config,
    names: Iterable[str],
    now: float,
    event: Event | None,
    path: _Path,
    seen: set[tuple[str, _Path]],
) -> Iterator[tuple[str, _Path]]:
    for name in names:
        recipient = config.recipients.get(name)
        if recipient is None or (name, path) in seen:  # a team that holds itself, or someone named twice
            continue
        seen.add((name, path))
        if ways_of(recipient):
            yield name, path
            continue
        inner = path.through(gate_of(config, recipient)) if isinstance(recipient, Hours) else path
        members: tuple[str, ...] = ()
        match recipient:
            case Rota():
                now_on = turn(recipient, now)
                members = now_on.names
                ends = min(path.turn_ends, now_on.until)
                inner = replace(inner, via=path.via or name, turn_ends=ends)
            case Owner():
                members = owners_of(config, recipient, event)
            case Team():
                members = recipient.team
            case tuple():
                members = recipient
        yield from _people(config, members, now, event, inner, seen)
