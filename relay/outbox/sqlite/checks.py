"""The watchdog's records: written with the events that they caused, read at start."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from relay.models import CheckRecord
from relay.outbox.sqlite.wide import wide

_encode: Final = msgspec.json.Encoder().encode
_record: Final = msgspec.json.Decoder(CheckRecord).decode


def put(db: sqlite3.Connection, records: Sequence[CheckRecord]) -> None:
    """Each record as it is now; the last of several of one check."""
    latest = {record.name: record for record in records}
    rows = [(name, _encode(record).decode()) for name, record in latest.items()]
    wide(
        db,
        "INSERT INTO checks (name, record)",
        rows,
        "ON CONFLICT (name) DO UPDATE SET record = excluded.record",
    )


def read(db: sqlite3.Connection) -> list[CheckRecord]:
    """All of them, by name."""
    return [_record(row[0]) for row in db.execute("SELECT record FROM checks ORDER BY name").fetchall()]
