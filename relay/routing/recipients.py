"""Names of rules.yaml to people: teams expanded, rotas resolved to who is on duty."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from relay.config.schema import Config, Rota
from relay.models import Address


class Reached(Struct, frozen=True, gc=False):
    """A person or room to be told, with the addresses to try, in order."""

    recipient: str
    addresses: tuple[Address, ...]


def addresses(config: Config, names: Iterable[str], now: float) -> list[Reached]:
    """The people and rooms behind `names` at `now`, each once, in order of first mention.

    A name that isn't configured reaches nobody; the config checker reports it.
    """
    reached: dict[str, Reached] = {}
    for name in _people(config, names, now, seen=set()):
        person = config.recipients[name]
        assert isinstance(person, dict)
        found = tuple(Address(backend, to) for backend, to in person.items())
        reached.setdefault(name, Reached(name, found))
    return [each for each in reached.values() if each.addresses]


def on_duty(rota: Rota, now: float) -> str:
    """Whose turn it is. Before `from` it is the first one's.

    Turns are counted on the wall clock, so that a hand-over at 9 stays at 9 when summer time begins.
    ValueError for a `from` that is no time; the config checker refuses it.
    """
    start = start_of(rota)
    wall_now = datetime.fromtimestamp(now, tz=start.tzinfo).replace(tzinfo=None)
    turns = (wall_now - start.replace(tzinfo=None)) // timedelta(seconds=rota.every)
    return rota.rota[max(0, turns) % len(rota.rota)]


def start_of(rota: Rota) -> datetime:
    """When the first turn begins.

    `2026-01-05T09:00` is in the host's zone (a naive time is returned); `...+08:00`, or a zone's name after
    a space, name another. ValueError if it is none of these.
    """
    text, _, zone = rota.from_.partition(" ")
    if zone and not zone[0].isdigit():
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return datetime.fromisoformat(rota.from_)


def _people(config: Config, names: Iterable[str], now: float, seen: set[str]) -> Iterator[str]:
    for name in names:
        recipient = config.recipients.get(name)
        if recipient is None or name in seen:  # seen: a team that holds itself, or someone named twice
            continue
        seen.add(name)
        if isinstance(recipient, Rota):
            yield from _people(config, (on_duty(recipient, now),), now, seen)
        elif isinstance(recipient, tuple):
            yield from _people(config, recipient, now, seen)
        else:
            yield name
