"""The watchdog of the real daemon, with real listeners, processes and restarts."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.rig import Relay, Sink, running, runs, until

pytestmark = pytest.mark.e2e

RULES = """\
store: {folder}/relay.db
operators: [ops]
http: {{listen: 127.0.0.1:{http}}}
sources: {{apps: {{socket: {folder}/relay.sock}}}}
backends: {{hook: {{type: webhook, url: "{url}"}}}}
recipients: {{ops: {{hook: ops}}, owner: {{hook: owner}}}}
rules: [{{name: every error, match: {{level: error}}, to: ops}}]
watchdog:
{watchdog}
"""

# A service that listens on a port, started by its "restart" in the background, as an init script would.
SERVICE = """\
import socket, sys, time
time.sleep(float(sys.argv[2]))
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    s.accept()[0].close()
"""


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    sink.start()
    yield sink
    sink.stop()


class Stage:
    def __init__(self, folder: Path, sink: Sink) -> None:
        self.folder, self.sink = folder, sink
        self.relay = Relay(folder)
        self.port, self.http = free_port(), free_port()
        self.runs = folder / "runs"
        self.runs.touch()

    def rules(self, watchdog: str) -> None:
        self.relay.write_rules(
            RULES.format(folder=self.folder, url=self.sink.url, http=self.http, watchdog=watchdog)
        )

    def restart_script(self, body: str) -> Path:
        script = self.folder / "restart"
        script.write_text(f"#!/bin/sh\necho run >> {self.runs}\n{body}\n")
        script.chmod(0o755)
        return script

    def service(self, delay: float = 0.0) -> list[str]:
        (self.folder / "service.py").write_text(SERVICE)
        return [sys.executable, str(self.folder / "service.py"), str(self.port), str(delay)]

    def told(self, text: str) -> list[dict[str, Any]]:
        """The messages that say so; a kill may repeat one that was on its way, with the same key."""
        found = {message["key"]: message for message in self.sink.received if text in message["message"]}
        return list(found.values())

    def beat(self, name: str, **said: str) -> int:
        """As a job's `curl --json`; the status of the answer."""
        url = f"http://127.0.0.1:{self.http}/api/v1/beats/{name}"
        head = {"Content-Type": "application/json"}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, json.dumps(said).encode(), head), timeout=5
            ) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def states(self) -> dict[str, str]:
        rows = json.loads(self.relay.command("watchdog", "list", "--json").stdout)
        return {row["name"]: row["state"] for row in rows}


@pytest.fixture
def stage(tmp_path: Path, sink: Sink) -> Stage:
    return Stage(tmp_path, sink)


def test_from_the_death_of_a_listener_to_the_accepted_alert(stage: Stage) -> None:
    stage.rules(
        f"  web: {{check: tcp://localhost:{stage.port}, every: 1s, failures: 2, start_grace: 1s, to: owner}}"
    )
    listener = socket.create_server(("127.0.0.1", stage.port))
    with running(stage.relay):
        assert until(lambda: stage.states() == {"web": "up"}, 10, every=0.2)
        listener.close()
        died = time.monotonic()
        assert until(lambda: bool(stage.sink.received), 10)
        took = stage.sink.arrived[0] - died
        print(f"\nfrom the death of a listener to the accepted alert: {took:.2f} s")
        assert took <= 3.5
        (message,) = stage.sink.received
        assert (message["to"], message["rule"], message["module"]) == (
            "owner",
            "watchdog.web",
            "watchdog.web",
        )
        assert "connection refused" in message["message"]
        with closing(socket.create_server(("127.0.0.1", stage.port))):
            assert until(lambda: len(stage.sink.received) == 2, 10)
        assert "web recovered after" in stage.sink.received[1]["message"]
        time.sleep(1.5)
        assert len(stage.sink.received) == 2


