"""Following many files: from an appended line to the request at a webhook, what new and quiet files cost."""

from __future__ import annotations

import random
import time
from contextlib import closing
from pathlib import Path

from tests.bench.stage import cpu_seconds, percentiles, rss_mib, show, stage, wait_for
from tests.e2e.rig import Relay, until

WATCHED = 1_000  # files of which one at a time gets a line
LINES = 1_000
PAUSE = 0.005  # seconds between two lines
NEW = 2_000  # files that appear one after the other
IDLE = 10_000  # files that get none
SECONDS = 60.0  # they are watched: looks at everything are rare where there are many


def main() -> None:
    _latency()
    _new()
    _idle()


def _latency() -> None:
    with stage() as (relay, sink):
        paths = _settled(relay, WATCHED)
        chance = random.Random(1)
        sent = []
        for number in range(LINES):
            with chance.choice(paths).open("ab", buffering=0) as out:
                sent.append(time.monotonic())
                out.write(b"ERROR single number %d\n" % number)
            time.sleep(PAUSE)
        arrived = wait_for(sink, LINES, 30)
        assert sorted(number for _, number in arrived) == list(range(LINES)), "lost or doubled"
        spans = [at - sent[number] for at, number in arrived]
        show(f"a line in one of {WATCHED:,} files to its request", percentiles(spans), "p50 2, p99 10 ms")


def _new() -> None:
    with stage() as (relay, _):
        assert relay.process is not None
        before, began = cpu_seconds(relay.process.pid), time.monotonic()
        _write(relay, NEW)
        assert until(lambda: _known(relay) == NEW, 120, every=0.1), f"relay knows {_known(relay)} files"
        took, cpu = time.monotonic() - began, cpu_seconds(relay.process.pid) - before
        show(f"{NEW:,} new files, found and read", f"{took:.1f} s, {cpu * 1000 / NEW:.2f} ms CPU each", "2 s")


def _idle() -> None:
    with stage() as (relay, _):
        _settled(relay, IDLE)
        assert relay.process is not None
        pid = relay.process.pid
        before = cpu_seconds(pid)
        time.sleep(SECONDS)
        share = (cpu_seconds(pid) - before) / SECONDS * 100
        show(f"{IDLE:,} quiet files: processor", f"{share:.2f} % of a core", "1 %")
        show(f"{IDLE:,} quiet files: memory", f"{rss_mib(pid, 'VmRSS'):.1f} MiB", "128 MiB")


def _settled(relay: Relay, count: int) -> list[Path]:
    """So many files that the daemon found at its very first start, with what that cost it over."""
    relay.stop()
    for part in relay.folder.glob("relay.db*"):
        part.unlink()
    paths = _write(relay, count)
    relay.start()
    assert until(lambda: _known(relay) == count, 120, every=0.5), f"relay knows {_known(relay)} files"
    time.sleep(15)  # files are closed after 10 s of quiet
    return paths


def _write(relay: Relay, count: int) -> list[Path]:
    paths = [relay.folder / "logs" / f"app{number}.log" for number in range(count)]
    for path in paths:
        path.write_text("INFO quiet\n")
    return paths


def _known(relay: Relay) -> int:
    """Files that were read and settled."""
    with closing(relay.store()) as db:
        return int(db.execute("SELECT count(*) FROM positions WHERE offset > 0").fetchone()[0])
