"""The real daemon as a process, tried as an operator would."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.e2e.rig import Relay, Sink, running, until

pytestmark = pytest.mark.e2e

RULES = """\
store: {folder}/relay.db
operators: [ops]
sources:
  apps: {{socket: {folder}/relay.sock}}
  shop: {{tail: "{folder}/logs/*.log", format: python}}
backends:
  hook: {{type: webhook, url: "{url}", timeout: 2s}}
  second: {{type: webhook, url: "{second}"}}
recipients:
  wang: {{hook: wang, second: wang}}
  ops: {{second: ops}}
rules:
  - {{name: payments, match: {{module: pay.*, level: error}}, to: wang}}
  - {{name: other, match: {{level: error}}, to: ops}}
"""


@pytest.fixture
def sinks() -> Iterator[tuple[Sink, Sink]]:
    both = Sink(), Sink()
    for sink in both:
        sink.start()
    yield both
    for sink in both:
        sink.stop()


@pytest.fixture
def relay(tmp_path: Path, sinks: tuple[Sink, Sink]) -> Iterator[Relay]:
    (tmp_path / "logs").mkdir()
    relay = Relay(tmp_path)
    relay.write_rules(RULES.format(folder=tmp_path, url=sinks[0].url, second=sinks[1].url))
    with running(relay):
        yield relay


def send(relay: Relay, message: str, module: str = "pay.refund") -> subprocess.CompletedProcess[str]:
    return relay.command("send", "-m", module, message)


def test_an_event_reaches_its_owner_once_and_the_commands_show_it(
    relay: Relay, sinks: tuple[Sink, Sink]
) -> None:
    for _ in range(3):
        assert send(relay, "timeout after 3000 ms to 10.0.0.7").returncode == 0
    assert until(lambda: len(sinks[0].received) == 1, 5)
    message = sinks[0].received[0]
    assert (message["to"], message["rule"], message["module"]) == ("wang", "payments", "pay.refund")
    (row,) = json.loads(relay.command("alerts", "--json").stdout)
    assert row["alert"]["count"] == 3
    assert "payments" in relay.command("alerts", str(row["alert"]["id"])).stdout
    shown = relay.command("outbox", "list", "--state", "delivered")
    assert "pay.refund" in shown.stdout
    status = json.loads(relay.command("status", "--json").stdout)
    assert {each["backend"]: each["state"] for each in status["backends"]} == {"hook": "up", "second": "up"}
    explained = relay.command("explain", "-m", "pay.refund", "--message", "timeout after 9 ms to 10.0.0.8")
    assert "window" in explained.stdout, explained
    assert relay.command("explain", "-m", "pay.x", "-l", "info", "--message", "x").stdout.count("failed") == 2


def test_a_stack_trace_in_a_file_is_one_event(relay: Relay, sinks: tuple[Sink, Sink]) -> None:
    with (relay.folder / "logs" / "app.log").open("w") as out:
        out.write("2026-03-01 10:00:00,123 ERROR pay.card: cannot charge\n")
        out.write('Traceback (most recent call last):\n  File "a.py", line 3, in charge\n    boom()\n')
        out.write("ValueError: no\n")
        out.write("2026-03-01 10:00:01,123 INFO pay.card: fine\n")
    assert until(lambda: len(sinks[0].received) == 1, 5)
    assert "ValueError: no" in sinks[0].received[0]["message"]
    time.sleep(0.3)
    assert len(sinks[0].received) == 1
    assert not sinks[1].received


def test_the_next_address_when_the_first_backend_is_down_and_operators_hear(
    relay: Relay, sinks: tuple[Sink, Sink]
) -> None:
    sinks[0].answer = lambda _: web.Response(status=401)
    send(relay, "cannot charge")
    assert until(lambda: {each["to"] for each in sinks[1].received} == {"wang", "ops"}, 5)
    about = next(each for each in sinks[1].received if each["to"] == "ops")
    assert "hook" in about["message"]
    assert "down" in relay.command("status").stdout


def test_dead_deliveries_wait_at_the_desk(relay: Relay, sinks: tuple[Sink, Sink]) -> None:
    sinks[0].answer = sinks[1].answer = lambda _: web.Response(status=400)
    send(relay, "cannot charge")

    def dead() -> list[Any]:
        rows = json.loads(relay.command("outbox", "list", "--state", "dead", "--json").stdout)
        return [row for row in rows if row["recipient"] == "wang"]

    assert until(lambda: bool(dead()), 10, every=0.3)
    number = str(dead()[0]["id"])
    assert "rejected" in relay.command("outbox", "show", number).stdout
    sinks[0].answer = lambda _: web.Response()
    assert relay.command("outbox", "retry", number).returncode == 0
    assert until(lambda: any(each["to"] == "wang" for each in sinks[0].received), 5)
    assert relay.command("outbox", "drop", number).returncode == 1  # it is delivered: nothing to drop


def test_an_edit_takes_effect_and_a_bad_one_changes_nothing(relay: Relay, sinks: tuple[Sink, Sink]) -> None:
    good = relay.rules.read_text()
    relay.write_rules(good.replace("to: wang", "to: wnag"))
    assert until(lambda: any("wnag" in each["message"] for each in sinks[1].received), 10)
    send(relay, "one")
    assert until(lambda: len(sinks[0].received) == 1, 5)
    relay.write_rules(good.replace("to: wang", "to: ops"))
    assert until(lambda: "config_reloaded" in relay.log.read_text(), 10)
    send(relay, "something else entirely broke")
    assert until(lambda: any("something else" in each["message"] for each in sinks[1].received), 5)
    assert len(sinks[0].received) == 1
    assert relay.process is not None
    relay.process.send_signal(signal.SIGHUP)
    assert relay.command("reload").returncode == 0


def test_a_second_daemon_on_the_same_store_refuses(relay: Relay) -> None:
    command = [sys.executable, "-m", "relay", "run", "-c", str(relay.rules)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1
    assert "Traceback" not in second.stderr
    assert relay.answers()


def test_sigterm_ends_cleanly_and_loses_nothing(relay: Relay, sinks: tuple[Sink, Sink]) -> None:
    send(relay, "before the stop")
    assert relay.stop() == 0
    assert "Traceback" not in relay.log.read_text()
    assert not (relay.folder / "control.sock").exists()
    assert relay.command("status").returncode == 3
    (relay.folder / "logs" / "app.log").write_text("2026-03-01 10:00:00,123 ERROR pay.card: while away\n")
    relay.start()
    assert until(lambda: any("while away" in each["message"] for each in sinks[0].received), 5)
    assert sum("before the stop" in each["message"] for each in sinks[0].received) == 1


def test_logger_reaches_the_socket(relay: Relay, sinks: tuple[Sink, Sink]) -> None:
    subprocess.run(
        [
            "logger",
            "-u",
            str(relay.folder / "relay.sock"),
            "-p",
            "user.err",
            "-t",
            "pay",
            "card reader on fire",
        ],
        check=True,
    )
    assert until(lambda: any("on fire" in each["message"] for each in sinks[0].received), 5)


def test_no_secret_in_logs_status_or_store(tmp_path: Path) -> None:
    relay = Relay(tmp_path, env={"CANARY": "http://127.0.0.1:9/hook/c4nary-t0ken"})
    relay.write_rules(
        f"store: {tmp_path}/relay.db\n"
        f"sources: {{apps: {{socket: {tmp_path}/relay.sock}}}}\n"
        "backends: {hook: {type: webhook, url: '${CANARY}'}}\n"
        "recipients: {ops: {hook: ops}}\n"
        "rules: [{name: all, match: {}, to: ops}]\n"
    )
    with running(relay):
        send(relay, "boom")
        assert until(lambda: "delivery_postponed" in relay.log.read_text(), 10)
        shown = relay.command("status", "--json").stdout + relay.command("outbox", "list", "--json").stdout
        cmdline = Path(f"/proc/{relay.process.pid}/cmdline").read_text() if relay.process else ""
    everything = shown + cmdline + relay.log.read_text()
    everything += "".join(path.read_bytes().decode("latin-1") for path in tmp_path.glob("relay.db*"))
    assert "c4nary" not in everything


def activated(relay: Relay, paths: list[Path], *, datagram: bool) -> subprocess.Popen[bytes]:
    """relay, to be started by systemd-socket-activate when something comes."""
    python = [sys.executable, "-m", "relay", "run", "-c", str(relay.rules)]
    kind = ["-d"] if datagram else []
    listen = [word for path in paths for word in ("-l", str(path))]
    with relay.log.open("wb") as out:
        try:
            return subprocess.Popen(
                ["systemd-socket-activate", *kind, *listen, *python], stdout=out, stderr=out, env=os.environ
            )
        except FileNotFoundError:
            pytest.skip("systemd-socket-activate is not here")


def test_socket_activation_serves_a_writer_that_came_first(tmp_path: Path, sinks: tuple[Sink, Sink]) -> None:
    """The writer connects and writes while no relay runs; systemd-socket-activate starts it."""
    relay = Relay(tmp_path)
    (tmp_path / "logs").mkdir()
    relay.write_rules(RULES.format(folder=tmp_path, url=sinks[0].url, second=sinks[1].url))
    path = tmp_path / "relay.sock"
    process = activated(relay, [path], datagram=False)
    try:
        assert until(path.exists, 5)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(10)
            connection.connect(str(path))
            connection.sendall(b'{"module":"pay","level":"error","message":"early bird","id":"1"}\n')
            assert json.loads(connection.recv(1000)) == {"ok": True, "id": "1"}
        assert until(lambda: len(sinks[0].received) == 1, 5)
    finally:
        process.terminate()
        assert process.wait(20) == 0
    assert path.exists()  # systemd's, not ours to remove


def test_socket_activation_serves_datagrams_that_came_first(tmp_path: Path, sinks: tuple[Sink, Sink]) -> None:
    relay = Relay(tmp_path)
    (tmp_path / "logs").mkdir()
    relay.write_rules(RULES.format(folder=tmp_path, url=sinks[0].url, second=sinks[1].url))
    path = tmp_path / "relay.dgram"
    process = activated(relay, [path], datagram=True)
    try:
        assert until(path.exists, 5)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.settimeout(10)
            out.connect(str(path))
            for word in ("first", "second"):
                out.send(b'{"module":"pay","level":"error","message":"%s bird"}' % word.encode())
        assert until(lambda: len(sinks[0].received) == 2, 10)
    finally:
        process.terminate()
        assert process.wait(20) == 0
    assert path.exists()


def test_templates_word_messages_follow_edits_and_cost_none_when_they_fail(
    relay: Relay, sinks: tuple[Sink, Sink]
) -> None:
    rules = (relay.folder / "rules.yaml").read_text()

    def worded(body: str) -> None:
        relay.write_rules(rules.replace("to: wang}", f"to: wang, template: {{body: '{body}'}}}}"))
        assert relay.command("reload").returncode == 0

    worded('{{ text }} on {{ hosts | first | default("?") }}')
    send(relay, "disk full")
    assert until(lambda: len(sinks[0].received) == 1, 5)
    assert "\ndisk full on ?\n" in sinks[0].received[0]["text"]
    worded("edited: {{ text }}{{ hosts[3] if labels.boom }}")
    send(relay, "no route")
    assert until(lambda: len(sinks[0].received) == 2, 5)
    assert "\nedited: no route\n" in sinks[0].received[1]["text"]
    assert relay.command("send", "-m", "pay.refund", "--label", "boom=1", "no memory").returncode == 0
    assert until(lambda: len(sinks[0].received) == 3, 5)
    assert "labels: boom=1" in sinks[0].received[2]["text"]  # the built-in form
    assert until(lambda: len(sinks[1].received) == 1, 5)
    assert "the template of the body of rule 'payments' failed" in sinks[1].received[0]["text"]
    relay.write_rules(rules.replace("to: wang}", "to: wang, template: {body: '{{ txt }}'}}"))
    refused = relay.command("reload")
    assert refused.returncode == 1
    assert "unknown variable 'txt' (did you mean 'text'?)" in refused.stdout + refused.stderr
