"""What came in and what came of it, in short: for `relay check --store`. Both look at every row there is."""
# ruff: noqa: S608 - what is put together are this package's own lists of columns, never a value

from __future__ import annotations

import sqlite3

from relay.models import Attempt
from relay.outbox.sqlite import rows
from relay.outbox.store import Seen


def events(db: sqlite3.Connection, since: float, most: int) -> list[Seen]:
    """The latest event of each source, module and level; and alerts' samples, which outlive their events."""
    latest = db.execute(
        f"""
        SELECT {rows.EVENT}, count(*), max(seq) FROM events WHERE received_at >= ?
        GROUP BY source, module, level ORDER BY max(seq) DESC LIMIT ?
        """,
        (since, most),
    ).fetchall()
    found = [Seen(rows.stored_event(row[:-2]).event, row[-2]) for row in latest]
    samples = db.execute(
        f"""
        SELECT {rows.ALERT}, sample, trace FROM alerts WHERE touched_at >= ? AND sample IS NOT NULL
        ORDER BY touched_at DESC LIMIT ?
        """,
        (since, most - len(found)),
    ).fetchall()
    shown = map(rows.shown_alert, samples)
    return found + [Seen(row.sample, row.alert.count) for row in shown if row.sample is not None]


def outcomes(db: sqlite3.Connection, since: float) -> list[Attempt]:
    """The latest attempt at each address."""
    latest = db.execute(
        f"SELECT {rows.ATTEMPT}, max(seq) FROM attempts WHERE started_at >= ? GROUP BY backend, address",
        (since,),
    ).fetchall()
    return [rows.attempt(row[:-1]) for row in latest]