def test_a_restart_is_verified_and_told_and_its_log_alerts_are_linked(stage: Stage) -> None:
    command = " ".join(stage.service(4))
    stage.restart_script(f"{command} >/dev/null 2>&1 & echo $! > {stage.folder}/pid")
    (stage.folder / "shop.log").write_text("first\nlast words of the shop\n")
    stage.rules(
        f"  shop:\n    check: tcp://127.0.0.1:{stage.port}\n    every: 1s\n    failures: 2\n"
        f"    start_grace: 6s\n    restart: [{stage.folder}/restart]\n    log: {stage.folder}/shop.log\n"
        "    module: shop.*\n    repeat: 1h\n    to: owner"
    )
    process = subprocess.Popen(stage.service())
    with running(stage.relay):
        assert until(lambda: stage.states() == {"shop": "up"}, 10, every=0.2)
        process.kill()
        process.wait()
        assert until(lambda: len(stage.sink.received) == 1, 12)
        first = stage.sink.received[0]["message"]
        assert "restarting:" in first
        assert "last words of the shop" in first
        assert "memory:" in first
        stage.relay.command("send", "-m", "shop.cart", "cannot reach the shop")
        asked = ("explain", "-m", "shop.cart", "--message", "cannot reach it", "--json")
        said = json.loads(stage.relay.command(*asked).stdout)
        assert (said["outage"], said["reason"]) == ("shop", "linked")
        assert until(lambda: len(stage.told("recovered after")) == 1, 10)
        assert "by the restart (1 of 3)" in stage.told("recovered after")[0]["message"]
        assert not stage.told("cannot reach")
        assert stage.runs.read_text() == "run\n"
        linked = [row for row in _alerts(stage.relay) if row["alert"]["module"] == "watchdog.shop"]
        assert linked[0]["alert"]["count"] >= 2
        stage.relay.command("send", "-m", "shop.cart", "a new trouble of its own")
        assert until(lambda: len(stage.told("a new trouble")) == 1, 5)
    subprocess.run(["kill", (stage.folder / "pid").read_text().strip()], check=False)
    with stage.relay.store() as store:
        reasons = [row[0] for row in store.execute("SELECT reason FROM events WHERE module = 'shop.cart'")]
    store.close()
    assert reasons == ["linked", "first"]


def _alerts(relay: Relay) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(relay.command("alerts", "--all", "--json").stdout)
    return rows


def test_it_gives_up_after_so_many_restarts_and_remembers_over_kill_9(stage: Stage) -> None:
    stage.restart_script("exit 1")
    stage.rules(
        f"  shop:\n    check: tcp://127.0.0.1:{stage.port}\n    every: 500ms\n    failures: 1\n"
        "    start_grace: 500ms\n"
        f"    restart: [{stage.folder}/restart]\n    max_restarts: {{count: 2, within: 1h}}\n    to: owner"
    )
    with running(stage.relay):
        assert until(lambda: len(stage.told("gives up")) == 1, 20)
        assert stage.runs.read_text() == "run\nrun\n"
        assert "ended with status 1" in stage.told("did not help")[0]["message"]
        stage.relay.kill()
        stage.relay.start()
        time.sleep(3)
        assert stage.runs.read_text() == "run\nrun\n"
        assert len(stage.told("gives up")) == 1
        row = json.loads(stage.relay.command("watchdog", "--json").stdout)[0]
        assert row["gave_up"]
        assert "given up (relay watchdog resume shop)" in stage.relay.command("status").stdout
        with urllib.request.urlopen(f"http://127.0.0.1:{stage.http}/metrics", timeout=5) as answer:
            metrics = answer.read().decode()
        assert 'relay_check_state{check="shop",state="down"} 1\n' in metrics
        assert 'relay_check_given_up{check="shop"} 1\n' in metrics
        assert stage.relay.command("watchdog", "resume", "shop").returncode == 0
        assert until(lambda: stage.runs.read_text() == "run\nrun\nrun\n", 10)


def test_a_job_reports_by_command_and_by_http_and_its_silence_is_told(stage: Stage) -> None:
    stage.rules(
        "  backup: {heartbeat: {every: 2s, grace: 1s}, start_grace: 100ms, to: owner}\n"
        "  nightly: {heartbeat: {cron: '0 2 * * *'}, to: owner}"
    )
    with running(stage.relay):
        assert stage.relay.command("send", "--beat", "backup").returncode == 0
        assert until(lambda: bool(stage.told("no sign of life")), 15)
        wrong = stage.relay.command("send", "--beat", "bakcup")
        assert (wrong.returncode, "no heartbeat is called 'bakcup'" in wrong.stderr) == (1, True)
        assert stage.beat("backup") == 200
        assert until(lambda: bool(stage.told("backup recovered")), 10)
        assert stage.beat("nightly", level="error", message="no space left") == 200
        assert until(lambda: bool(stage.told("no space left")), 10)
        assert [stage.beat("other"), stage.beat("backup", level="loud")] == [404, 400]


