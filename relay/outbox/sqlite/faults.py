"""SQLite's result codes as the store's named errors (https://www.sqlite.org/rescode.html)."""

from __future__ import annotations

import sqlite3
from typing import Final

from relay.errors import StoreBusyError, StoreError, StoreFullError
from relay.outbox.store import StoreDamagedError

_PRIMARY: Final = 0xFF  # the low byte of an extended result code names its class
_NO_WRITING: Final = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
}
_HELD: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


# Errors after which a connection can't be trusted: what a failed fsync left behind isn't known.
_BROKEN: Final = _NO_WRITING - {sqlite3.SQLITE_FULL}


def named(error: sqlite3.Error) -> StoreError:
    """The store's error for one of SQLite's; its text is SQLite's own and holds no row's content."""
    code = _code(error)
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    text = f"{error} ({name})"
    if code in _NO_WRITING:
        return StoreFullError(f"the store can't be written: {text}")
    if code in _HELD:
        return StoreBusyError(f"another process holds the store: {text}")
    if code in _DAMAGE:
        return StoreDamagedError(f"the store is damaged: {text}")
    return StoreError(f"the store refused: {text}")


def is_own(error: Exception) -> bool:
    """Whether the statement or its values are at fault, and not the disk, a lock or the file."""
    return not isinstance(error, sqlite3.Error) or type(named(error)) is StoreError


def is_io_error(error: sqlite3.Error) -> bool:
    """Whether the connection has to be opened afresh before anything else is done."""
    return _code(error) in _BROKEN


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
