"""Who can be reached, when: hours in which a rule reaches nobody, and windows that never open.

Looked at half hour by half hour over some weeks from now, by the same functions that the daemon asks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from msgspec.structs import replace

from relay.config.people import Recipient, address_of, members_of, ways_of
from relay.config.problems import Problem
from relay.config.schema import Config, Person, Rota, Rule, Way
from relay.config.watched import OWN
from relay.config.windows import DAYS
from relay.models import Attempt, Event
from relay.routing.calendar import NEVER, gate_of, opens_at, wall
from relay.routing.recipients import addresses, needs_event, reached_by
from relay.routing.ruleset import Ruleset

STEP: Final = 1800  # seconds between looks
WEEK: Final = 7 * 86400
WEEKS: Final = 4  # looked at ahead ...
WEEKS_MOST: Final = 12  # ... more where a rota takes longer to come round

_A_DAY: Final = 86400 // STEP  # slots of a day
_REFUSED: Final = "rejected"  # the outcome of an attempt that speaks of the address itself


def findings(config: Config, now: float) -> list[Problem]:
    """What `relay check` warns of; hours are the host's."""
    return sorted([*_never(config, now), *_gaps(config, now)])


def unmatched(ruleset: Ruleset, seen: Iterable[Event]) -> dict[str, list[Event]]:
    """By module: its events, of modules none of whose events any rule takes."""
    missed: dict[str, list[Event]] = defaultdict(list)
    taken: set[str] = set()
    for event in seen:
        if event.source in OWN:  # where no rule takes its own troubles and checks, the operators hear
            continue
        if ruleset.route(event):
            taken.add(event.module)
        else:
            missed[event.module].append(event)
    return {module: events for module, events in missed.items() if module not in taken}


def unreachable(config: Config, attempts: Iterable[Attempt]) -> dict[str, list[Attempt]]:
    """By recipient: the latest attempts at their addresses, of those each of whose addresses refused it."""
    refused = {(each.backend, each.to): each for each in attempts if each.outcome == _REFUSED}
    found = {}
    for name, recipient in config.recipients.items():
        ways = [(backend, address_of(way)) for backend, way in ways_of(recipient).items()]
        if ways and all(way in refused for way in ways):
            found[name] = [refused[way] for way in ways]
    return found


def _never(config: Config, now: float) -> Iterator[Problem]:
    """Rules, people and addresses whose windows never open."""
    for rule in config.rules:
        if _first_open(config, rule, now) == NEVER:
            text = f"rule {rule.name!r} tells nobody, ever: its windows never open"
            yield Problem("warning", rule.place, text)
    for name, recipient in config.recipients.items():
        if isinstance(recipient, Person) and _first_open(config, recipient, now) == NEVER:
            text = f"recipient {name!r} is never told anything: their windows never open"
            yield Problem("warning", recipient.place, text)
            continue
        for backend, way in ways_of(recipient).items():
            if isinstance(way, Way) and _opening(config, name, recipient, backend, now) == NEVER:
                text = f"recipient {name!r} is never told by {backend}: no time is left for it"
                yield Problem("warning", way.place, text)


def _first_open(config: Config, hours: Rule | Person, now: float) -> float:
    gate = gate_of(config, hours)
    return opens_at((gate,), now) if gate is not None else 0.0


def _opening(config: Config, name: str, recipient: Recipient, backend: str, now: float) -> float:
    """When one of a person's addresses can first be used."""
    way = {backend: ways_of(recipient)[backend]}
    only = replace(recipient, addresses=way) if isinstance(recipient, Person) else way
    (reached,) = addresses(replace(config, recipients={name: only}), (name,), now)
    return reached.opens_at


def _gaps(config: Config, now: float) -> Iterator[Problem]:
    """Rules by which a critical alert reaches nobody at some hours, or ever."""
    for rule in config.rules:
        # A rule that says `continue` leaves the alert to further ones; an owner can't be known beforehand.
        if not rule.to or rule.continue_ or needs_event(config, rule.to):
            continue
        if _first_open(config, rule, now) == NEVER:
            continue  # told already
        closed, looks = _closed(config, rule, now)
        if not closed:
            continue
        if closed == looks:
            weeks = looks.total() * STEP // WEEK
            text = (
                f"rule {rule.name!r} reaches nobody in the next {weeks} weeks: all its recipients are silent"
            )
        else:
            some = " in some weeks" if any(closed[slot] < looks[slot] for slot in closed) else ""
            text = f"a critical alert by rule {rule.name!r} reaches nobody {in_words(closed)}{some}: it waits"
        yield Problem("warning", rule.place, text)


def _closed(config: Config, rule: Rule, now: float) -> tuple[Counter[int], Counter[int]]:
    """By slot of the week: how often nobody is reached then, and how often it was looked at."""
    closed: Counter[int] = Counter()
    looks: Counter[int] = Counter()
    opening = 0.0
    start = now - now % STEP
    for look in range(_weeks(config, rule) * WEEK // STEP):
        at = start + look * STEP
        slot = _slot(at)
        looks[slot] += 1
        if at >= opening:  # else it is known that nobody is reached
            opening = min((each.look_at for each in reached_by(config, rule, at)), default=0.0)
        closed[slot] += at < opening
    return +closed, looks


def _weeks(config: Config, rule: Rule) -> int:
    """As long as the slowest of the rule's rotas takes to come round."""
    longest = 0.0
    asked, seen = list(rule.to), set[str]()
    while asked:
        name = asked.pop()
        recipient = config.recipients.get(name)
        if recipient is None or name in seen:
            continue
        seen.add(name)
        asked += members_of(recipient)
        if isinstance(recipient, Rota):
            longest = max(longest, recipient.every * len(recipient.rota))
    return int(min(WEEKS_MOST, max(WEEKS, -(-longest // WEEK))))


def _slot(at: float) -> int:
    """Which half hour of the week, from Monday."""
    moment = wall(at, "")
    return moment.weekday() * _A_DAY + (moment.hour * 3600 + moment.minute * 60) // STEP


def in_words(slots: Collection[int]) -> str:
    """`mon-fri 00:00-09:00 18:00-24:00, sat-sun`: half hours of the week, as windows are written."""
    by_day = [_spans({slot % _A_DAY for slot in slots if slot // _A_DAY == day}) for day in range(7)]
    parts: list[str] = []
    day = 0
    while day < 7:
        last = day
        while last < 6 and by_day[last + 1] == by_day[day]:
            last += 1
        if by_day[day]:
            days = DAYS[day] if last == day else f"{DAYS[day]}-{DAYS[last]}"
            parts.append(days if by_day[day] == "00:00-24:00" else f"{days} {by_day[day]}")
        day = last + 1
    return ", ".join(parts)


def _spans(slots: set[int]) -> str:
    found: list[list[int]] = []
    for slot in sorted(slots):
        if found and found[-1][1] == slot:
            found[-1][1] = slot + 1
        else:
            found.append([slot, slot + 1])
    return " ".join(f"{_clock(start)}-{_clock(end)}" for start, end in found)


def _clock(slot: int) -> str:
    minutes = slot * STEP // 60
    return f"{minutes // 60:02}:{minutes % 60:02}"
