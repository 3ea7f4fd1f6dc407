"""Few, wide statements.

sqlite3 gives up and takes back the GIL for every row it steps to, and then waits for whoever took it: a
row at a time starves beside a busy event loop. Rows therefore go in by 64, the rest by 32, 16 ... 1, so
that every statement is one of seven and stays prepared.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from relay.outbox.sqlite.rows import Row, writable

WIDEST: Final = 64


def wide(db: sqlite3.Connection, head: str, rows: Sequence[Row], tail: str = "") -> int:
    """Run `head VALUES (...), (...) tail` over all the rows; how many rows it changed."""
    changed = 0
    start = 0
    for size in _sizes(len(rows)):
        part = rows[start : start + size]
        start += size
        changed += _run(db, _statement(head, tail, size, len(part[0])), part)
    return changed


def _sizes(count: int) -> list[int]:
    """64, 64, ... and the powers of two that make up the rest."""
    return [WIDEST] * (count // WIDEST) + [
        1 << bit for bit in (5, 4, 3, 2, 1, 0) if count % WIDEST >> bit & 1
    ]


def _run(db: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> int:
    try:
        return db.execute(statement, [value for row in rows for value in row]).rowcount
    except UnicodeEncodeError:  # while binding, before anything ran
        return db.execute(statement, [writable(value) for row in rows for value in row]).rowcount


@lru_cache(maxsize=256)
def _statement(head: str, tail: str, rows: int, columns: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"{head} VALUES {', '.join([row] * rows)} {tail}"
