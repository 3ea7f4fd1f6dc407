"""A damaged store: finding it out at open, cheaply, and setting it aside so that relay can go on."""

from __future__ import annotations

import contextlib
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from relay.outbox.sqlite.connection import open_to_read
from relay.outbox.sqlite.faults import named
from relay.outbox.sqlite.wal import Wal, recovered_frames
from relay.outbox.store import StoreDamagedError

QUICK: Final = 64 * 1024 * 1024  # bytes; a store up to this size is looked through, in at most 0.1 s
_MAGIC: Final = b"SQLite format 3\0"
_FILES: Final = ("", "-wal", "-shm")


def find(path: Path) -> str:
    """What is wrong with the store at that path, or "" if nothing shows.

    Nothing is written, so that what is set aside is as it was found. A big store isn't read whole: what hides
    in it is found when it is met, and noted by `note` for the next start.
    """
    noted = _note(path)
    if noted.exists():
        return noted.read_text("utf-8", "replace").strip() or "the store was damaged"
    with Wal.open(_beside(path, "-wal")) as wal:
        if not path.exists():
            return "the file is gone, and its write-ahead log is left" if wal.size else ""
        if path.stat().st_size == 0:
            return "the file is empty"
        if wal.damage:
            return wal.damage
        try:
            with closing(open_to_read(path)) as db:
                return _look_through(db, path, wal)
        except sqlite3.DatabaseError as error:
            if isinstance(named(error), StoreDamagedError):
                return str(error)
            raise


def _look_through(db: sqlite3.Connection, path: Path, wal: Wal) -> str:
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:  # SQLite wouldn't look while page 1 is in the log
            return "file is not a database"
    pages, page_size = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    if path.stat().st_size + wal.size < pages * page_size:
        return "the file is shorter than it was"
    if pages * page_size <= QUICK:
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            return str(found)
    for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
        db.execute(f'SELECT * FROM "{table}" LIMIT 1').fetchall()  # noqa: S608 - the schema's own names
    return "the write-ahead log was overwritten" if wal.lost_after(recovered_frames(path)) else ""


def note(path: Path, what: str) -> None:
    """Leave word for the next start that the store was found damaged."""
    with contextlib.suppress(
        OSError
    ):  # a damaged disk may not take it; the next start meets the damage again
        _note(path).write_text(f"{what}\n", "utf-8")


def set_aside(path: Path, now: float) -> Path:
    """Rename the store's files out of the way; where the store is now."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    again = 1
    while aside.exists():
        again += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{again}")
    for end in _FILES:
        with contextlib.suppress(FileNotFoundError):
            _beside(path, end).rename(_beside(aside, end))
    _note(path).unlink(missing_ok=True)
    return aside


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.damaged")


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)
