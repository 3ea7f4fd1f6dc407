"""What the benchmarks share: a running daemon, a fast sink, and figures printed beside their goals."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.rig import Relay

RULES = """\
store: {folder}/relay.db
operators: [people]
budget: []
sources:
  file: {{tail: "{folder}/logs/*.log", format: plain, module: app}}
  apps: {{socket: {folder}/relay.sock}}
backends:
  hook: {{type: webhook, url: "http://127.0.0.1:{port}/hook"}}
recipients:
  people: {{hook: people}}
rules:
  - {{name: single, match: {{message: single number}}, to: people, fingerprint: event, storm: false}}
  - {{name: counted, match: {{message: counted}}, to: people, repeat: [1h]}}
"""


class FastSink:
    """tests/bench/sink.py as a child."""

    def __init__(self, delay: float = 0.0) -> None:
        command = [sys.executable, "-m", "tests.bench.sink", str(delay)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def arrived(self) -> list[tuple[float, int]]:
        """(monotonic time, number) of each message so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=30) as answer:
            return [(at, number) for at, number in json.load(answer)]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def stage(rules: str = RULES, delay: float = 0.0) -> Iterator[tuple[Relay, FastSink]]:
    """A fresh daemon with a fast sink; both end with the block, and so does its folder."""
    folder = Path(tempfile.mkdtemp(prefix="relay-bench-"))
    (folder / "logs").mkdir()
    sink = FastSink(delay)
    relay = Relay(folder)
    relay.write_rules(rules.format(folder=folder, port=sink.port))
    try:
        relay.start()
        yield relay, sink
    except BaseException:
        print(relay.log.read_text()[-3000:])
        raise
    finally:
        relay.stop()
        sink.stop()
        shutil.rmtree(folder, ignore_errors=True)


def connect(relay: Relay) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(relay.folder / "relay.sock"))
    return connection


def rss_mib(pid: int, field: str = "VmHWM") -> float:
    """Memory of a process: its peak (VmHWM) or now (VmRSS)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise AssertionError(field)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percentiles(seconds: Sequence[float]) -> str:
    """p50 and p99 in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    return f"p50 {cuts[49] * 1000:.2f} ms, p99 {cuts[98] * 1000:.2f} ms"


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}, {platform.system()}"
    )


def show(what: str, figure: str, goal: str = "", baseline: str = "") -> None:
    print(f"  {what:44} {figure:34} {('goal ' + goal) if goal else '':26} {baseline}", flush=True)


def wait_for(sink: FastSink, count: int, seconds: float) -> list[tuple[float, int]]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        arrived = sink.arrived()
        if len(arrived) >= count:
            return arrived
        time.sleep(0.2)
    return sink.arrived()
