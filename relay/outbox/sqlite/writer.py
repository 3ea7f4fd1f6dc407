"""Group commit: whenever the writer is free it takes everything queued, in one transaction.

A commit costs an fsync whatever is in it, so groups grow by themselves with the load: one operation when
nothing else waits, hundreds when the disk is slow. Nothing waits for a timer.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from msgspec import Struct

from relay.errors import StoreError, StoreFullError
from relay.outbox.sqlite import damage
from relay.outbox.sqlite.connection import Connection, connect_writer
from relay.outbox.sqlite.faults import is_io_error, is_own, named
from relay.outbox.sqlite.reserve import Reserve
from relay.outbox.sqlite.schema import transaction
from relay.outbox.store import StoreDamagedError

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

LOG_LEAST: Final = 256 * 1024  # bytes in the write-ahead log before a commit moves them into the file
LOG_CAP: Final = 64 * 1024 * 1024  # bytes of write-ahead log from which it is cut back at every chance

log = structlog.get_logger()


class Operation(Struct, eq=False):
    """One caller's write: all of it, or nothing."""

    work: Work[Any]
    done: asyncio.Future[Any]
    intake: bool  # brings more in, and so has to wait while there is no room


class Writer:
    """The queue of writes and the one connection that makes them."""

    def __init__(self, path: Path, reserve: Reserve, busy_timeout: float) -> None:
        self._path = path
        self._log_path = path.with_name(f"{path.name}-wal")
        self._reserve = reserve
        self._busy_timeout = busy_timeout
        self._db: Connection | None = None
        self._queue: list[Operation] = []
        self._filled = asyncio.Event()
        self._closing = False
        self._damaged: StoreDamagedError | None = None
        self._log_is_long = False
        self._serving: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, and begin to serve."""
        self._db = await self._connect()
        self._serving = asyncio.create_task(self._serve(), name="store-writer")

    async def take_in(self, work: Work[T]) -> T:
        """Make a write that brings more in; refused while there is no room."""
        return await self._submit(work, intake=True)

    async def make(self, work: Work[T]) -> T:
        """Make a write about what is already there."""
        return await self._submit(work, intake=False)

    async def close(self, last: Work[None] | None) -> None:
        """Finish what is queued, make a last write, move the log into the file, let go."""
        self._closing = True
        self._filled.set()
        if self._serving is not None:
            await self._serving
        if self._db is not None and last is not None:
            with contextlib.suppress(sqlite3.Error):  # a full disk: it is only good to have
                await self._db.run(_in_transaction, last)
        await self._disconnect()

    async def _submit(self, work: Work[T], *, intake: bool) -> T:
        if self._closing:
            raise StoreError("the store is closed")
        operation = Operation(work, asyncio.get_running_loop().create_future(), intake)
        self._queue.append(operation)
        self._filled.set()
        result: T = await operation.done
        return result

    async def _serve(self) -> None:
        while self._queue or not self._closing:
            await self._filled.wait()
            self._filled.clear()
            group, self._queue = self._queue, []
            await self._write(self._admitted(group))

    def _admitted(self, group: list[Operation]) -> list[Operation]:
        """The operations to make now; the others have their answer."""
        if any(operation.intake for operation in group):
            try:
                self._reserve.require()
            except StoreFullError as error:
                for operation in group:
                    if operation.intake:
                        _answer(operation, error)
        return [operation for operation in group if not operation.done.done()]

    async def _write(self, group: list[Operation]) -> None:
        """Make the group's writes and answer every caller."""
        if not group:
            return
        try:
            await self._attempt(group)
        except StoreFullError as error:
            self._reserve.let_go(str(error))
            await self.tidy()
            await self._write_what_is_under_way(group, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the callers are waiting for it
            for operation in group:
                _answer(operation, error)
        else:
            await self._watch_log()

    async def _attempt(self, group: list[Operation]) -> None:
        """One transaction. Raises a `StoreError` if the whole group failed."""
        if self._damaged is not None:
            raise self._damaged
        try:
            if self._db is None:
                self._db = await self._connect()
            answers = await self._db.run(_together, [operation.work for operation in group])
        except sqlite3.Error as error:
            if is_io_error(error):
                await self._disconnect()
            failure = named(error)
            if isinstance(failure, StoreDamagedError):
                self.found_damaged(failure)
            raise failure from error
        for operation, answer in zip(group, answers, strict=True):
            _answer(operation, answer)

    async def _write_what_is_under_way(self, group: list[Operation], error: StoreFullError) -> None:
        """Refuse what brings more in; the rest is tried once more in the room that was made."""
        under_way = [operation for operation in group if not operation.intake]
        for operation in group:
            if operation.intake:
                _answer(operation, error)
        try:
            if under_way:
                await self._attempt(under_way)
        except Exception as again:  # noqa: BLE001 - as above
            for operation in under_way:
                _answer(operation, again)

    def found_damaged(self, error: StoreDamagedError) -> None:
        """Write nothing more, and leave word for the next start."""
        if self._damaged is None:
            log.error("store_damaged", error=str(error))
            damage.note(self._path, str(error))
        self._damaged = error

    async def tidy(self) -> None:
        """Move the log into the file as far as nobody reads from it; the log's room is then used again."""
        await self._try("PRAGMA wal_checkpoint(PASSIVE)")

    async def _watch_log(self) -> None:
        """Keep the log short: at once while there is no room to spare, and after a reader held it open."""
        if not self._reserve.held:
            await self.tidy()
        size = self.log_size()
        if size >= LOG_CAP:
            await self._try("PRAGMA busy_timeout = 0")  # cut it back only if that needs no waiting
            await self._try("PRAGMA wal_checkpoint(TRUNCATE)")
            await self._try(f"PRAGMA busy_timeout = {int(self._busy_timeout * 1000)}")
            size = self.log_size()
        if (size >= LOG_CAP) != self._log_is_long:
            self._log_is_long = not self._log_is_long
            note = log.warning if self._log_is_long else log.info
            note("store_log_grew" if self._log_is_long else "store_log_shrank", bytes=size)

    async def _try(self, pragma: str) -> None:
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):  # the log stays as it is, and nothing is lost
                await self._db.run(_run, pragma)

    def log_size(self) -> int:
        """Bytes of the write-ahead log."""
        try:
            return self._log_path.stat().st_size
        except OSError:
            return 0

    async def _connect(self) -> Connection:
        """The log stays as short as the reserve: on a full disk the one makes room to put the other away."""
        try:
            log_size = max(LOG_LEAST, self._reserve.size)
        except OSError as error:
            raise StoreFullError(f"the store's folder is out of reach: {error.strerror}") from error
        return await connect_writer(self._path, self._busy_timeout, log_size)

    async def _disconnect(self) -> None:
        """Closing the last connection moves the log into the file; what can't be moved stays in it."""
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                await db.close()


