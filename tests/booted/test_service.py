"""relay as it is installed, under a real systemd: started, hung, killed, stopped, fed by units."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.booted.machine import Machine, prepared
from tests.e2e.rig import until

RULES = """\
store: /var/lib/relay/relay.db
operators: [people]
budget: []
sources:
  apps: {socket: /run/relay/relay.sock}
  file: {tail: /var/log/app.log, format: plain, module: app}
  units: {journal: {units: [dummy, secret-*]}, format: python}
backends:
  hook: {type: webhook, url: "http://127.0.0.1:8099/${credential:path}"}
recipients:
  people: {hook: people}
rules:
  - {name: single, match: {message: single number}, to: people, fingerprint: event, storm: false}
  - {name: all, match: {level: error}, to: people, fingerprint: event, storm: false}
"""

PRINTS = """\
echo "2026-03-01 10:00:00,123 ERROR orders.worker: first line"
echo "Traceback (most recent call last):"
echo "ValueError: no"
exec sleep 1000
"""
DUMMY = "[Service]\nExecStart=/bin/sh /usr/local/bin/prints\n"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with prepared() as machine:
        machine.write("/var/log/app.log", "", 0o640)
        machine.write("/etc/systemd/system/dummy.service", DUMMY)
        machine.write("/usr/local/bin/prints", PRINTS)
        machine.boot()
        machine.run("chgrp", "adm", "/var/log/app.log")
        machine.run("systemctl", "start", "sink.service")
        yield machine


# The tests follow one another on one machine, as an administrator's day does.


def test_install_then_start(machine: Machine) -> None:
    said = machine.run("relay", "install").stdout
    assert "written  /etc/relay/rules.yaml" in said
    assert "next: edit" in said
    assert machine.run("relay", "check").returncode == 0  # the sample as it is
    machine.run("tee", "/etc/relay/rules.yaml", given=RULES)
    machine.run("tee", "/etc/relay/credentials/path", given="hook-s3cret\n")
    machine.run("chmod", "0600", "/etc/relay/credentials/path")
    again = machine.run("relay", "install", "--now", check=False).stdout
    assert machine.show("relay.service", "Result") == "success", machine.log()
    assert "kept  /etc/relay/rules.yaml" in again
    assert until(machine.is_serving, 30), machine.log()
    assert machine.show("relay.service", "Result") == "success"
    assert machine.run("systemctl", "is-enabled", "relay.service").stdout == "enabled\n"
    # An administrator's view: nothing is wrong with the units as they were installed.
    verify = machine.run("systemd-analyze", "verify", "--man=no", "relay.service", "relay.socket")
    assert verify.stdout + verify.stderr == ""
    exposure = machine.run("systemd-analyze", "security", "--threshold=15", "relay.service", check=False)
    assert exposure.returncode == 0, exposure.stdout[-300:]


def test_it_is_ready_in_two_seconds(machine: Machine) -> None:
    """By systemd's own clock; a busy host may delay one start, not three."""

    def took() -> float:
        machine.run("systemctl", "restart", "relay.service")  # returns when it is ready
        return machine.times("relay.service", "ActiveEnterTimestamp") - machine.times(
            "relay.service", "ExecMainStartTimestamp"
        )

    assert any(took() <= 2 for _ in range(3))


def test_a_file_of_group_adm_and_both_sockets_are_read(machine: Machine) -> None:
    machine.run("tee", "-a", "/var/log/app.log", given="ERROR in the file\n")
    machine.run("logger", "-u", "/run/relay/relay.sock", "-p", "user.err", "-t", "pay", "on the stream")
    machine.run(
        "logger", "-d", "-u", "/run/relay/relay.dgram", "-p", "user.err", "-t", "pay", "as a datagram"
    )
    wanted = {"in the file", "on the stream", "as a datagram"}
    assert until(lambda: all(any(text in each for each in machine.messages()) for text in wanted), 30), (
        machine.messages()
    )


def test_a_unit_in_the_journal_needs_no_file(machine: Machine) -> None:
    machine.run("systemctl", "start", "dummy.service")
    assert until(lambda: any("first line" in each for each in machine.messages()), 30), machine.messages()
    (event,) = [each for each in machine.received() if "first line" in each["message"]]
    assert event["message"] == "first line\nTraceback (most recent call last):\nValueError: no"
    assert event["module"] == "orders.worker"
    assert event["labels"]["unit"] == "dummy.service"


