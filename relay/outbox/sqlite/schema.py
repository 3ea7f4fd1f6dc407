"""The store's file as tables: making a new one, and bringing an old one up to date."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from importlib import resources
from pathlib import Path
from typing import Final

from relay.errors import StoreError, StoreTooNewError

APPLICATION_ID: Final = int.from_bytes(b"rely")  # marks the file as ours (PRAGMA application_id)

# Step n turns version n into n + 1. Released steps never change; a new version is a new step.
STEPS: Final[tuple[str, ...]] = tuple(
    resources.files(__package__).joinpath(name).read_text("utf-8")
    for name in (
        "schema.sql",
        "schema_receipts.sql",
        "schema_limits.sql",
        "schema_standings.sql",
        "schema_checks.sql",
        "schema_holds.sql",
        "schema_meters.sql",
        "schema_silences.sql",
    )
)


def create(path: Path) -> None:
    """Make a store, whole before it has its name: a file of that name is never half made."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with closing(sqlite3.connect(new, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        migrate(db)
        db.execute("INSERT INTO meta VALUES ('id', ?)", (secrets.token_hex(8),))
    new.rename(path)
    _sync_folder(path.parent)


def migrate(db: sqlite3.Connection, steps: Sequence[str] = STEPS) -> None:
    """Take every step that is missing, each in a transaction of its own.

    Raises:
        StoreTooNewError: the store has had steps that this relay doesn't know.
        StoreError: the file is another program's.

    """
    if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise StoreError("the file is a database of another program")
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > len(steps):
        raise StoreTooNewError(
            f"the store has version {version}, this relay knows {len(steps)}: update relay"
        )
    for number, step in enumerate(steps[version:], start=version + 1):
        with transaction(db):
            for statement in _statements(step):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, with the write lock from the start."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk or an I/O error may have ended it
            db.execute("ROLLBACK")
        raise


def _statements(script: str) -> Iterator[str]:
    """One statement after the other (`executescript` would commit before the first)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _sync_folder(folder: Path) -> None:
    """Make a rename last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
