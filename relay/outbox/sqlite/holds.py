"""What holds messages back, as rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from relay.outbox.sqlite import rows
from relay.outbox.sqlite.wide import wide
from relay.outbox.store import StoredHold

_UPSERT: Final = " ON CONFLICT (key) DO UPDATE SET state = excluded.state"


def put(db: sqlite3.Connection, holds: Sequence[StoredHold], over: Sequence[str]) -> None:
    """Those that are over go before new ones come."""
    wide(db, "DELETE FROM holds WHERE (key) IN (", [(key,) for key in over], ")")
    new = [(hold.key, hold.kind, rows.dump(hold.state)) for hold in holds]
    wide(db, "INSERT INTO holds (key, kind, state)", new, _UPSERT)


def every(db: sqlite3.Connection) -> list[StoredHold]:
    """All of them."""
    found = db.execute("SELECT key, kind, state FROM holds ORDER BY key").fetchall()
    return [StoredHold(key, kind, json.loads(state)) for key, kind, state in found]
