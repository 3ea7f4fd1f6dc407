"""A damaged store is set aside whole, a fresh one started, and somebody told; relay never fails to start."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from relay.clock import FakeClock
from relay.outbox.sqlite import SqliteStore, damage
from relay.outbox.sqlite.wal import Wal
from relay.outbox.store import Commit, StoreDamagedError
from tests.outbox.samples import alert, delivery, position, stored

PAGE = 4096


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def nulled(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def page_overwritten(path: Path) -> None:
    pages = path.stat().st_size // PAGE
    with path.open("r+b") as file:
        file.seek(PAGE * random.Random(7).randrange(pages))
        file.write(random.Random(8).randbytes(PAGE))


def first_page_overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(random.Random(9).randbytes(PAGE))


def log_overwritten(path: Path) -> None:
    log = path.with_name(f"{path.name}-wal")
    log.write_bytes(random.Random(10).randbytes(log.stat().st_size))


def log_overwritten_in_the_middle(path: Path) -> None:
    with path.with_name(f"{path.name}-wal").open("r+b") as file:
        file.seek(20 * PAGE)
        file.write(random.Random(11).randbytes(PAGE))


def file_gone(path: Path) -> None:
    path.unlink()


HARMS = [emptied, nulled, cut_in_half, page_overwritten, first_page_overwritten]
HARMS_OF_LOG = [log_overwritten, log_overwritten_in_the_middle]


async def fill(store: SqliteStore) -> None:
    for number in range(1, 21):
        await store.commit(
            Commit(
                events=[stored(number, message=f"{n} {'x' * 300}") for n in range(50)],
                alerts=[alert(number)],
                deliveries=[delivery(100 + number, alert=number)],
                positions=[position(inode=number)],
            )
        )


async def killed(store: SqliteStore, path: Path, to: Path) -> Path:
    """The files as kill -9 would leave them."""
    to.mkdir()
    for end in ("", "-wal", "-shm"):
        shutil.copy(path.with_name(path.name + end), to / f"relay.db{end}")
    return to / "relay.db"


@pytest.mark.parametrize("harm", [*HARMS, *HARMS_OF_LOG, file_gone])
async def test_damage_after_a_kill_is_set_aside(
    harm: Callable[[Path], None], store: SqliteStore, path: Path, tmp_path: Path, clock: FakeClock
) -> None:
    await fill(store)
    if harm in HARMS:
        await store._writer.tidy()  # so that the file holds something to damage
        await store.commit(Commit(events=[stored(1)]))
    left = await killed(store, path, tmp_path / "left")
    harm(left)
    await _check_set_aside(left, clock, store.id)


@pytest.mark.parametrize("harm", HARMS)
async def test_damage_after_a_clean_end_is_set_aside(
    harm: Callable[[Path], None], store: SqliteStore, path: Path, clock: FakeClock
) -> None:
    await fill(store)
    await store.close()
    harm(path)
    await _check_set_aside(path, clock, store.id)


async def _check_set_aside(path: Path, clock: FakeClock, old_id: str) -> None:
    files = {end: path.with_name(f"relay.db{end}") for end in ("", "-wal")}
    before = {end: file.read_bytes() for end, file in files.items() if file.exists()}
    fresh = await SqliteStore.open(path, clock)
    aside = path.with_name("relay.db.damaged-20260105T080000")
    assert str(aside) in fresh.damage
    assert fresh.id != old_id
    for end, content in before.items():
        assert aside.with_name(aside.name + end).read_bytes() == content
    assert await fresh.live_alerts() == []
    await fresh.commit(Commit(alerts=[alert(1)]))
    await fresh.close()
    again = await SqliteStore.open(path, clock)
    assert again.damage == ""
    assert await again.live_alerts() == [alert(1)]
    await again.close()


async def test_a_store_that_was_killed_is_not_damaged(
    store: SqliteStore, path: Path, tmp_path: Path, clock: FakeClock
) -> None:
    await fill(store)
    left = await killed(store, path, tmp_path / "left")
    again = await SqliteStore.open(left, clock)
    assert again.damage == ""
    assert len(await again.live_alerts()) == 20
    await again.close()


async def test_a_torn_last_transaction_is_a_crash_and_not_damage(
    store: SqliteStore, path: Path, tmp_path: Path, clock: FakeClock
) -> None:
    await fill(store)
    left = await killed(store, path, tmp_path / "left")
    log = left.with_name("relay.db-wal")
    with Wal.open(log) as wal:
        frames = (wal.size - 32) // (24 + PAGE)
        commits = [index for index in range(frames) if wal._frame(index)[1]]
    with log.open(
        "r+b"
    ) as file:  # the first page of the last one never reached the disk, its commit mark did
        file.seek(32 + (commits[-2] + 1) * (24 + PAGE) + 24)
        file.write(bytes(PAGE))
    again = await SqliteStore.open(left, clock)
    assert again.damage == ""
    assert len(await again.live_alerts()) == 19
    await again.close()


async def test_two_damaged_in_one_second_are_both_kept(path: Path, clock: FakeClock) -> None:
    for _ in range(3):
        store = await SqliteStore.open(path, clock)
        await store.close()
        emptied(path)
    store = await SqliteStore.open(path, clock)
    await store.close()
    assert len(list(path.parent.glob("relay.db.damaged-*"))) == 3


async def test_damage_met_while_running_is_set_aside_by_the_next_start(
    store: SqliteStore, path: Path, clock: FakeClock
) -> None:
    await fill(store)
    await _overwrite_all_but_first_page(store, path)
    more = Commit(events=[stored(number) for number in range(20)], alerts=[alert(n) for n in range(1, 40)])
    with pytest.raises(StoreDamagedError):
        await store.commit(more)
    with pytest.raises(StoreDamagedError):
        await store.commit(Commit(events=[stored()]))
    await store.close()
    again = await SqliteStore.open(path, clock)
    assert "damaged" in again.damage
    await again.commit(Commit(alerts=[alert(1)]))
    await again.close()


async def test_damage_met_by_a_reader_stops_the_writer_too(
    store: SqliteStore, path: Path, clock: FakeClock
) -> None:
    await fill(store)
    await _overwrite_all_but_first_page(store, path)
    with pytest.raises(StoreDamagedError):
        await store.live_alerts()
    with pytest.raises(StoreDamagedError):
        await store.commit(Commit(events=[stored()]))


async def _overwrite_all_but_first_page(store: SqliteStore, path: Path) -> None:
    """Under a running store, whose caches are dropped as a big store's would be."""
    await store._writer.tidy()
    with path.open("r+b") as file:
        file.seek(PAGE)
        file.write(random.Random(12).randbytes(path.stat().st_size - PAGE))
    with closing(sqlite3.connect(path)) as other:  # another's write makes the others drop what they keep
        other.execute("PRAGMA user_version = 1")
        other.commit()
    await store._reader._disconnect()


async def test_a_big_store_is_not_read_whole_at_start(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store)
    await store.close()
    monkeypatch.setattr(damage, "QUICK", PAGE)
    assert damage.find(path) == ""
    cut_in_half(path)
    assert damage.find(path) != ""
