"""Silences, and what they withheld, as rows, and the texts kept by name: reads and writes."""
# ruff: noqa: S608 - what is put together are this module's own lists of columns, never a value

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

import msgspec

from relay.models import Silence, Withheld
from relay.outbox.sqlite.rows import Row, dump
from relay.outbox.sqlite.wide import wide

_SILENCE: Final = (
    "id, matchers, author, reason, created_at, ends_at,"
    " until_quiet, quiet_since, reminded, ended_at, ended_by"
)
_UPSERT_SILENCES: Final = """
    ON CONFLICT (id) DO UPDATE SET
        ends_at = excluded.ends_at, quiet_since = excluded.quiet_since, reminded = excluded.reminded,
        ended_at = excluded.ended_at, ended_by = excluded.ended_by
"""
_UPSERT_WITHHELD: Final = "ON CONFLICT (hush, recipient) DO UPDATE SET account = excluded.account"
_KEPT: Final = "kept "  # before names in `meta`, which holds the store's own things too

_matchers: Final = msgspec.json.Decoder(tuple[str, ...]).decode
_account: Final = msgspec.json.Decoder(Withheld).decode


def put(
    db: sqlite3.Connection, silences: Sequence[Silence], withheld: Sequence[Withheld], closed: Sequence[str]
) -> None:
    """New and changed ones; what closed ones withheld goes."""
    wide(
        db, f"INSERT INTO silences ({_SILENCE})", [_silence_row(each) for each in silences], _UPSERT_SILENCES
    )
    owed = [(each.hush, each.recipient, dump(each)) for each in withheld]
    wide(db, "INSERT INTO withheld (hush, recipient, account)", owed, _UPSERT_WITHHELD)
    wide(db, "DELETE FROM withheld WHERE hush IN (", [(hush,) for hush in closed], ")")


def silences(db: sqlite3.Connection, ended_since: float | None) -> list[Silence]:
    """Those in force, and what ended since; the newest first."""
    since = float("inf") if ended_since is None else ended_since
    found = db.execute(
        f"SELECT {_SILENCE} FROM silences WHERE ended_at = 0 OR ended_at >= ? ORDER BY id DESC", (since,)
    )
    return [_silence(row) for row in found.fetchall()]


def withheld(db: sqlite3.Connection) -> list[Withheld]:
    """All of them."""
    found = db.execute("SELECT account FROM withheld ORDER BY hush, recipient")
    return [_account(row[0]) for row in found.fetchall()]


def recall(db: sqlite3.Connection, name: str) -> str:
    """The text kept under that name; or ""."""
    found = db.execute("SELECT value FROM meta WHERE key = ?", (_KEPT + name,)).fetchone()
    return "" if found is None else str(found[0])


def keep(db: sqlite3.Connection, name: str, text: str) -> None:
    """Remember it."""
    db.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (_KEPT + name, text),
    )


def sweep(db: sqlite3.Connection, before: float, most: int) -> int:
    """Delete a slice of the silences that ended before then; how many."""
    return db.execute(
        """
        DELETE FROM silences WHERE id IN (
            SELECT id FROM silences WHERE ended_at > 0 AND ended_at < ? ORDER BY id LIMIT ?)
        """,
        (before, most),
    ).rowcount


def _silence_row(silence: Silence) -> Row:
    return (
        silence.id,
        dump(silence.matchers),
        silence.author,
        silence.reason,
        silence.created_at,
        silence.ends_at,
        silence.until_quiet,
        silence.quiet_since,
        int(silence.reminded),
        silence.ended_at,
        silence.ended_by,
    )


def _silence(row: Row) -> Silence:
    return Silence(
        id=row[0],
        matchers=_matchers(row[1]),
        author=row[2],
        reason=row[3],
        created_at=row[4],
        ends_at=row[5],
        until_quiet=row[6],
        quiet_since=row[7],
        reminded=bool(row[8]),
        ended_at=row[9],
        ended_by=row[10],
    )
