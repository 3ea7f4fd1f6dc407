"""The verbs that read, as functions over the read-only connection. They run on its thread.

Each fetches all it wants at once, so that no snapshot of the store stays open behind it.
"""
# ruff: noqa: S608 - what is put together are this package's own names of columns and indexes, never a value

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from relay.models import Address, Alert, Attempt, Delivery, DeliveryState, Json, Position
from relay.outbox.sqlite import rows
from relay.outbox.store import AlertRow, StoredEvent, Tried

_SLICE: Final = 5000  # events looked at in one go
_OVER: Final = "deliveries_over WHERE state IN ('delivered', 'cancelled')"
# The index that holds the rows of each state; the planner sees through a literal state only.
_HELD_BY: Final = {
    DeliveryState.PENDING: "deliveries_pending WHERE state = 'pending'",
    DeliveryState.SENDING: "deliveries_sending WHERE state = 'sending'",
    DeliveryState.DEAD: "deliveries_dead WHERE state = 'dead'",
    DeliveryState.DELIVERED: f"{_OVER} AND state = 'delivered'",
    DeliveryState.CANCELLED: f"{_OVER} AND state = 'cancelled'",
}


def identity(db: sqlite3.Connection) -> str:
    """The store's random name."""
    return str(db.execute("SELECT value FROM meta WHERE key = 'id'").fetchone()[0])


def noted(db: sqlite3.Connection, name: str) -> str:
    """What was last remembered under that name."""
    found = db.execute("SELECT value FROM meta WHERE key = ?", (f"note:{name}",)).fetchone()
    return "" if found is None else str(found[0])


def next_id(db: sqlite3.Connection) -> int:
    """The first id that no alert or delivery ever had."""
    return int(
        db.execute(
            """
            SELECT max(
                coalesce((SELECT max(id) FROM alerts), 0) + 1,
                coalesce((SELECT max(id) FROM deliveries), 0) + 1,
                coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'next_id'), 1))
            """
        ).fetchone()[0]
    )


def next_due(db: sqlite3.Connection) -> dict[str, float]:
    """Per backend, when its earliest pending delivery is due: two steps in the index for each."""
    due = db.execute(
        """
        WITH RECURSIVE owing (backend) AS (
            SELECT min(backend) FROM deliveries WHERE state = 'pending'
            UNION ALL
            SELECT (SELECT min(backend) FROM deliveries WHERE state = 'pending' AND backend > owing.backend)
            FROM owing WHERE owing.backend IS NOT NULL)
        SELECT backend, (
            SELECT min(next_at) FROM deliveries
            WHERE state = 'pending' AND deliveries.backend = owing.backend)
        FROM owing WHERE backend IS NOT NULL
        """
    )
    return dict(due.fetchall())


def live_alerts(db: sqlite3.Connection) -> list[Alert]:
    """Alerts that are not resolved."""
    return [
        rows.alert(row) for row in db.execute(f"SELECT {rows.ALERT} FROM alerts WHERE state <> 'resolved'")
    ]


def recent_ids(db: sqlite3.Connection, since: float, most: int) -> list[tuple[str, str]]:
    """(program, id) of the latest events with an id, newest last.

    An index on the time would cost every event something; events are read backwards instead, a slice at a
    time, until a slice has nothing recent.
    """
    latest: list[tuple[str, str]] = []
    before = float("inf")
    while len(latest) < most:
        events = db.execute(
            "SELECT seq, program, id, received_at FROM events WHERE seq < ? ORDER BY seq DESC LIMIT ?",
            (before, _SLICE),
        ).fetchall()
        recent = [(program, id_) for _, program, id_, received_at in events if id_ and received_at >= since]
        latest += recent[: most - len(latest)]
        if len(events) < _SLICE or all(received_at < since for *_, received_at in events):
            break
        before = events[-1][0]
    return latest[::-1]


def recent_attempts(db: sqlite3.Connection, backend: str, since: float, most: int) -> list[Tried]:
    """That backend's latest attempts, oldest first."""
    latest = db.execute(
        """
        SELECT address, started_at, outcome FROM attempts
        WHERE backend = ? AND started_at >= ? ORDER BY started_at DESC LIMIT ?
        """,
        (backend, since, most),
    ).fetchall()
    return [Tried(*row) for row in reversed(latest)]


def positions(db: sqlite3.Connection) -> list[Position]:
    """Every saved position."""
    return [rows.position(row) for row in db.execute(f"SELECT {rows.POSITION} FROM positions").fetchall()]


def alerts(db: sqlite3.Connection, states: Sequence[str], most: int) -> list[AlertRow]:
    """Alerts, the latest touched first."""
    wanted = json.dumps(list(states))
    found = [
        row
        for held in ("alerts_live WHERE state <> 'resolved'", "alerts_resolved WHERE state = 'resolved'")
        for row in db.execute(
            f"""
            SELECT touched_at, {rows.ALERT}, sample, trace FROM alerts INDEXED BY {held}
              AND (?1 = '[]' OR state IN (SELECT value FROM json_each(?1)))
            ORDER BY touched_at DESC LIMIT ?2
            """,
            (wanted, most),
        ).fetchall()
    ]
    found.sort(key=lambda row: (row[0], row[1]), reverse=True)
    return [rows.shown_alert(row[1:]) for row in found[:most]]