def _answer(operation: Operation, answer: Any) -> None:
    """Wake the caller, unless it was cancelled and left."""
    if operation.done.done():
        return
    if isinstance(answer, Exception):
        operation.done.set_exception(answer)
    else:
        operation.done.set_result(answer)


def _together(db: sqlite3.Connection, works: Sequence[Work[Any]]) -> list[Any]:
    """The results of all, in one transaction; of one that is at fault its error, with nothing of it made."""
    try:
        with transaction(db):
            return [work(db) for work in works]
    except Exception as error:
        if not is_own(error):
            raise
    with transaction(db):
        return [_apart(db, work) for work in works]


def _apart(db: sqlite3.Connection, work: Work[Any]) -> Any:
    """The result of one write among others, or its error, with nothing of it left."""
    db.execute("SAVEPOINT apart")
    try:
        result = work(db)
    except Exception as error:
        if not is_own(error):
            raise
        db.execute("ROLLBACK TO apart")
        result = named(error) if isinstance(error, sqlite3.Error) else _refused(error)
    db.execute("RELEASE apart")
    return result


def _refused(error: Exception) -> StoreError:
    refused = StoreError(f"the write can't be made: {type(error).__name__}")
    refused.__cause__ = error
    return refused


def _in_transaction(db: sqlite3.Connection, work: Work[T]) -> T:
    with transaction(db):
        return work(db)


def _run(db: sqlite3.Connection, pragma: str) -> None:
    db.execute(pragma).fetchall()
