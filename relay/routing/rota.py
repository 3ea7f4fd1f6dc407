"""Whose turn it is, and until when. Pure: the time comes in.

Turns are counted on the wall clock, so that a hand-over at 9 stays at 9 when summer time begins.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from relay.config.schema import Override, Rota


class Turn(Struct, frozen=True):
    """Who is on duty, and between which times."""

    names: tuple[str, ...]
    since: float  # -inf before the first turn
    until: float
    instead: bool = False  # an override says so


def turn(rota: Rota, now: float) -> Turn:
    """Whose turn it is; before `from` it is the first one's. ValueError for times that are none."""
    regular = _regular(rota, now)
    edges = [_edges(override, rota) for override in rota.overrides]
    since = max([regular.since, *(edge for pair in edges for edge in pair if edge <= now)])
    until = min([regular.until, *(edge for pair in edges for edge in pair if edge > now)])
    for override, (start, end) in zip(reversed(rota.overrides), reversed(edges), strict=True):
        if start <= now < end:
            return Turn(override.to, since, until, instead=True)
    return Turn(regular.names, since, until)


def on_duty(rota: Rota, now: float) -> str:
    """Whose turn it is; the first of them where an override names several."""
    return turn(rota, now).names[0]


def _regular(rota: Rota, now: float) -> Turn:
    """The turn as `every` has it. A hand-over that two clock times stand for happens at the first."""
    start = start_of(rota)
    zone, first, length = start.tzinfo, start.replace(tzinfo=None), timedelta(seconds=rota.every)

    def begins(number: int) -> float:
        return (first + number * length).replace(tzinfo=zone).timestamp()

    wall_now = datetime.fromtimestamp(now, tz=zone).replace(tzinfo=None)
    number = (wall_now - first) // length
    while begins(number) > now:
        number -= 1
    while begins(number + 1) <= now:
        number += 1
    if number < 0:
        return Turn(rota.rota[:1], float("-inf"), begins(1))
    return Turn((rota.rota[number % len(rota.rota)],), begins(number), begins(number + 1))


def _edges(override: Override, rota: Rota) -> tuple[float, float]:
    """Start and end; a date alone is a whole day."""
    start, end = moment(override.from_, rota.zone), moment(override.until, rota.zone)
    if len(override.until.partition(" ")[0]) <= len("2026-01-05"):
        end += timedelta(days=1)
    return start.timestamp(), end.timestamp()


def start_of(rota: Rota) -> datetime:
    """When the first turn begins; a naive time is in the host's zone. ValueError if it is none."""
    return moment(rota.from_, rota.zone)


def moment(text: str, zone: str) -> datetime:
    """`2026-01-05T09:00` in `zone` ("": the host's); `...+08:00`, or a zone after a space, names its own."""
    written, _, own = text.partition(" ")
    if own and not own[0].isdigit():
        return datetime.fromisoformat(written).replace(tzinfo=ZoneInfo(own))
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=ZoneInfo(zone)) if zone and found.tzinfo is None else found
