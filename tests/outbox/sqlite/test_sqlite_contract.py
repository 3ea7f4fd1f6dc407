from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.clock import FakeClock
from relay.outbox.sqlite import SqliteStore
from relay.outbox.store import Store
from tests.outbox.contract import StoreContract


class TestSqliteContract(StoreContract):
    opened: list[SqliteStore]

    @pytest.fixture
    async def store(self, path: Path, clock: FakeClock) -> AsyncIterator[Store]:
        self.opened = [await SqliteStore.open(path, clock)]
        yield self.opened[0]
        for store in self.opened:
            await store.close()

    async def reopen(self, store: Store) -> Store:
        await store.close()
        first = self.opened[0]
        self.opened.append(await SqliteStore.open(first._path, first._clock))
        return self.opened[-1]
