"""Messages to send in tests."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from relay.clock import FakeClock
from relay.models import AlertState, Level, Message, Reason

NOW = FakeClock().now()

TIMEOUT = Message(
    reason=Reason.FIRST,
    title="timeout after <num> ms",
    level=Level.ERROR,
    rule="payments",
    module="pay.refund",
    state=AlertState.FIRING,
    count=1,
    first_seen=NOW - 5,
    last_seen=NOW - 5,
    text="timeout after 3000 ms",
    alert=17,
    fingerprint="00f1e2d3c4b5a697",
    labels={"host": "web1", "order": "o-4711"},
    hosts=("web1",),
    source="shop",
    origin="/srv/shop/logs/pay.log:81233",
    key="k-17-1",
)


def message(**changes: Any) -> Message:
    return structs.replace(TIMEOUT, **changes)


def reminder(**changes: Any) -> Message:
    told = message(
        reason=Reason.REMINDER,
        count=313,
        more=312,
        first_seen=NOW - 605,
        since=NOW - 605,
        hosts=("web1", "web2", "web3"),
    )
    return structs.replace(told, **changes)
