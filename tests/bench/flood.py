"""A flood of 100,000 events a second for a minute from one writer, and what it costs the others."""

from __future__ import annotations

import json
import multiprocessing
import time
from pathlib import Path

from tests.bench.stage import connect, percentiles, rss_mib, show, stage
from tests.e2e.rig import Relay

SECONDS = 60
RATE = 100_000
QUIET_PAUSE = 0.1  # seconds between two events of the quiet writer


def main(seconds: float = SECONDS) -> None:
    with stage() as (relay, _):
        assert relay.process is not None
        context = multiprocessing.get_context("fork")
        flood = context.Process(
            target=_flood, args=(str(relay.folder), seconds, taken := context.Value("q", 0))
        )
        flood.start()
        spans = _quiet(relay, seconds)
        flood.join()
        show("flood offered / taken", f"{RATE:,} / {taken.value / seconds:,.0f} events/s")
        show("peak memory", f"{rss_mib(relay.process.pid):.0f} MiB", "128 MiB")
        show("a quiet writer's answers meanwhile", percentiles(spans), "served")


def _flood(folder: str, seconds: float, taken: object) -> None:
    connection = connect(Relay(Path(folder)))
    line = json.dumps(
        {"module": "shop.flood", "level": "error", "message": "counted: order 1 failed " + "x" * 100}
    )
    chunk = (line.encode() + b"\n") * 100
    began = time.monotonic()
    sent = 0
    while (now := time.monotonic() - began) < seconds:
        if sent < now * RATE:
            connection.sendall(chunk)
            sent += 100
        else:
            time.sleep(0.0005)
    taken.value = sent  # type: ignore[attr-defined]
    connection.close()


def _quiet(relay: Relay, seconds: float) -> list[float]:
    connection = connect(relay)
    connection.settimeout(30)
    answers = connection.makefile("rb")
    spans = []
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        number += 1
        began = time.monotonic()
        line = json.dumps(
            {"id": str(number), "module": "quiet", "level": "error", "message": "counted quiet"}
        )
        connection.sendall(line.encode() + b"\n")
        assert json.loads(answers.readline())["ok"]
        spans.append(time.monotonic() - began)
        time.sleep(QUIET_PAUSE)
    connection.close()
    return spans
