"""Budgets: each recipient gets so many messages in a time; what is beyond shares one that names it all.

A limit holds in every stretch of that length. What is critical always passes, and is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from relay.config.schema import Config
from relay.models import Level
from relay.routing.account import Account
from relay.routing.hold import Hold, Kind, Part, added, key_of, recent
from relay.values import parse_rate

Windows = tuple[tuple[int, float], ...]


def windows_of(config: Config, recipient: str) -> Windows:
    """The recipient's limits: messages and seconds."""
    return tuple(parse_rate(text) for text in config.budgets.get(recipient, config.budget))


def key(recipient: str) -> str:
    """The hold's key."""
    return key_of(Kind.BUDGET, recipient)


def heard(
    hold: Hold | None, recipient: str, windows: Windows, account: Account, now: float, opens_at: float = 0.0
) -> tuple[Hold | None, bool]:
    """The budget after one more message to the recipient, and whether that is held.

    While something is held all that isn't critical joins it: what came first is told first. `opens_at`: the
    recipient is outside of their hours until then, and all of it waits.
    """
    if hold is None and not windows and not opens_at:
        return None, False
    found = hold or Hold(key=key(recipient), kind=Kind.BUDGET, name=recipient)
    free = account.level >= Level.CRITICAL or not (found.parts or room_at(found, windows, now) > now)
    if free and not opens_at:
        return spent(found, windows, now), False
    return replace(
        found,
        opened_at=found.opened_at or now,
        not_before=max(found.not_before, opens_at),
        parts=added(found.parts, (Part((recipient,), account),)),
    ), True


def due(hold: Hold, windows: Windows, now: float) -> float | None:
    """When there is room for the digest; None: nothing is held."""
    return max(room_at(hold, windows, now), hold.not_before) if hold.parts else None


def told(hold: Hold, windows: Windows, now: float) -> Hold:
    """The budget after its digest."""
    return spent(replace(hold, opened_at=0.0, not_before=0.0, parts=()), windows, now)


def spent(hold: Hold, windows: Windows, now: float) -> Hold:
    """With one more message."""
    longest = max((seconds for _, seconds in windows), default=0.0)
    most = max((number for number, _ in windows), default=0)
    times = (*recent(hold.times, now, longest), now)
    return replace(hold, times=times[-most:] if most else ())


def room_at(hold: Hold, windows: Windows, now: float) -> float:
    """When one more message fits: now, or later."""
    return max((_free_at(hold.times, number, seconds, now) for number, seconds in windows), default=now)


def _free_at(times: Sequence[float], number: int, seconds: float, now: float) -> float:
    within: Iterable[float] = recent(times, now, seconds)
    latest = sorted(within)
    return now if len(latest) < number else latest[-number] + seconds
