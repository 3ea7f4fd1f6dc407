"""The verbs that write, as functions over a connection inside a transaction. They run on its thread."""
# ruff: noqa: S608 - what is put together are this package's own lists of columns, never a value

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from relay.models import Alert, AlertState, Delivery
from relay.outbox.retry import revived
from relay.outbox.sqlite import checks, holds, meters, rows, silences
from relay.outbox.sqlite.wide import wide
from relay.outbox.store import Commit, Settlement

SLICE: Final = 1000  # rows that one statement deletes or cancels at most: about a millisecond

_UPSERT_ALERTS: Final = """
    ON CONFLICT (id) DO UPDATE SET
        level = excluded.level, title = excluded.title, state = excluded.state,
        first_seen = excluded.first_seen, last_seen = excluded.last_seen, count = excluded.count,
        notified_count = excluded.notified_count, notified_at = excluded.notified_at,
        reminders = excluded.reminders, touched_at = excluded.touched_at, hosts = excluded.hosts,
        standings = excluded.standings, group_key = excluded.group_key,
        hushed = excluded.hushed, acked_by = excluded.acked_by, acked_until = excluded.acked_until,
        step = excluded.step, stepped_at = excluded.stepped_at, equal_values = excluded.equal_values,
        sample = coalesce(excluded.sample, sample), trace = coalesce(excluded.trace, trace)
"""
_UPDATE_DELIVERIES: Final = """
    UPDATE deliveries SET
        state = column2, backend = column3, address = column4, fallbacks = column5, next_at = column6,
        expires_at = column7, attempts = column8, lease_until = column9, tried = column10, error = column11,
        handle = column12, receipt = column13
    FROM (
"""
_UPSERT_POSITIONS: Final = """
    ON CONFLICT (source, dev, inode) DO UPDATE SET
        path = excluded.path, offset = excluded.offset, head = excluded.head,
        tail = excluded.tail, seen_at = excluded.seen_at
"""


class Limits(Struct, frozen=True):
    """What is over: all before these times, and the eldest of too many events."""

    events_before: float
    alerts_before: float
    deliveries_before: float
    max_events: int


def commit(db: sqlite3.Connection, batch: Commit) -> None:
    """Events, alerts, deliveries, positions, the watchdog's records and what rules have counted."""
    wide(db, f"INSERT INTO events ({rows.EVENT})", [rows.event_row(event) for event in batch.events])
    _put_alerts(db, batch)
    new = [rows.delivery_row(delivery) for delivery in batch.deliveries]
    wide(db, f"INSERT INTO deliveries ({rows.DELIVERY})", new)
    holds.put(db, batch.holds, batch.holds_over)
    gone = [rows.position_key(position) for position in batch.forgotten]
    wide(db, "DELETE FROM positions WHERE (source, dev, inode) IN (", gone, ")")
    silences.put(db, batch.silences, batch.withheld, batch.closed)
    read = [rows.position_row(position) for position in batch.positions]
    wide(db, f"INSERT INTO positions ({rows.POSITION})", read, _UPSERT_POSITIONS)
    meters.write(db, batch.meters)
    checks.put(db, batch.checks)


def _put_alerts(db: sqlite3.Connection, batch: Commit) -> None:
    """Resolved ones first: a new alert may have the fingerprint of one that ends in the same commit."""

    def still_lives(alert: Alert) -> bool:
        return alert.state is not AlertState.RESOLVED

    changed = [
        rows.alert_row(alert, batch.samples.get(alert.id), batch.traces.get(alert.id))
        for alert in sorted(batch.alerts, key=still_lives)
    ]
    wide(db, f"INSERT INTO alerts ({rows.ALERT}, sample, trace)", changed, _UPSERT_ALERTS)


def claim(db: sqlite3.Connection, backend: str, most: int, now: float, lease_until: float) -> list[Delivery]:
    """Due pending deliveries become `sending`."""
    taken = db.execute(
        f"""
        UPDATE deliveries SET state = 'sending', lease_until = ?
        WHERE id IN (
            SELECT id FROM deliveries WHERE state = 'pending' AND backend = ? AND next_at <= ?
            ORDER BY next_at, id LIMIT ?)
        RETURNING {rows.DELIVERY}
        """,
        (lease_until, backend, now, most),
    ).fetchall()
    return sorted(map(rows.delivery, taken), key=lambda delivery: (delivery.next_at, delivery.id))


def settle(db: sqlite3.Connection, settlements: Sequence[Settlement]) -> None:
    """Outcomes. What was decided about a delivery meanwhile stands; the attempt is recorded anyway."""
    wide(
        db,
        _UPDATE_DELIVERIES,
        [rows.settled_row(settlement.delivery) for settlement in settlements],
        ") WHERE deliveries.id = column1 AND deliveries.state = 'sending'",
    )
    _record(db, settlements)


def amend(db: sqlite3.Connection, receipt: str, settlements: Sequence[Settlement]) -> list[int]:
    """What a service told later; nothing of deliveries that aren't what they were when it was looked up."""
    wanted = json.dumps([made.delivery.id for made in settlements])
    found = db.execute(
        """
        SELECT id FROM deliveries
        WHERE id IN (SELECT value FROM json_each(?)) AND state = 'delivered' AND receipt = ?
        """,
        (wanted, receipt),
    )
    still = {row[0] for row in found.fetchall()}
    chosen = [made for made in settlements if made.delivery.id in still]
    changed = [rows.settled_row(made.delivery) for made in chosen]
    wide(db, _UPDATE_DELIVERIES, changed, ") WHERE deliveries.id = column1")
    _record(db, chosen)
    return sorted(still)


