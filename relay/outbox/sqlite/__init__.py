"""The SQLite engine of the store: one file, one daemon."""

from relay.outbox.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
