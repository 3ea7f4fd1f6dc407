"""Records to fill a store with."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from relay.models import (
    Address,
    Alert,
    AlertState,
    Attempt,
    Delivery,
    DeliveryState,
    Event,
    Level,
    Message,
    Position,
    Reason,
    Silence,
)
from relay.outbox.store import Settlement, StoredEvent

NOW = 1_767_600_000.0
RTX = Address("rtx", "wangwei")
MAIL = Address("mail", "wang@example.com")
ROBOT = Address("robot", "@all")


def event(**changes: Any) -> Event:
    plain = Event(
        time=NOW,
        source="apps",
        module="pay.refund",
        level=Level.ERROR,
        message="timeout after 3000 ms\n  at Pay.refund",
        labels={"host": "web1"},
        origin="pid 12 uid 0 pay",
    )
    return replace(plain, **changes)


def stored(alert: int = 0, received_at: float = NOW, **changes: Any) -> StoredEvent:
    return StoredEvent(event(**changes), alert, "first", received_at)


def alert(id: int, **changes: Any) -> Alert:  # noqa: A002 - the word of the domain
    plain = Alert(
        id=id,
        fingerprint=f"{id:016x}",
        rule="payments",
        module="pay.refund",
        level=Level.ERROR,
        title="timeout after ms",
        state=AlertState.FIRING,
        first_seen=NOW,
        last_seen=NOW,
        count=1,
        notified_count=1,
        notified_at=NOW,
        reminders=0,
        touched_at=NOW,
        hosts=("web1",),
    )
    return replace(plain, **changes)


def message(alert: int = 0) -> Message:
    return Message(
        reason=Reason.FIRST,
        title="timeout after ms",
        level=Level.ERROR,
        rule="payments",
        module="pay.refund",
        state=AlertState.FIRING,
        count=1,
        first_seen=NOW,
        last_seen=NOW,
        text="timeout after 3000 ms",
        alert=alert,
    )


def delivery(id: int, *, alert: int = 0, **changes: Any) -> Delivery:  # noqa: A002 - as `alert`
    plain = Delivery(
        id=id,
        alert=alert,
        recipient="wang",
        reason=Reason.FIRST,
        address=RTX,
        fallbacks=(MAIL,),
        message=message(alert),
        state=DeliveryState.PENDING,
        created_at=NOW,
        next_at=NOW,
        expires_at=NOW + 86400,
    )
    return replace(plain, **changes)


def silence(id: int, **changes: Any) -> Silence:  # noqa: A002 - as `alert`
    plain = Silence(
        id=id,
        matchers=("module=pay.*",),
        author="wang",
        reason="deploy",
        created_at=NOW,
        ends_at=NOW + 7200,
        quiet_since=NOW,
    )
    return replace(plain, **changes)


def attempt(of: int, **changes: Any) -> Attempt:
    plain = Attempt(
        delivery=of, backend="rtx", to="wangwei", started_at=NOW, seconds=0.25, outcome="delivered", code="0"
    )
    return replace(plain, **changes)


def delivered(one: Delivery) -> Settlement:
    over = replace(one, state=DeliveryState.DELIVERED, lease_until=0.0)
    return Settlement(delivery=over, attempt=attempt(one.id))


def position(**changes: Any) -> Position:
    plain = Position(
        source="shop",
        path="/srv/shop.log",
        dev=2049,
        inode=77,
        offset=1234,
        head="64:abcd",
        tail="ef01",
        seen_at=NOW,
    )
    return replace(plain, **changes)
