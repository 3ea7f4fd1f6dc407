"""Who has been told how much of an alert, where that differs: by their hours, people hear at different times.

An alert counts the events that its recipients have been told of together (`notified_count`). Whoever was
outside of their hours then, or was told in between, has a standing of their own until all are told again.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from relay.models import Alert, Standing
from relay.routing.recipients import Reached


def of(alert: Alert, reached: Sequence[Reached]) -> list[tuple[Reached, Standing]]:
    """Each with what they have been told.

    Whoever is on duty now takes over from those who waited when they were, and aren't reached any more.
    """
    common = Standing("", "", alert.notified_count, alert.notified_at, waiting=False)
    if not alert.standings:
        return [(each, common) for each in reached]
    own = {each.recipient: each for each in alert.standings}
    here = {each.recipient for each in reached}
    left = {
        each.via: each for each in alert.standings if each.via and each.waiting and each.recipient not in here
    }
    return [(each, own.get(each.recipient) or left.get(each.via) or common) for each in reached]


def waiting(alert: Alert, reached: Sequence[Reached]) -> tuple[Standing, ...]:
    """The standings once all who can be are told: only those outside of their hours keep one, and wait."""
    return tuple(
        Standing(each.recipient, each.via, standing.count, standing.at, waiting=True)
        for each, standing in of(alert, reached)
        if each.opens_at
    )


def caught_up(alert: Alert, reached: Sequence[Reached], now: float) -> Alert:
    """The alert once those who waited and are within their hours have been told of all its events."""
    after = []
    for each, standing in of(alert, reached):
        if standing.waiting and not each.opens_at:
            after.append(Standing(each.recipient, each.via, alert.count, now, waiting=False))
        elif standing.recipient:
            after.append(replace(standing, recipient=each.recipient, via=each.via))
    return replace(alert, standings=tuple(after))
