"""A full disk, and a store held by someone else: commits wait, what is under way goes on, nothing is lost."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from relay.clock import FakeClock
from relay.errors import StoreBusyError, StoreFullError
from relay.models import DeliveryState
from relay.outbox.sqlite import SqliteStore, writer
from relay.outbox.store import Commit
from tests.outbox.samples import NOW, alert, delivered, delivery, position, stored


@pytest.fixture(params=["2m", "8m"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "relay-test", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill_up(disk: Path) -> Path:
    """A foreign file that takes all the room there is."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (65536, 4096):
            while True:
                try:
                    file.write(bytes(size))
                except OSError:
                    break
    return filler


def takes_in(store: SqliteStore) -> bool:
    return store.intake_open


async def test_a_full_disk_stops_the_intake_and_not_the_deliveries(
    small_disk: Path, clock: FakeClock
) -> None:
    store = await SqliteStore.open(small_disk / "relay.db", clock)
    try:
        await store.commit(Commit(deliveries=[delivery(number) for number in range(1, 101)]))
        taken = await store.claim("rtx", 100, NOW, NOW + 60)
        filler = fill_up(small_disk)
        acked = await _commit_until_full(store)
        assert not takes_in(store)

        for one in taken[:50]:
            await store.settle([delivered(one)])
        await store.recover(NOW + 61, all_leases=True)
        again = await store.claim("rtx", 100, NOW + 61, NOW + 99)
        assert len(again) == 50
        await store.settle([delivered(one) for one in again])

        clock.advance(5)
        with pytest.raises(StoreFullError):
            await store.commit(Commit(alerts=[alert(7000)]))
        assert not takes_in(store)

        filler.unlink()
        with pytest.raises(StoreFullError):  # the next look is a second later
            await store.commit(Commit(alerts=[alert(7001)]))
        clock.advance(1)
        await store.commit(Commit(alerts=[alert(7002)]))
        assert takes_in(store)
        assert [one.id for one in await store.live_alerts()] == [*acked, 7002]
        assert await store.deliveries(states=[DeliveryState.PENDING]) == []
    finally:
        await store.close()
    with closing(sqlite3.connect(small_disk / "relay.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def _commit_until_full(store: SqliteStore) -> list[int]:
    for number in range(1, 5000):
        try:
            await store.commit(Commit(events=[stored(number)] * 20, alerts=[alert(number)]))
        except StoreFullError:
            return list(range(1, number))
    pytest.fail("the disk did not fill up")


async def test_a_store_killed_on_a_full_disk_opens_on_its_reserve(small_disk: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(small_disk / "relay.db", clock)
    await store.commit(Commit(alerts=[alert(1)], positions=[position()]))
    await store.close()
    filler = fill_up(small_disk)
    store = await SqliteStore.open(small_disk / "relay.db", clock)
    try:
        assert await store.positions() == [position()]
        filler.unlink()
        clock.advance(2)
        await store.commit(Commit(alerts=[alert(2)]))
        assert len(await store.live_alerts()) == 2
    finally:
        await store.close()


async def test_no_room_at_all_is_said_at_open(small_disk: Path, clock: FakeClock) -> None:
    fill_up(small_disk)
    with pytest.raises(StoreFullError):
        await SqliteStore.open(small_disk / "relay.db", clock)


async def test_a_store_that_turns_read_only_recovers_by_itself(store: SqliteStore, clock: FakeClock) -> None:
    await store.commit(Commit(alerts=[alert(1)]))
    assert store._writer._db is not None
    await store._writer._db.run(lambda db: db.execute("PRAGMA query_only = ON"))
    with pytest.raises(StoreFullError, match="SQLITE_READONLY"):
        await store.commit(Commit(alerts=[alert(2)]))
    assert not takes_in(store)
    clock.advance(1)
    await store.commit(Commit(alerts=[alert(3)]))
    assert takes_in(store)
    assert [one.id for one in await store.live_alerts()] == [1, 3]


async def test_a_write_lock_held_by_another_is_waited_for_off_the_loop(
    store: SqliteStore, path: Path
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        commit = asyncio.create_task(store.commit(Commit(alerts=[alert(1)])))
        turns = 0
        while not commit.done():
            await asyncio.sleep(0.001)
            turns += 1
        with pytest.raises(StoreBusyError):
            await commit
        assert turns > 5
        assert await store.live_alerts() == []  # reading goes on
        waiting = asyncio.create_task(store.commit(Commit(alerts=[alert(2)])))
        await asyncio.sleep(0.005)
        other.execute("ROLLBACK")
        await waiting
    assert [one.id for one in await store.live_alerts()] == [2]
    assert takes_in(store)


async def test_a_log_held_open_is_cut_back_as_soon_as_it_may(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LOG_CAP", 100_000)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM alerts").fetchall()
        for number in range(1, 50):
            await store.commit(Commit(events=[stored()] * 20, alerts=[alert(number)]))
        assert store._writer.log_size() > 100_000
        other.execute("COMMIT")
    await store.commit(Commit(alerts=[alert(99)]))
    assert store._writer.log_size() < 100_000


async def test_a_caller_that_leaves_takes_nothing_with_it(store: SqliteStore) -> None:
    calls = [asyncio.create_task(store.commit(Commit(alerts=[alert(number)]))) for number in range(1, 6)]
    await asyncio.sleep(0)
    calls[2].cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers].count(asyncio.CancelledError) == 1
    assert {1, 2, 4, 5} <= {one.id for one in await store.live_alerts()}


async def test_writes_that_wait_together_share_one_commit(store: SqliteStore) -> None:
    syncs = 0
    assert store._writer._db is not None

    def count(statement: str) -> None:
        nonlocal syncs
        syncs += statement == "COMMIT"

    await store._writer._db.run(lambda db: db.set_trace_callback(count))
    await asyncio.gather(*(store.commit(Commit(alerts=[alert(number)])) for number in range(1, 101)))
    assert syncs <= 2
