"""Start, idle, and the cost of `relay send`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from tests.bench.stage import cpu_seconds, rss_mib, show, stage

FILES = 100
IDLE = 30.0  # seconds watched
SENDS = 20


def main() -> None:
    with stage() as (relay, _):
        for number in range(FILES):
            (relay.folder / "logs" / f"app{number}.log").write_text("INFO quiet\n")
        time.sleep(5)
        assert relay.process is not None
        pid = relay.process.pid
        before = cpu_seconds(pid)
        time.sleep(IDLE)
        share = (cpu_seconds(pid) - before) / IDLE * 100
        show(f"idle with {FILES} files: memory", f"{rss_mib(pid, 'VmRSS'):.1f} MiB", "50 MiB")
        show(f"idle with {FILES} files: processor", f"{share:.2f} % of a core", "0.2 %")
        command = [
            sys.executable,
            "-m",
            "relay",
            "send",
            "--socket",
            str(relay.folder / "relay.sock"),
            "counted x",
        ]
        show("relay send, start-up included", _timed(command), "100 ms", f"python -c pass: {_timed(BARE)}")
        relay.stop()
        took = []
        for _ in range(5):
            began = time.monotonic()
            relay.start(wait=False)
            while not (relay.folder / "control.sock").exists():
                time.sleep(0.005)
            took.append(time.monotonic() - began)
            relay.stop()
            (relay.folder / "control.sock").unlink(missing_ok=True)
        show("start to serving", f"{statistics.median(took):.2f} s", "1 s")


BARE = [sys.executable, "-c", "pass"]


def _timed(command: list[str]) -> str:
    spans = []
    for _ in range(SENDS):
        began = time.monotonic()
        subprocess.run(command, check=True)
        spans.append(time.monotonic() - began)
    return f"{statistics.median(spans) * 1000:.0f} ms"
