"""Which deliveries go in one call: one message to many, or, when a budget runs low, many in one message.

Nothing is dropped: a digest names every alert in it. Critical ones pass, as long as there is any room at all.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import Final

from msgspec import structs

from relay.models import AlertState, Delivery, Level, Message
from relay.text import entry

MOST: Final = 15  # alerts in one message: their lines fit even a robot that takes 2,048 bytes
LINE: Final = 80  # bytes of UTF-8 for each


Group = list[Delivery]  # for one call: one message, or several as a digest, to one address or several


def calls(group: Group) -> int:
    """What a group costs where a service counts calls."""
    del group
    return 1


def receivers(group: Group) -> int:
    """What it costs where a service counts receivers."""
    return len({each.address.to for each in group})


def together(groups: Iterable[Group], most: int) -> list[Group]:
    """Groups that tell the same to different addresses made one, of up to `most` addresses."""
    if most <= 1:
        return list(groups)
    joined: list[Group] = []
    open_: dict[object, tuple[Group, set[str]]] = {}
    for group in groups:
        told = tuple(subject(each) for each in group)
        to, tos = open_.get(told, ([], set()))
        if not to or len(tos) >= most:
            to, tos = open_[told] = ([], set())
            joined.append(to)
        to += group
        tos.update(each.address.to for each in group)
    return joined


def subject(delivery: Delivery) -> object:
    """Equal for one decision told to several: their messages differ in nothing but the key."""
    about = delivery.thread or delivery.alert
    return (about, delivery.reason, delivery.created_at) if about else delivery.id


def different(group: Sequence[Delivery]) -> list[Delivery]:
    """One delivery of each message in the group."""
    return list({subject(each): each for each in reversed(group)}.values())[::-1]


def urgent_first(groups: Iterable[Group]) -> list[Group]:
    """Critical ones first, then the oldest."""
    return sorted(groups, key=lambda group: (not _critical(group), group[0].created_at, group[0].id))


def plan(
    groups: Iterable[Group], places: int, room: int, cost: Callable[[Group], int] = calls
) -> tuple[list[Group], list[Delivery]]:
    """Groups to send now, folded as far as it takes, and the deliveries that must wait.

    `places`: what the groups may cost now; `room`: up to so much if some are critical.
    """
    ordered = urgent_first(groups)
    critical = sum(cost(group) for group in ordered if _critical(group))
    places = max(places, min(room, critical))

    def partly(alone: int) -> list[Group]:
        return ordered[:alone] + folded(ordered[alone:])

    def too_many(alone: int) -> bool:
        return sum(map(cost, partly(alone))) > places

    # The more go alone, the more it costs: the last number of them that fits.
    alone = bisect_left(range(len(ordered) + 1), True, key=too_many) - 1
    if alone >= 0:
        return partly(alone), []
    planned = folded(ordered)
    spent = list(accumulate(map(cost, planned)))
    going = bisect_right(spent, places)
    return planned[:going], [each for group in planned[going:] for each in group]


def folded(ordered: Iterable[Group]) -> list[Group]:
    """Groups to the same addresses made one, of up to `MOST` messages, in order."""
    joined: list[Group] = []
    open_: dict[frozenset[str], tuple[Group, set[object]]] = {}
    for group in ordered:
        told = {subject(each) for each in group}
        tos = frozenset(each.address.to for each in group)
        to, names = open_.get(tos, ([], set()))
        if not to or len(names | told) > MOST:
            to, names = open_[tos] = ([], set())
            joined.append(to)
        to += group
        names |= told
    return joined


def _critical(group: Group) -> bool:
    return any(each.message.level >= Level.CRITICAL for each in group)


def joint(group: Sequence[Delivery], message: Message) -> Message:
    """`message`, the first one's, with a line for each other delivery of the group."""
    keys = " ".join(each.message.key for each in group)
    return structs.replace(
        message,
        digest=tuple(line(each.message) for each in group[1:]),
        key=f"digest-{blake2b(keys.encode(), digest_size=12).hexdigest()}",
        handle="",
    )


def line(message: Message) -> str:
    """`[ERROR] pay.refund: timeout after <num> ms (x12) #17`, in `LINE` bytes; the number is never cut."""
    tag = "RESOLVED" if message.state is AlertState.RESOLVED else message.level.name
    return entry(tag, message.module, message.title, message.count, message.alert, LINE)
