"""A million matching events of a thousand problems: how many messages, how much memory, all accounted for."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tests.bench.stage import connect, rss_mib, show, stage
from tests.e2e.rig import Relay

EVENTS = 1_000_000
PROBLEMS = 1000
CHUNK = 1000  # lines written at once

RULES = """\
store: {folder}/relay.db
operators: [ops]
sources:
  apps: {{socket: {folder}/relay.sock}}
backends:
  hook: {{type: webhook, url: "http://127.0.0.1:{port}/hook"}}
recipients:
  people: {{hook: people}}
  ops: {{hook: ops}}
rules:
  - {{name: everything, match: {{level: error}}, to: people}}
"""


def main(events: int = EVENTS) -> None:
    with stage(RULES) as (relay, sink):
        assert relay.process is not None
        began = time.monotonic()
        _send(relay, events)
        store = relay.folder / "relay.db"
        while (stored := _stored(store)) < events:
            assert time.monotonic() - began < 600, f"{stored} of {events} events"
            time.sleep(0.5)
        took = time.monotonic() - began
        time.sleep(70)  # the next digest
        told, held, waiting, messages = _accounts(store)
        assert told + held + waiting == events, (told, held, waiting)
        show(f"{events:,} events of {PROBLEMS:,} problems: taken in", f"{took:.0f} s")
        show("messages to the one recipient", f"{messages} ({len(sink.arrived())} arrived)", "1,000 at most")
        show("events told / held / counted by live alerts", f"{told:,} / {held:,} / {waiting:,}", "no other")
        show("peak memory", f"{rss_mib(relay.process.pid):.0f} MiB", "150 MiB")


def lines(events: int) -> Iterator[bytes]:
    """Every problem once, then all of them in turn, with numbers that differ."""
    for number in range(events):
        message = f"{problem(number % PROBLEMS)} broke: order {number} failed after {number % 977} ms"
        line = {
            "module": "shop",
            "level": "error",
            "message": message,
            "labels": {"host": f"web{number % 3}"},
        }
        yield json.dumps(line).encode() + b"\n"


def problem(number: int) -> str:
    """A word of its own for each: no digits, they would be masked."""
    word = ""
    for _ in range(3):
        number, digit = divmod(number, 10)
        word += ("ba", "ko", "mi", "nu", "ze", "ta", "vo", "qui", "xe", "ho")[digit] + "rel"
    return word


def _send(relay: Relay, events: int) -> None:
    connection = connect(relay)
    waiting: list[bytes] = []
    for line in lines(events):
        waiting.append(line)
        if len(waiting) == CHUNK:
            connection.sendall(b"".join(waiting))
            waiting.clear()
    connection.sendall(b"".join(waiting))
    connection.close()


def _stored(store: Path) -> int:
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT coalesce(sum(count), 0) FROM alerts").fetchone()[0])


def _accounts(store: Path) -> tuple[int, int, int, int]:
    """Events told, held, and counted by alerts for their next reminder; messages."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
        messages = [json.loads(text) for (text,) in db.execute("SELECT message FROM deliveries")]
        told = sum(each.get("more", 0) if each.get("since") else each["count"] for each in messages)
        held = sum(
            json.loads(state).get("account", {}).get("events", 0)
            for (state,) in db.execute("SELECT state FROM holds")
        )
        waiting = db.execute("SELECT sum(count - notified_count) FROM alerts").fetchone()[0]
        return told, held, int(waiting), len(messages)