def alert(db: sqlite3.Connection, wanted: int) -> AlertRow | None:
    """One alert."""
    row = db.execute(f"SELECT {rows.ALERT}, sample, trace FROM alerts WHERE id = ?", (wanted,)).fetchone()
    return None if row is None else rows.shown_alert(row)


def handle(db: sqlite3.Connection, alert: int, address: Address, thread: str) -> str:
    """Of the latest message about that alert, or in that thread, at that address."""
    of = "thread <> '' AND thread = ?" if thread else "alert = ?"
    found = db.execute(
        f"""
        SELECT handle FROM deliveries WHERE {of} AND backend = ? AND address = ? AND handle <> ''
        ORDER BY id DESC LIMIT 1
        """,
        (thread or alert, address.backend, address.to),
    ).fetchone()
    return "" if found is None else str(found[0])


def accepted(db: sqlite3.Connection, backend: str, receipt: str) -> list[Delivery]:
    """Delivered under that id, and not told of since."""
    found = db.execute(
        f"""
        SELECT {rows.DELIVERY} FROM deliveries INDEXED BY deliveries_by_receipt
        WHERE receipt <> '' AND backend = ? AND receipt = ? AND state = 'delivered' ORDER BY id
        """,
        (backend, receipt),
    )
    return [rows.delivery(row) for row in found.fetchall()]


def events_of(db: sqlite3.Connection, wanted: int, most: int) -> list[StoredEvent]:
    """An alert's latest events, newest first."""
    latest = db.execute(
        f"SELECT {rows.EVENT} FROM events WHERE alert = ? ORDER BY seq DESC LIMIT ?", (wanted, most)
    )
    return [rows.stored_event(row) for row in latest.fetchall()]


def deliveries(
    db: sqlite3.Connection, states: Sequence[DeliveryState], of_alert: int | None, most: int
) -> list[Delivery]:
    """Deliveries, newest first."""
    if of_alert is not None:
        found = _deliveries_of(db, states, of_alert, most)
    else:
        found = [row for state in states or DeliveryState for row in _deliveries_in(db, state, most)]
    newest = sorted(found, key=lambda row: int(row[0]), reverse=True)
    return [rows.delivery(row) for row in newest[:most]]


def _deliveries_of(
    db: sqlite3.Connection, states: Sequence[DeliveryState], of_alert: int, most: int
) -> list[rows.Row]:
    return db.execute(
        f"""
        SELECT {rows.DELIVERY} FROM deliveries INDEXED BY deliveries_of_alert
        WHERE alert IS ?1 AND (?2 = '[]' OR state IN (SELECT value FROM json_each(?2)))
        ORDER BY id DESC LIMIT ?3
        """,
        (of_alert or None, json.dumps(list(states)), most),
    ).fetchall()


def _deliveries_in(db: sqlite3.Connection, state: DeliveryState, most: int) -> list[rows.Row]:
    return db.execute(
        f"""
        SELECT {rows.DELIVERY} FROM deliveries INDEXED BY {_HELD_BY[state]}
        ORDER BY created_at DESC, id DESC LIMIT ?
        """,
        (most,),
    ).fetchall()


def delivery(db: sqlite3.Connection, wanted: int) -> tuple[Delivery, list[Attempt]] | None:
    """One delivery with its attempts, oldest first."""
    row = db.execute(f"SELECT {rows.DELIVERY} FROM deliveries WHERE id = ?", (wanted,)).fetchone()
    if row is None:
        return None
    made = db.execute(f"SELECT {rows.ATTEMPT} FROM attempts WHERE delivery = ? ORDER BY seq", (wanted,))
    return rows.delivery(row), [rows.attempt(attempt) for attempt in made.fetchall()]


def counts(db: sqlite3.Connection) -> Json:
    """Deliveries by backend and state, alerts by state, events held; from the indexes alone."""
    by_backend: dict[str, dict[str, int]] = {}
    for index in ("deliveries_pending", "deliveries_sending", "deliveries_dead"):
        state = index.removeprefix("deliveries_")
        _count(db, f"'{state}'", f"{index} WHERE state = '{state}'", by_backend)
    _count(db, "state", _OVER, by_backend)
    live = db.execute("SELECT state, count(*) FROM alerts WHERE state <> 'resolved' GROUP BY state")
    resolved = db.execute("SELECT count(*) FROM alerts WHERE state = 'resolved'").fetchone()[0]
    # Events leave in the order they came in, so their numbers say how many there are.
    events = db.execute(
        "SELECT coalesce((SELECT max(seq) FROM events) - (SELECT min(seq) FROM events) + 1, 0)"
    ).fetchone()[0]
    return {
        "deliveries": by_backend,
        "alerts": {**dict(live.fetchall()), "resolved": resolved},
        "events": events,
    }


def _count(db: sqlite3.Connection, state: str, held: str, into: dict[str, dict[str, int]]) -> None:
    counted: list[Any] = db.execute(
        f"SELECT backend, {state}, count(*) FROM deliveries INDEXED BY {held} GROUP BY 1, 2"
    ).fetchall()
    for backend, of_state, number in counted:
        into.setdefault(backend, {})[of_state] = number
