"""The watchdog on an overloaded host that stops relay for seconds at a time: no check may be called down.

    python -m tests.e2e.stress --seconds 300

stress-ng keeps 8 processes busy, relay gets SIGSTOP for 3 s again and again. What is watched works all the
time, in processes of its own. At the end, still under load, two of them really fail: a rig that doesn't see
that proves nothing. Prints its figures, and ends with status 1 if one of them is not as promised.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from msgspec import Struct

from tests.e2e.rig import Background, Relay, Sink, running, until

HOGS = 8
STALL = 3.0  # seconds
NOTICED = 20.0  # seconds within which a real failure must be told, on that host

# Two looks in a row that fail are down, and one may last 2 s: a stall is longer than a look.
OFTEN = "every: 1s, timeout: 2s, failures: 2, start_grace: 5s, restart: [{folder}/restart]"
CHECKS = """\
  port: {{check: "tcp://127.0.0.1:{doomed}", {often}}}
  page: {{check: {{url: "http://127.0.0.1:{port}/", body: ok}}, {often}}}
  touchy: {{check: "http://localhost:{port}/", every: 500ms, timeout: 2s, failures: 1, start_grace: 5s}}
  unix: {{check: "unix://{folder}/target.sock", {often}}}
  process: {{check: {{process: {{pidfile: "{folder}/target.pid"}}}}, {often}}}
  command: {{check: {{command: ["true"]}}, {often}}}
  owner: {{check: {{port_owner: {{port: {port}, name: {python}}}}}, {often}}}
  job: {{heartbeat: {{every: 2s, grace: 1s}}}}
"""
RULES = """\
store: {folder}/relay.db
operators: [ops]
budget: []
sources: {{apps: {{socket: {folder}/relay.sock}}}}
backends: {{hook: {{type: webhook, url: "{url}"}}}}
recipients: {{ops: {{hook: ops}}}}
rules: [{{name: every error, match: {{level: error}}, to: ops}}]
watchdog:
{watchdog}
"""

# Listens on a Unix socket and answers HTTP, slowly: many a look is under way as a stall begins. SIGUSR1 makes
# its page silent; `/count` says how often that was asked for.
TARGET = """\
import http.server, os, signal, socketserver, sys, threading, time
folder, silent, asked = sys.argv[1], threading.Event(), []
signal.signal(signal.SIGUSR1, lambda *_: silent.set())
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/count":
            asked.append(1)
            if silent.is_set():
                threading.Event().wait()
            time.sleep(0.4)
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok %d" % len(asked))
    def log_message(self, *_): pass
class Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
unix = Unix(folder + "/target.sock", socketserver.StreamRequestHandler)
threading.Thread(target=unix.serve_forever, daemon=True).start()
open(folder + "/target.pid", "w").write(str(os.getpid()))
print(web.server_address[1], flush=True)
web.serve_forever()
"""


class Result(Struct):
    seconds: float
    stalls: int
    looks: int  # at the page, as it was asked
    late: int  # looks at anything that said nothing, as relay itself was held up
    false_downs: list[str]  # what was told although all worked
    restarts: int  # of what worked
    silence_noticed: float | None  # seconds until it was told that the page is silent; None: it was not
    death_noticed: float | None

    @property
    def fine(self) -> bool:
        noticed = None not in {self.silence_noticed, self.death_noticed}
        return not self.false_downs and not self.restarts and self.looks >= self.seconds / 4 and noticed


class Target:
    """What is watched, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-c", TARGET, str(folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.process.stdout.close()

    def asked(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/count", timeout=30) as answer:
            return int(answer.read().split()[1])

    def end(self) -> None:
        self.process.kill()
        self.process.wait(10)


class Beats(Background):
    """A job that gives a sign of life every second."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def _run(self) -> None:
        line = json.dumps({"message": "done", "level": "info", "beat": "job"}).encode() + b"\n"
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._path))
            while not self._stop.wait(1.0):
                connection.sendall(line)


def run(folder: Path, *, seconds: float, between: float) -> Result:
    """`between`: seconds from one stall's end to the next one's begin."""
    restart = folder / "restart"
    restart.write_text(f"#!/bin/sh\necho run >> {folder}/restarts\n")
    restart.chmod(0o755)
    sink, relay = Sink(), Relay(folder)
    with ExitStack() as ends:
        sink.start()
        ends.callback(sink.stop)
        target, doomed = (Target(each) for each in (folder, folder / "doomed"))
        ends.callback(target.end)
        ends.callback(doomed.end)
        relay.write_rules(rules(folder, sink.url, target.port, doomed.port))
        ends.enter_context(running(relay))
        beats = Beats(folder / "relay.sock")
        beats.start()
        ends.callback(beats.stop)
        hogs = ["stress-ng", "--quiet", "--cpu", str(HOGS), "--timeout", f"{seconds + 3 * NOTICED:.0f}s"]
        ends.callback(end_hogs, subprocess.Popen(hogs))
        stalls = stall(relay, seconds, between)
        time.sleep(3.0)  # what the last stall caused is told by now
        false, looks = [each["message"] for each in sink.received if is_of_a_check(each)], target.asked()
        restarts = (folder / "restarts").read_text().count("run") if (folder / "restarts").exists() else 0
        target.process.send_signal(signal.SIGUSR1)
        silence_noticed = noticed(sink, "page is down")
        doomed.process.kill()
        death_noticed = noticed(sink, "port is down")
    return Result(
        seconds=seconds,
        stalls=stalls,
        looks=looks,
        late=relay.log.read_text().count("look_was_late"),
        false_downs=false,
        restarts=restarts,
        silence_noticed=silence_noticed,
        death_noticed=death_noticed,
    )


def rules(folder: Path, url: str, port: int, doomed: int) -> str:
    often, python = OFTEN.format(folder=folder), Path(sys.executable).resolve().name
    checks = CHECKS.format(folder=folder, often=often, port=port, doomed=doomed, python=python)
    return RULES.format(folder=folder, url=url, watchdog=checks)


def end_hogs(hogs: subprocess.Popen[bytes]) -> None:
    hogs.send_signal(signal.SIGINT)
    hogs.wait(30)


def stall(relay: Relay, seconds: float, between: float) -> int:
    """Stop relay again and again; how often."""
    assert relay.process is not None
    end, stalls = time.monotonic() + seconds, 0
    while time.monotonic() + between + STALL < end:
        time.sleep(between)
        relay.process.send_signal(signal.SIGSTOP)
        time.sleep(STALL)
        relay.process.send_signal(signal.SIGCONT)
        stalls += 1
    time.sleep(max(0.0, end - time.monotonic()))
    return stalls


def is_of_a_check(message: dict[str, Any]) -> bool:
    """Rather than of relay's own event loop: that was late indeed."""
    return "event loop" not in message["message"]


def noticed(sink: Sink, text: str) -> float | None:
    """Seconds until a message says so."""
    began = time.monotonic()
    if not until(lambda: any(text in each["message"] for each in sink.received), NOTICED):
        return None
    return round(time.monotonic() - began, 1)


def main() -> int:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--seconds", type=float, default=300)
    arguments.add_argument("--between", type=float, default=14, help="seconds between two stalls")
    options = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="relay-stress-"))
    result = run(folder, seconds=options.seconds, between=options.between)
    for name in result.__struct_fields__:
        print(f"{name:16} {getattr(result, name)}")
    print("fine" if result.fine else f"NOT FINE (kept in {folder})")
    if result.fine:
        shutil.rmtree(folder)
    return 0 if result.fine else 1


if __name__ == "__main__":
    sys.exit(main())
