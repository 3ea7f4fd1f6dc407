"""Socket to store, acknowledged after the commit (synchronous=FULL): events a second from 10 writers."""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
import tempfile
import time
from pathlib import Path

from tests.bench.stage import connect, show, stage
from tests.e2e.rig import Relay

WRITERS = 10
EVENTS = 30_000  # each
BATCH = 100  # events a write
AHEAD = 5  # batches unanswered at most


def main() -> None:
    show("plain sqlite3, FULL, 1,000 rows a commit", f"{_plain():,.0f} rows/s")
    with stage() as (relay, _):
        began = time.monotonic()
        with multiprocessing.get_context("fork").Pool(WRITERS) as pool:
            pool.starmap(write, [(str(relay.folder), number, EVENTS) for number in range(WRITERS)])
        rate = WRITERS * EVENTS / (time.monotonic() - began)
    show(f"{WRITERS} writers, each event acknowledged", f"{rate:,.0f} events/s", "50,000")


def write(folder: str, writer: int, count: int) -> None:
    connection = connect(Relay(Path(folder)))
    answers = connection.makefile("rb")
    unanswered = 0
    for start in range(0, count, BATCH):
        lines = [
            json.dumps(
                {
                    "id": f"{writer}-{number}",
                    "module": f"shop.part{number % 97}",
                    "level": "error",
                    "message": f"counted: order {number} failed after {number % 999} ms at 10.0.{writer}.7",
                    "labels": {"host": f"web-{writer}", "region": "eu-west-1", "zone": "b"},
                }
            )
            for number in range(start, start + BATCH)
        ]
        connection.sendall("\n".join(lines).encode() + b"\n")
        unanswered += BATCH
        while unanswered > AHEAD * BATCH:
            assert json.loads(answers.readline())["ok"]
            unanswered -= 1
    for _ in range(unanswered):
        assert json.loads(answers.readline())["ok"]
    connection.close()


def _plain() -> float:
    with tempfile.TemporaryDirectory() as folder:
        store = sqlite3.connect(Path(folder) / "plain.db", isolation_level=None)
        store.execute("PRAGMA journal_mode=WAL")
        store.execute("PRAGMA synchronous=FULL")
        store.execute(
            "CREATE TABLE events(id INTEGER PRIMARY KEY, time REAL, module TEXT, message TEXT, labels TEXT)"
        )
        row = (
            1.5,
            "shop.part1",
            "counted: order 123 failed after 45 ms at 10.0.0.7: no answer",
            '{"host":"web-1"}',
        )
        began = time.monotonic()
        for _ in range(100):
            store.execute("BEGIN")
            store.executemany(
                "INSERT INTO events(time, module, message, labels) VALUES (?, ?, ?, ?)", [row] * 1000
            )
            store.execute("COMMIT")
        store.close()
        return 100_000 / (time.monotonic() - began)