def _record(db: sqlite3.Connection, settlements: Sequence[Settlement]) -> None:
    """The attempts, as far as their deliveries are still there."""
    wide(
        db,
        f"INSERT INTO attempts ({rows.ATTEMPT}) SELECT recorded.* FROM (",
        [rows.attempt_row(made.attempt) for made in settlements if made.attempt is not None],
        ") AS recorded JOIN deliveries ON deliveries.id = recorded.column1",
    )


def recover(db: sqlite3.Connection, now: float, *, all_leases: bool) -> int:
    """Interrupted deliveries are pending again; that an attempt was made is recorded, as of now."""
    given_back = db.execute(
        """
        UPDATE deliveries SET state = 'pending', lease_until = 0, next_at = min(next_at, ?1)
        WHERE state = 'sending' AND (?2 OR lease_until <= ?1)
        RETURNING id, backend, address, ?1, 0.0, 'interrupted', '', 'no answer was seen: it may have arrived'
        """,
        (now, all_leases),
    ).fetchall()
    wide(db, f"INSERT INTO attempts ({rows.ATTEMPT})", given_back)
    return len(given_back)


def supersede(db: sqlite3.Connection, backend: str, before: float) -> int:
    """Cancel a slice of the deliveries that a newer one makes stale."""
    return db.execute(
        """
        UPDATE deliveries SET state = 'cancelled', error = 'superseded by a newer message'
        WHERE id IN (
            SELECT id FROM deliveries AS stale
            WHERE state = 'pending' AND backend = ? AND created_at < ? AND thread = '' AND EXISTS (
                SELECT 1 FROM deliveries AS newer
                WHERE newer.alert = stale.alert AND newer.id > stale.id
                  AND newer.state = 'pending' AND newer.recipient = stale.recipient)
            LIMIT ?)
        """,
        (backend, before, SLICE),
    ).rowcount


def retry(db: sqlite3.Connection, ids: Sequence[int], now: float, expires_at: float) -> int:
    """Dead and cancelled deliveries become pending, from their first address."""
    over = db.execute(
        f"""
        SELECT {rows.DELIVERY} FROM deliveries
        WHERE id IN (SELECT value FROM json_each(?)) AND state IN ('dead', 'cancelled')
        """,
        (json.dumps(list(ids)),),
    ).fetchall()
    again = [rows.settled_row(revived(rows.delivery(row), now, expires_at)) for row in over]
    return wide(
        db,
        _UPDATE_DELIVERIES,
        again,
        ") WHERE deliveries.id = column1",
    )


def drop(db: sqlite3.Connection, ids: Sequence[int]) -> int:
    """Pending and dead deliveries become cancelled."""
    return db.execute(
        """
        UPDATE deliveries SET state = 'cancelled'
        WHERE id IN (SELECT value FROM json_each(?)) AND state IN ('pending', 'dead')
        """,
        (json.dumps(list(ids)),),
    ).rowcount


def sweep(db: sqlite3.Connection, limits: Limits, next_id: int) -> int:
    """Delete a slice of all that is over; how many rows.

    The ids given out so far are kept, so that none comes again after the rows that had it are deleted.
    """
    deleted = (
        _sweep_events(db, limits.events_before, limits.max_events)
        + _sweep_deliveries(db, limits.deliveries_before)
        + _sweep_alerts(db, limits.alerts_before)
        + silences.sweep(db, limits.alerts_before, SLICE)
    )
    if deleted:
        keep_next_id(db, next_id)
    return deleted


def _sweep_events(db: sqlite3.Connection, before: float, most: int) -> int:
    """Delete a slice of the events that are too old or too many, looking at the eldest only.

    Events keep the order of arrival, so nothing but the eldest has to be read to see that none is over.
    """
    return db.execute(
        """
        DELETE FROM events WHERE seq IN (
            SELECT seq FROM (SELECT seq, received_at FROM events ORDER BY seq LIMIT ?)
            WHERE received_at < ? OR seq <= (SELECT max(seq) FROM events) - ?)
        """,
        (SLICE, before, most),
    ).rowcount


def _sweep_deliveries(db: sqlite3.Connection, before: float) -> int:
    """Delete a slice of the delivered and cancelled deliveries made before then, with their attempts."""
    return db.execute(
        """
        DELETE FROM deliveries WHERE id IN (
            SELECT id FROM deliveries
            WHERE state IN ('delivered', 'cancelled') AND created_at < ? ORDER BY created_at LIMIT ?)
        """,
        (before, SLICE),
    ).rowcount


def _sweep_alerts(db: sqlite3.Connection, before: float) -> int:
    """Delete a slice of the alerts resolved before then of which no delivery is left."""
    return db.execute(
        """
        DELETE FROM alerts WHERE id IN (
            SELECT id FROM alerts WHERE state = 'resolved' AND touched_at < ?
              AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.alert = alerts.id)
            ORDER BY touched_at LIMIT ?)
        """,
        (before, SLICE),
    ).rowcount


def keep_next_id(db: sqlite3.Connection, next_id: int) -> None:
    """Remember the first id not given out."""
    _keep(db, "next_id", str(next_id))


def note(db: sqlite3.Connection, name: str, value: str) -> None:
    """Remember something small under that name."""
    _keep(db, f"note:{name}", value)


def _keep(db: sqlite3.Connection, key: str, value: str) -> None:
    db.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value)
    )
