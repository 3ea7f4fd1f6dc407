"""What rules have counted: reads and writes of the table `meters`, as functions over a connection."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from relay.outbox.sqlite.wide import wide
from relay.outbox.store import MeterRow

_UPSERT = "ON CONFLICT (rule, key) DO UPDATE SET state = excluded.state, touched_at = excluded.touched_at"


def write(db: sqlite3.Connection, changed: Sequence[MeterRow]) -> None:
    """Rows that changed, and those that are forgotten."""
    gone = [(row.rule, row.key) for row in changed if row.state is None]
    wide(db, "DELETE FROM meters WHERE (rule, key) IN (", gone, ")")
    kept = [
        (row.rule, row.key, row.state.decode(), row.touched_at) for row in changed if row.state is not None
    ]
    wide(db, "INSERT INTO meters (rule, key, state, touched_at)", kept, _UPSERT)


def read(db: sqlite3.Connection) -> list[MeterRow]:
    """Every row."""
    found = db.execute("SELECT rule, key, state, touched_at FROM meters").fetchall()
    return [MeterRow(rule, key, state.encode(), touched_at) for rule, key, state, touched_at in found]


def fingerprints(db: sqlite3.Connection, rules: Sequence[str]) -> list[tuple[str, str]]:
    """(rule, fingerprint) of the alerts of these rules."""
    return db.execute(
        "SELECT DISTINCT rule, fingerprint FROM alerts WHERE rule IN (SELECT value FROM json_each(?))",
        (json.dumps(list(rules)),),
    ).fetchall()
