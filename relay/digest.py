"""When a backend's budget runs low: which deliveries still go one by one, and which share a message.

Nothing is dropped: a digest names every alert in it. Critical ones pass, as long as there is any room at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from msgspec import structs

from relay.models import AlertState, Delivery, Level, Message
from relay.text import one_line

MOST: Final = 15  # deliveries in one message: their lines fit even a robot that takes 2,048 bytes
LINE: Final = 80  # bytes of UTF-8 for each


Groups = list[list[Delivery]]


def plan(claimed: Sequence[Delivery], places: int, room: int) -> tuple[Groups, list[Delivery]]:
    """Messages to send now, each a group for one address, and the deliveries that must wait.

    `places`: messages that may be sent now; `room`: up to so many if some are critical.
    """
    ordered = sorted(
        claimed, key=lambda each: (each.message.level < Level.CRITICAL, each.created_at, each.id)
    )
    critical = sum(each.message.level >= Level.CRITICAL for each in ordered)
    places = max(places, min(room, critical))
    if places <= 0:
        return [], ordered
    for alone in range(min(places, len(ordered)), -1, -1):
        groups = [[each] for each in ordered[:alone]] + folded(ordered[alone:])
        if len(groups) <= places:
            return groups, []
    groups = folded(ordered)
    return groups[:places], [each for group in groups[places:] for each in group]


def folded(ordered: Sequence[Delivery]) -> list[list[Delivery]]:
    """Groups of up to `MOST` deliveries to one address, in order."""
    by_address: dict[str, list[Delivery]] = {}
    for each in ordered:
        by_address.setdefault(each.address.to, []).append(each)
    return [same[at : at + MOST] for same in by_address.values() for at in range(0, len(same), MOST)]


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
    count = f" (x{message.count})" if message.count > 1 else ""
    end = f"{count} #{message.alert}" if message.alert else count
    text = one_line(f"[{tag}] {message.module}: {message.title}")
    most = LINE - len(end.encode())
    if len(text.encode()) > most:
        text = text.encode()[: most - 3].decode(errors="ignore") + "…"
    return text + end
