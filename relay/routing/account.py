"""What is held back: counted exactly once, by problem as far as there is room, in all always.

A telling that is held adds its events to an account; the message that comes of the account later empties it.
Accounts join: what a group would have told may wait for a storm to end, and that for a recipient's budget.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from relay.models import Alert, AlertState, Level, Reason
from relay.routing.decide import MOST_HOSTS, Decision, Told

MOST_LINES: Final = 20  # problems with a line of their own; of the others the numbers are kept
MOST_RANGES: Final = 200  # stretches of numbers kept; beyond, others are counted, twice if told of twice
_SHOWN_RANGES: Final = 30  # stretches of numbers that a message spells out

_LAST: Final = 2**63  # beyond all numbers

Ranges = tuple[tuple[int, int], ...]  # numbers of alerts, as stretches in order: first and last


class Line(Struct, frozen=True, gc=False):
    """One problem of several that a message is about."""

    alert: int
    level: Level
    module: str
    title: str
    state: AlertState
    events: int  # held since the last message
    total: int  # of the alert so far


class Account(Struct, frozen=True, gc=False, omit_defaults=True):
    """What one message is to make up for."""

    lines: tuple[Line, ...] = ()  # the most telling ones
    numbers: Ranges = ()  # of all problems
    alerts: int = 0  # problems, each once
    new: int = 0  # of them first told of here
    tellings: int = 0  # decisions held
    firing: int = 0  # decisions that weren't about an end
    events: int = 0
    first: float = 0.0
    last: float = 0.0
    hosts: tuple[str, ...] = ()
    level: Level = Level.DEBUG  # the worst

    @property
    def is_over(self) -> bool:
        """Whether all of it is told as over."""
        return all(line.state is AlertState.RESOLVED for line in self.lines) and self.alerts <= len(
            self.lines
        )


NOTHING: Final = Account()


def account_of(decision: Decision, told: Told) -> Account:
    """The events that a telling decision accounts for to one of those who are told."""
    alert = decision.alert
    is_new = told.reason is Reason.FIRST
    if is_new or decision.reason is Reason.FLAPPING:
        alert = replace(alert, state=AlertState.FIRING)  # even if it is over already
    if decision.reason is Reason.FLAPPING:
        alert = replace(alert, title=f"flapping: {alert.title}")
    return of_alert(alert, alert.count - (told.known if told.since else 0), new=is_new)


def of_alert(alert: Alert, events: int, *, new: bool = False) -> Account:
    """So many events of one alert."""
    line = Line(alert.id, alert.level, alert.module, alert.title, alert.state, events, alert.count)
    return Account(
        lines=(line,),
        numbers=((alert.id, alert.id),),
        alerts=1,
        new=int(new),
        tellings=1,
        firing=int(alert.state is not AlertState.RESOLVED),
        events=events,
        first=alert.first_seen,
        last=alert.last_seen,
        hosts=alert.hosts,
        level=alert.level,
    )


def joined(one: Account, other: Account) -> Account:
    """Both, the other being later."""
    if not one.tellings:
        return other
    if not other.tellings:
        return one
    numbers, shared = _united(one.numbers, other)
    return Account(
        lines=_lines(one.lines, other.lines),
        numbers=numbers,
        alerts=one.alerts + other.alerts - shared,
        new=one.new + other.new,
        tellings=one.tellings + other.tellings,
        firing=one.firing + other.firing,
        events=one.events + other.events,
        first=min(one.first, other.first),
        last=max(one.last, other.last),
        hosts=tuple(dict.fromkeys(one.hosts + other.hosts))[:MOST_HOSTS],
        level=max(one.level, other.level),
    )


def spelled(numbers: Ranges, without: Iterable[int] = ()) -> str:
    """`#32-#40 #42`: numbers of alerts, but for some."""
    stretches = [
        f"#{first}" if first == last else f"#{first}-#{last}" for first, last in _less(numbers, set(without))
    ]
    shown = " ".join(stretches[:_SHOWN_RANGES])
    return f"{shown} ..." if len(stretches) > _SHOWN_RANGES else shown


def _lines(one: tuple[Line, ...], other: tuple[Line, ...]) -> tuple[Line, ...]:
    """A line for each problem; of too many the worst, then those with most events."""
    lines = {line.alert: line for line in one}
    for line in other:
        known = lines.get(line.alert)
        lines[line.alert] = line if known is None else replace(line, events=known.events + line.events)
    if len(lines) <= MOST_LINES:
        return tuple(lines.values())
    best = sorted(lines.values(), key=lambda line: (-line.level, -line.events, line.alert))
    return tuple(sorted(best[:MOST_LINES], key=lambda line: line.alert))


def _united(numbers: Ranges, other: Account) -> tuple[Ranges, int]:
    """All numbers, and how many alerts are in both."""
    shared = 0
    for first, last in other.numbers:
        for number in range(first, last + 1):
            numbers, was_there = _with(numbers, number)
            shared += was_there
    return numbers, shared


def _with(numbers: Ranges, number: int) -> tuple[Ranges, bool]:
    """With one more number; whether it was there."""
    at = bisect_right(numbers, (number, _LAST))
    if at and numbers[at - 1][1] >= number:
        return numbers, True
    grows_left = at > 0 and numbers[at - 1][1] == number - 1
    grows_right = at < len(numbers) and numbers[at][0] == number + 1
    if not (grows_left or grows_right) and len(numbers) >= MOST_RANGES:
        return numbers, False
    first = numbers[at - 1][0] if grows_left else number
    last = numbers[at][1] if grows_right else number
    return (*numbers[: at - grows_left], (first, last), *numbers[at + grows_right :]), False


def _less(numbers: Ranges, without: set[int]) -> Iterable[tuple[int, int]]:
    for first, last in numbers:
        start = first
        for gone in sorted(each for each in without if first <= each <= last):
            if gone > start:
                yield start, gone - 1
            start = gone + 1
        if start <= last:
            yield start, last
