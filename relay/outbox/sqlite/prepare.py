"""Everything that is done to the store's files before it is opened. Plain blocking code, for a thread."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import structlog

from relay.errors import StoreFullError
from relay.outbox.sqlite import damage, schema
from relay.outbox.sqlite.faults import named

log = structlog.get_logger()


def make_folder(folder: Path) -> None:
    """The folder and those above it, private whatever the umask; existing ones stay as they are.

    Raises:
        StoreFullError: they can't be made.

    """
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    try:
        for part in reversed(missing):
            part.mkdir(0o700, exist_ok=True)
    except OSError as error:
        raise StoreFullError(f"{folder} can't be made: {error.strerror}") from error


def prepare(path: Path, now: float) -> str:
    """A sound store of this version at that path; what was damaged and where it went, or "".

    Raises:
        StoreFullError: the disk is full, or can't be written.
        StoreTooNewError: a newer relay made the store.
        StoreError: it is another program's file, or another process holds it.

    """
    try:
        found = _set_damage_aside(path, now)
        if not path.exists():
            schema.create(path)
        path.chmod(0o600)
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            schema.migrate(db)
    except OSError as error:
        raise StoreFullError(f"the store {path} can't be made: {error.strerror}") from error
    except sqlite3.Error as error:
        raise named(error) from error
    return found


def _set_damage_aside(path: Path, now: float) -> str:
    what = damage.find(path)
    if not what:
        return ""
    aside = damage.set_aside(path, now)
    log.error("store_set_aside", store=str(path), reason=what, aside=str(aside))
    return f"the store {path} was damaged ({what}): it was set aside as {aside}, and a fresh one was started"
