"""kill -9 at any instant: what was acknowledged is there, whole, and once."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sys
from pathlib import Path

import pytest

from relay.clock import FakeClock, SystemClock
from relay.models import DeliveryState
from relay.outbox.sqlite import SqliteStore
from relay.outbox.store import Commit
from tests.outbox.samples import NOW, alert, delivered, delivery, position, stored

PROGRAM = (
    "import asyncio, sys; from tests.outbox.sqlite.test_crash import work; asyncio.run(work(sys.argv[1]))"
)


async def work(path: str) -> None:
    """Commit, claim and settle without end, saying what was acknowledged."""
    store = await SqliteStore.open(path, SystemClock())
    await store.recover(NOW, all_leases=True)
    while True:
        number = store.next_ids(2)
        await store.commit(
            Commit(
                events=[stored(number, id=str(number))] * 3,
                alerts=[alert(number)],
                deliveries=[delivery(number + 1, alert=number)],
                positions=[position(offset=number)],
            )
        )
        print(number, flush=True)
        taken = await store.claim("rtx", 1, NOW, NOW + 60)
        await store.settle([delivered(one) for one in taken])
        print(*(f"d{one.id}" for one in taken), flush=True)


async def test_what_was_acknowledged_survives_kill_9(path: Path, clock: FakeClock) -> None:
    acked: list[str] = []
    for round_ in range(4):
        acked += await _killed_after(path, acks=20 + random.Random(round_).randrange(60))
    store = await SqliteStore.open(path, clock)
    assert store.damage == ""
    alerts = {one.id for one in await store.live_alerts()}
    made = {one.id: one.state for one in await store.deliveries(most=10**6)}
    [at] = await store.positions()
    events = {number: len(await store.events_of(number)) for number in alerts}
    await store.close()

    numbers = [int(word) for word in acked if word.isdigit()]
    assert len(set(numbers)) == len(numbers) > 50
    assert set(numbers) <= alerts
    assert {number + 1 for number in alerts} == set(made)  # a commit is there whole or not at all
    assert set(events.values()) == {3}
    assert at.offset == max(alerts)
    ended = {int(word[1:]) for word in acked if word.startswith("d")}
    assert all(made[number] is DeliveryState.DELIVERED for number in ended)


async def test_ids_of_deleted_rows_never_come_again_even_after_kill_9(
    store: SqliteStore, path: Path, tmp_path: Path, clock: FakeClock
) -> None:
    top = store.next_ids(50) + 49
    await store.commit(Commit(deliveries=[delivery(top, state=DeliveryState.CANCELLED)]))
    assert await store.sweep(0.0, 0.0, NOW + 1, 10) == 1
    left = tmp_path / "left"
    shutil.copytree(path.parent, left)
    again = await SqliteStore.open(left / path.name, clock)
    assert again.next_ids(1) > top
    await again.close()


async def _killed_after(path: Path, acks: int) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        str(path),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    words: list[str] = []
    while len(words) < acks:
        line = await process.stdout.readline()
        if not line:
            pytest.fail("it ended by itself")
        words += line.decode().split()
    os.kill(process.pid, signal.SIGKILL)
    rest = await process.stdout.read()
    await process.wait()
    *whole, _ = (b"\n" + rest).decode().split("\n")  # a line cut short says nothing
    return words + " ".join(whole).split()
