"""An aiosqlite connection that takes one thread hop for a whole transaction instead of one for each row."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar
from urllib.parse import quote

import aiosqlite

P = ParamSpec("P")
T = TypeVar("T")

PAGE: Final = 4096  # bytes, SQLite's default
# Bytes the log is cut back to after it had to grow.
KEPT_LOG: Final = 8 * 1024 * 1024


class Connection(aiosqlite.Connection):
    """A connection on a thread of its own."""

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, iter_chunk_size=64)
        # A process that ends by an error must not wait for ever for a thread that nobody closed.
        thread: Any = getattr(self, "_thread", self)  # aiosqlite below 0.22 is the thread itself
        thread.daemon = True

    async def run(
        self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a function over the connection, on its thread."""
        result: T = await self._execute(work, self._conn, *args, **kwargs)  # type: ignore[no-untyped-call]
        return result


async def connect_writer(path: Path, busy_timeout: float, log_size: int) -> Connection:
    """The one connection that writes and checkpoints: a commit that finds `log_size` bytes in the log does.

    One, because of SQLite's WAL-reset bug before 3.51.3: a checkpoint by another connection at the wrong
    moment loses pages (https://www.sqlite.org/wal.html).
    """
    return await _connect(lambda: _open_writer(path, busy_timeout, log_size))


async def connect_reader(path: Path) -> Connection:
    """A connection that can only read, and never checkpoints."""
    return await _connect(lambda: open_to_read(path))


def open_to_read(path: Path) -> sqlite3.Connection:
    """A plain connection that writes neither the store nor its log, and never checkpoints."""
    db = _open(path, "ro", timeout=1.0)
    db.execute("PRAGMA query_only = ON")
    return db


async def _connect(connector: Callable[[], sqlite3.Connection]) -> Connection:
    connection = Connection(connector)
    await connection
    return connection


def _open_writer(path: Path, busy_timeout: float, log_size: int) -> sqlite3.Connection:
    db = _open(path, "rw", busy_timeout)
    try:
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute(f"PRAGMA wal_autocheckpoint = {log_size // PAGE}")
        db.execute(f"PRAGMA journal_size_limit = {KEPT_LOG}")
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # opens the file, and the log with it
    except sqlite3.Error:
        db.close()
        raise
    return db


def _open(path: Path, mode: str, timeout: float) -> sqlite3.Connection:
    """Open without ever making a file; statements stay prepared, transactions are our own business."""
    return sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode={mode}",
        uri=True,
        timeout=timeout,
        isolation_level=None,
        cached_statements=256,
        check_same_thread=True,
    )