def test_a_hang_is_ended_and_started_again_in_time(machine: Machine) -> None:
    machine.run("mkdir", "-p", "/etc/systemd/system/relay.service.d")
    machine.run(
        "tee",
        "/etc/systemd/system/relay.service.d/quick.conf",
        given="[Service]\nWatchdogSec=2\nRestartSec=100ms\n",
    )
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "relay.service")

    def took() -> float:
        pid = machine.show("relay.service", "MainPID")
        began = time.monotonic()
        machine.run("kill", "-STOP", pid)
        assert until(lambda: machine.is_serving(pid), 30), machine.log()
        return machine.times("relay.service", "ActiveEnterTimestamp") - began

    assert any(took() <= 2 + 2 for _ in range(3))  # a busy host may delay one, not three
    assert "Watchdog timeout" in machine.log()


def test_no_writer_is_refused_while_relay_restarts(machine: Machine) -> None:
    script = """
import json, socket, sys, time
for number in range(300):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as out:
        out.settimeout(20)
        out.connect("/run/relay/relay.sock")
        event = {"module": "w", "level": "error", "message": f"stream {number}", "id": f"r{number}"}
        out.sendall(json.dumps(event).encode() + b"\\n")
        answer = json.loads(out.makefile().readline() or "null")
        assert answer and answer["ok"], answer
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.settimeout(20)
        out.connect("/run/relay/relay.dgram")
        out.send(f"<11>w[7]: datagram {number}".encode())
    time.sleep(0.01)
print("all taken")
"""
    with machine.start("python3", "-c", script) as writer:
        for _ in range(3):
            time.sleep(0.5)
            machine.run("systemctl", "restart", "relay.service")
        out, _ = writer.communicate(timeout=60)
    assert writer.returncode == 0, out
    wanted = {f"{kind} {number}" for kind in ("stream", "datagram") for number in range(300)}
    assert until(lambda: wanted <= set(machine.messages()), 60), wanted - set(machine.messages())


def test_twenty_kills_under_load_lose_nothing(machine: Machine) -> None:
    script = """
import time
with open("/var/log/app.log", "a", buffering=1) as out:
    for number in range(4000):
        out.write(f"ERROR single number {number}\\n")
        time.sleep(0.002)
"""
    before = len(machine.received())
    with machine.start("python3", "-c", script) as writer:
        for _ in range(20):
            time.sleep(0.45)
            machine.run("systemctl", "kill", "-s", "KILL", "relay.service", check=False)
        writer.communicate(timeout=60)
    wanted = {f"ERROR single number {number}" for number in range(4000)}

    def counted() -> Counter[str]:
        return Counter(each["message"] for each in machine.received()[before:])

    assert until(lambda: wanted <= set(counted()), 60, every=0.2), (
        len(wanted - set(counted())),
        machine.messages()[-3:],
        machine.log(),
    )
    copies = counted()
    assert sum(copies[each] - 1 for each in wanted) <= 20  # a message a kill at most
    assert int(machine.show("relay.service", "NRestarts")) >= 15


def test_a_stop_is_a_stop_and_writers_wait_until_the_start(machine: Machine) -> None:
    machine.run("systemctl", "stop", "relay.service", "relay.socket")
    time.sleep(1)
    assert machine.show("relay.service", "ActiveState") == "inactive"
    machine.run("systemctl", "start", "relay.socket")
    logger = ("logger", "-u", "/run/relay/relay.sock", "-p", "user.err", "-t", "pay", "came first")
    with machine.start(*logger) as early:
        assert until(machine.is_serving, 30)  # the socket starts it
        early.communicate(timeout=30)
    assert until(lambda: any("came first" in each for each in machine.messages()), 30)


def test_secrets_are_root_s_and_are_not_in_the_journal(machine: Machine) -> None:
    logged = machine.run("journalctl", "-u", "relay.service", "--no-pager", "-o", "cat").stdout
    assert "delivery_accepted" in logged
    assert "s3cret" not in logged
    assert "Traceback" not in logged
    status = json.loads(machine.run("relay", "status", "--json").stdout)
    assert {each["backend"]: each["state"] for each in status["backends"]} == {"hook": "up"}


def test_uninstall_leaves_what_people_wrote(machine: Machine) -> None:
    said = machine.run("relay", "uninstall").stdout
    assert "removed  /usr/local/lib/systemd/system/relay.service" in said
    assert machine.run("systemctl", "status", "relay.service", check=False).returncode == 4
    machine.run("test", "-e", "/etc/relay/rules.yaml")
    machine.run("test", "-e", "/var/lib/relay/relay.db")
