"""Socket to store, acknowledged after the commit (synchronous=FULL): events a second from 10 writers."""

from __future__ import annotations

import json
import multiprocessing
import socket
import sqlite3
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

from tests.bench.stage import connect, show, stage
from tests.e2e.rig import Relay

WRITERS = 10
EVENTS = 30_000  # each
BATCH = 100  # events a write
AHEAD = 20  # batches unanswered at most


def main() -> None:
    show("plain sqlite3, FULL, 1,000 rows a commit", f"{_plain():,.0f} rows/s")
    with stage() as (relay, _):
        context = multiprocessing.get_context("fork")
        ready = context.Barrier(WRITERS + 1)
        writers = [
            context.Process(target=_write, args=(str(relay.folder), number, EVENTS, ready))
            for number in range(WRITERS)
        ]
        for writer in writers:
            writer.start()
        ready.wait()
        began = time.monotonic()
        for writer in writers:
            writer.join()
            assert writer.exitcode == 0
        rate = WRITERS * EVENTS / (time.monotonic() - began)
    show(f"{WRITERS} writers, each event acknowledged", f"{rate:,.0f} events/s", "50,000")


def _write(folder: str, writer: int, count: int, ready: Barrier) -> None:
    chunks = [_lines(writer, start) for start in range(0, count, BATCH)]
    ready.wait()
    connection = connect(Relay(Path(folder)))
    unanswered = 0
    for chunk in chunks:
        connection.sendall(chunk)
        unanswered += BATCH
        while unanswered > AHEAD * BATCH:
            unanswered -= _answers(connection)
    while unanswered:
        unanswered -= _answers(connection)
    connection.close()


def _lines(writer: int, start: int) -> bytes:
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
    return "\n".join(lines).encode() + b"\n"


def _answers(connection: socket.socket) -> int:
    data = connection.recv(65536)
    assert data, "relay closed the connection"
    assert b'"ok":false' not in data, data
    return data.count(b"\n")


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
