"""The store's files: who may read them, who may open them, which version they have."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from relay.clock import FakeClock
from relay.errors import StoreError, StoreInUseError, StoreTooNewError
from relay.outbox.sqlite import SqliteStore
from relay.outbox.sqlite.schema import APPLICATION_ID, STEPS, migrate
from relay.outbox.store import Commit
from tests.outbox.samples import stored


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
async def test_nobody_else_can_read_the_store_whatever_the_umask(tmp_path: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(tmp_path / "var" / "state" / "relay.db", clock)
    await store.commit(Commit(events=[stored()]))
    modes = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.rglob("*")}
    await store.close()
    assert modes == {
        "var": 0o700,
        "state": 0o700,
        "relay.db": 0o600,
        "relay.db-wal": 0o600,
        "relay.db-shm": 0o600,
        "relay.db.lock": 0o600,
        "relay.db.reserve": 0o600,
    }


async def test_an_existing_folder_keeps_its_mode(tmp_path: Path, clock: FakeClock) -> None:
    tmp_path.chmod(0o755)
    store = await SqliteStore.open(tmp_path / "relay.db", clock)
    await store.close()
    assert tmp_path.stat().st_mode & 0o777 == 0o755


async def test_a_second_daemon_is_refused_and_told_who_has_the_store(
    store: SqliteStore, path: Path, clock: FakeClock
) -> None:
    with pytest.raises(StoreInUseError, match=f"in use by process {os.getpid()}"):
        await SqliteStore.open(path, clock)
    await store.commit(Commit(events=[stored()]))  # the first goes on


async def test_the_lock_is_let_go_by_close(store: SqliteStore, path: Path, clock: FakeClock) -> None:
    await store.close()
    again = await SqliteStore.open(path, clock)
    await again.close()


async def test_a_newer_store_is_refused_untouched(store: SqliteStore, path: Path, clock: FakeClock) -> None:
    await store.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreTooNewError, match="update relay"):
        await SqliteStore.open(path, clock)
    assert path.read_bytes() == before
    with pytest.raises(StoreTooNewError):  # not "in use": the lock was let go
        await SqliteStore.open(path, clock)


async def test_another_programs_database_is_refused_untouched(path: Path, clock: FakeClock) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE customers (name)")
        db.commit()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        await SqliteStore.open(path, clock)
    assert path.read_bytes() == before


def test_an_old_store_takes_the_steps_it_lacks() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        steps = [
            "CREATE TABLE a (x);\nINSERT INTO a VALUES (1);\n",
            "ALTER TABLE a ADD COLUMN y DEFAULT 2;\n",
        ]
        migrate(db, steps[:1])
        migrate(db, steps)
        migrate(db, steps)
        assert db.execute("SELECT * FROM a").fetchall() == [(1, 2)]
        assert db.execute("PRAGMA user_version").fetchone() == (2,)


async def test_a_store_of_version_1_keeps_what_it_has(path: Path, clock: FakeClock) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        migrate(db, STEPS[:1])
        db.execute("INSERT INTO meta VALUES ('id', 'abc')")
        message = '{"reason":"first","title":"t","level":40,"rule":"r","module":"m","state":"firing",'
        message += '"count":1,"first_seen":1.0,"last_seen":1.0,"text":"t"}'
        values = f"(7, NULL, 'wang', 'first', 'a', 'w', '[]', '{message}', 'delivered'"
        db.execute(f"INSERT INTO deliveries VALUES {values}, 1.0, 1.0, 9.0, 0, 0.0, '[]', '', '')")
    store = await SqliteStore.open(path, clock)
    found = await store.delivery(7)
    assert found is not None
    assert (found[0].recipient, found[0].receipt) == ("wang", "")
    assert await store.accepted("a", "") == []
    await store.close()


def test_a_step_that_fails_leaves_the_version_before_it() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        steps = ["CREATE TABLE a (x);\n", "CREATE TABLE b (x);\nCREATE TABLE a (x);\n"]
        with pytest.raises(sqlite3.OperationalError, match="already exists"):
            migrate(db, steps)
        assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [("a",)]
        assert db.execute("PRAGMA user_version").fetchone() == (1,)


_OWED = "SELECT 1 FROM deliveries WHERE"
PLANS = {
    "events_of_alert": "SELECT seq FROM events WHERE alert = 1 ORDER BY seq DESC",
    "alerts_live": "SELECT id FROM alerts WHERE state <> 'resolved'",
    "alerts_resolved": "SELECT id FROM alerts WHERE state = 'resolved' ORDER BY touched_at",
    "deliveries_of_alert": f"{_OWED} alert IS NULL ORDER BY id DESC",
    "deliveries_pending": f"{_OWED} state = 'pending' AND backend = 'a' ORDER BY next_at",
    "deliveries_sending": f"{_OWED} state = 'sending'",
    "deliveries_dead": f"{_OWED} state = 'dead'",
    "deliveries_over": f"{_OWED} state IN ('delivered', 'cancelled') ORDER BY created_at",
    "deliveries_by_receipt": f"{_OWED} receipt <> '' AND backend = 'a' AND receipt = 'm1'",
    "deliveries_of_thread": f"{_OWED} thread <> '' AND thread = 'g'",
    "attempts_of_delivery": "SELECT seq FROM attempts WHERE delivery = 1 ORDER BY seq",
    "attempts_of_backend": "SELECT 1 FROM attempts WHERE backend = '' AND started_at > 1 ORDER BY started_at",
}


def test_each_index_serves_a_query_without_sorting() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        for step in STEPS:
            db.executescript(step)
        made = db.execute("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql > ''")
        assert {name for (name,) in made} == set(PLANS)
        for index, query in PLANS.items():
            plan = " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}"))
            assert index in plan
            assert "TEMP B-TREE" not in plan


def test_a_process_that_never_closes_its_store_still_ends(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from relay.clock import SystemClock\n"
        "from relay.outbox.sqlite import SqliteStore\n"
        "async def main():\n"
        "    store = await SqliteStore.open(sys.argv[1], SystemClock())\n"
        "    await store.positions()\n"
        "    raise SystemExit(7)\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "relay.db")],
        timeout=20,
        check=False,
        capture_output=True,
    )
    assert ended.returncode == 7
