"""Records to rows and back. The order of the columns stands here once for each table."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from relay.models import (
    Address,
    Alert,
    AlertState,
    Attempt,
    Delivery,
    DeliveryState,
    Event,
    Json,
    Level,
    Message,
    Position,
    Reason,
    Standing,
)
from relay.outbox.store import AlertRow, StoredEvent

Row = tuple[Any, ...]

EVENT: Final = "time, source, module, level, message, labels, origin, id, program, alert, reason, received_at"
ALERT: Final = (
    "id, fingerprint, rule, module, level, title, state, first_seen, last_seen, count,"
    " notified_count, notified_at, reminders, touched_at, hosts, standings, group_key"
)
DELIVERY: Final = (
    "id, alert, recipient, reason, backend, address, fallbacks, message, state, created_at,"
    " next_at, expires_at, attempts, lease_until, tried, error, handle, receipt, thread"
)
ATTEMPT: Final = "delivery, backend, address, started_at, seconds, outcome, code, detail"
POSITION: Final = "source, dev, inode, path, offset, head, tail, seen_at"

_encode: Final = msgspec.json.Encoder().encode
_labels: Final = msgspec.json.Decoder(dict[str, str]).decode
_hosts: Final = msgspec.json.Decoder(tuple[str, ...]).decode
_standings: Final = msgspec.json.Decoder(tuple[Standing, ...]).decode
_addresses: Final = msgspec.json.Decoder(tuple[Address, ...]).decode
_message: Final = msgspec.json.Decoder(Message).decode
_event: Final = msgspec.json.Decoder(Event).decode
_trace: Final = msgspec.json.Decoder(dict[str, Any]).decode


def event_row(stored: StoredEvent) -> Row:
    """An event as its row."""
    event = stored.event
    return (
        event.time,
        event.source,
        event.module,
        int(event.level),
        event.message,
        dump(event.labels) if event.labels else "{}",
        event.origin,
        event.id,
        event.program,
        stored.alert or None,
        stored.reason,
        stored.received_at,
    )


def stored_event(row: Row) -> StoredEvent:
    """The event of a row of `EVENT`."""
    time, source, module, level, message, labels, origin, id_, program, alert, reason, received_at = row
    event = Event(
        time=time,
        source=source,
        module=module,
        level=Level(level),
        message=message,
        labels=_labels(labels),
        origin=origin,
        id=id_,
        program=program,
    )
    return StoredEvent(event, alert or 0, reason, received_at)


def alert_row(alert: Alert, sample: Event | None, trace: Json | None) -> Row:
    """An alert as its row; None leaves the sample or the trace as it is."""
    return (
        alert.id,
        alert.fingerprint,
        alert.rule,
        alert.module,
        int(alert.level),
        alert.title,
        alert.state.value,
        alert.first_seen,
        alert.last_seen,
        alert.count,
        alert.notified_count,
        alert.notified_at,
        alert.reminders,
        alert.touched_at,
        dump(alert.hosts) if alert.hosts else "[]",
        dump(alert.standings) if alert.standings else "[]",
        alert.group,
        None if sample is None else dump(sample),
        None if trace is None else dump(trace),
    )


def alert(row: Row) -> Alert:
    """The alert of a row of `ALERT`."""
    return Alert(
        id=row[0],
        fingerprint=row[1],
        rule=row[2],
        module=row[3],
        level=Level(row[4]),
        title=row[5],
        state=AlertState(row[6]),
        first_seen=row[7],
        last_seen=row[8],
        count=row[9],
        notified_count=row[10],
        notified_at=row[11],
        reminders=row[12],
        touched_at=row[13],
        hosts=_hosts(row[14]),
        standings=_standings(row[15]) if row[15] != "[]" else (),
        group=row[16],
    )


def shown_alert(row: Row) -> AlertRow:
    """The alert, sample and trace of a row of `ALERT, sample, trace`."""
    *columns, sample, trace = row
    return AlertRow(
        alert=alert(tuple(columns)),
        sample=None if sample is None else _event(sample),
        trace={} if trace is None else _trace(trace),
    )


def delivery_row(delivery: Delivery) -> Row:
    """A delivery as its row."""
    return (
        delivery.id,
        delivery.alert or None,
        delivery.recipient,
        delivery.reason.value,
        delivery.address.backend,
        delivery.address.to,
        dump(delivery.fallbacks) if delivery.fallbacks else "[]",
        dump(delivery.message),
        delivery.state.value,
        delivery.created_at,
        delivery.next_at,
        delivery.expires_at,
        delivery.attempts,
        delivery.lease_until,
        dump(delivery.tried) if delivery.tried else "[]",
        delivery.error,
        delivery.handle,
        delivery.receipt,
        delivery.thread,
    )


def delivery(row: Row) -> Delivery:
    """The delivery of a row of `DELIVERY`."""
    return Delivery(
        id=row[0],
        alert=row[1] or 0,
        recipient=row[2],
        reason=Reason(row[3]),
        address=Address(row[4], row[5]),
        fallbacks=_addresses(row[6]),
        message=_message(row[7]),
        state=DeliveryState(row[8]),
        created_at=row[9],
        next_at=row[10],
        expires_at=row[11],
        attempts=row[12],
        lease_until=row[13],
        tried=_addresses(row[14]),
        error=row[15],
        handle=row[16],
        receipt=row[17],
        thread=row[18],
    )


def settled_row(delivery: Delivery) -> Row:
    """What an attempt can change of a delivery; the order is that of `writes._UPDATE_DELIVERIES`."""
    return (
        delivery.id,
        delivery.state.value,
        delivery.address.backend,
        delivery.address.to,
        dump(delivery.fallbacks) if delivery.fallbacks else "[]",
        delivery.next_at,
        delivery.expires_at,
        delivery.attempts,
        delivery.lease_until,
        dump(delivery.tried) if delivery.tried else "[]",
        delivery.error,
        delivery.handle,
        delivery.receipt,
    )


def attempt_row(attempt: Attempt) -> Row:
    """An attempt as its row."""
    return msgspec.structs.astuple(attempt)


def attempt(row: Row) -> Attempt:
    """The attempt of a row of `ATTEMPT`."""
    delivery_id, backend, to, started_at, seconds, outcome, code, detail = row
    return Attempt(
        delivery=delivery_id,
        backend=backend,
        to=to,
        started_at=started_at,
        seconds=seconds,
        outcome=outcome,
        code=code,
        detail=detail,
    )


def position_row(position: Position) -> Row:
    """A position as its row."""
    return (
        *position_key(position),
        position.path.encode("utf-8", "surrogateescape"),
        position.offset,
        position.head,
        position.tail,
        position.seen_at,
    )


def position_key(position: Position) -> Row:
    """What a file is known by."""
    return (position.source, _signed(position.dev), _signed(position.inode))


def position(row: Row) -> Position:
    """The position of a row of `POSITION`."""
    source, dev, inode, path, offset, head, tail, seen_at = row
    return Position(
        source=source,
        path=path.decode("utf-8", "surrogateescape"),
        dev=dev % 2**64,
        inode=inode % 2**64,
        offset=offset,
        head=head,
        tail=tail,
        seen_at=seen_at,
    )


def dump(value: Any) -> str:
    """JSON text; what can't be written as UTF-8 (half a surrogate pair) becomes a question mark."""
    try:
        return _encode(value).decode()
    except UnicodeEncodeError:
        return _encode(writable(msgspec.to_builtins(value))).decode()


def writable(value: Any) -> Any:
    """The same with every text fit for UTF-8."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {writable(key): writable(item) for key, item in value.items()}
        case list() | tuple():
            return type(value)(writable(item) for item in value)
        case _:
            return value


def _signed(number: int) -> int:
    """An unsigned 64-bit number as SQLite can hold it."""
    return number - 2**64 if number >= 2**63 else number