def test_a_pause_outlives_kill_9(stage: Stage) -> None:
    stage.rules(
        f"  web: {{check: tcp://127.0.0.1:{stage.port}, every: 300ms, failures: 1, start_grace: 100ms}}"
    )
    with running(stage.relay):
        assert stage.relay.command("watchdog", "pause", "web", "--for", "30m").returncode == 0
        stage.relay.kill()
        before = len(stage.sink.received)
        stage.relay.start()
        assert until(lambda: stage.states() == {"web": "paused"}, 5)
        time.sleep(1)
        assert len(stage.sink.received) == before
        assert stage.relay.command("watchdog", "check", "web").returncode == 1
        assert stage.relay.command("watchdog", "pause", "wbe").returncode == 1
        assert re.search(
            r"now: web is paused until .*: it isn't looked at, and nobody is told",
            stage.relay.command("explain", "-m", "watchdog.web").stdout,
        )
        stage.relay.command("watchdog", "resume", "web")
        assert until(lambda: bool(stage.told("web is down")), 5)
        assert "now:" not in stage.relay.command("explain", "-m", "watchdog.web").stdout


def test_no_false_alarm_when_relay_itself_is_stopped_for_seconds(stage: Stage) -> None:
    process = subprocess.Popen(stage.service())
    stage.rules(
        f"  web: {{check: tcp://127.0.0.1:{stage.port}, every: 200ms, timeout: 500ms,"
        " failures: 1, start_grace: 2s}\n"
        f"  smtp: {{check: smtp://127.0.0.1:{stage.http}, every: 10m}}"
    )
    with running(stage.relay):
        assert until(lambda: stage.states()["web"] == "up", 10, every=0.2)
        assert stage.relay.process is not None
        for _ in range(4):
            stage.relay.process.send_signal(signal.SIGSTOP)
            time.sleep(1.5)
            stage.relay.process.send_signal(signal.SIGCONT)
            time.sleep(0.7)
        assert not stage.told("web is down")
    process.kill()
    process.wait()


def test_a_stop_while_a_restart_runs_is_prompt_and_the_verdict_is_told_after_the_start(stage: Stage) -> None:
    stage.restart_script(f"trap '' TERM\necho $$ > {stage.folder}/pid\nsleep 60 &\nwait\nsleep 60")
    stage.rules(
        f"  shop:\n    check: tcp://127.0.0.1:{stage.port}\n    every: 500ms\n    failures: 1\n"
        f"    start_grace: 1s\n    restart: [{stage.folder}/restart]\n"
        "    max_restarts: {count: 1, within: 1h}\n    to: owner"
    )
    with running(stage.relay):
        assert until(lambda: (stage.folder / "pid").exists() and bool(stage.told("restarting:")), 15)
        began = time.monotonic()
        assert stage.relay.stop() == 0
        assert time.monotonic() - began < 15  # TimeoutStopSec= is 25
        pid = (stage.folder / "pid").read_text().strip()
        assert not Path(f"/proc/{pid}").exists()
        stage.relay.start()
        assert until(lambda: bool(stage.told("relay itself was restarted meanwhile")), 15)
        assert "relay gives up: one restart within 1 h" in stage.told("was restarted meanwhile")[0]["message"]
        assert stage.runs.read_text() == "run\n"


def test_a_restart_that_ran_when_relay_was_killed_is_ended_and_what_it_started_lives(stage: Stage) -> None:
    stage.restart_script(
        f"sleep 97 & echo $! > {stage.folder}/daemon\necho $$ > {stage.folder}/pid\n"
        f"touch {stage.folder}/begun\nwait"
    )
    stage.rules(
        f"  shop:\n    check: tcp://127.0.0.1:{stage.port}\n    every: 500ms\n    failures: 1\n"
        f"    start_grace: 1s\n    restart: [{stage.folder}/restart]\n"
        "    max_restarts: {count: 1, within: 1h}\n    to: owner"
    )
    with running(stage.relay):
        assert until((stage.folder / "begun").exists, 15)
        script, daemon = (int((stage.folder / name).read_text()) for name in ("pid", "daemon"))
        stage.relay.kill()
        assert runs(script)
        stage.relay.start()
        assert until(lambda: not runs(script), 10)
        assert runs(daemon)
    subprocess.run(["kill", str(daemon)], check=True)
