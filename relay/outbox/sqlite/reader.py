"""The read-only connection: status, alerts and outbox are read beside the writes, not between them."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from relay.errors import StoreError
from relay.outbox.sqlite.connection import Connection, connect_reader
from relay.outbox.sqlite.faults import named
from relay.outbox.store import StoreDamagedError

P = ParamSpec("P")
T = TypeVar("T")


class Reader:
    """Opened at the first read, and again after an error."""

    def __init__(self, path: Path, on_damage: Callable[[StoreDamagedError], None]) -> None:
        self._path = path
        self._on_damage = on_damage
        self._db: Connection | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def run(
        self, read: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """What that function reads.

        Raises:
            StoreError: it could not be read.

        """
        try:
            db = await self._connected()
            return await db.run(read, *args, **kwargs)
        except sqlite3.Error as error:
            failure = named(error)
            if isinstance(failure, StoreDamagedError):
                self._on_damage(failure)
            await self._disconnect()
            raise failure from error

    async def close(self) -> None:
        """Let go."""
        self._closed = True
        await self._disconnect()

    async def _connected(self) -> Connection:
        async with self._opening:
            if self._closed:
                raise StoreError("the store is closed")
            if self._db is None:
                self._db = await connect_reader(self._path)
            return self._db

    async def _disconnect(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(sqlite3.Error):
                await db.close()
