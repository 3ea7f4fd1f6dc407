"""The watchdog as it is installed: user relay in its sandbox, polkit, and units of a real systemd."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence

import pytest
from msgspec import Struct

from tests.booted.machine import Machine, prepared
from tests.e2e.rig import until

RULES = """\
store: /var/lib/relay/relay.db
operators: [people]
budget: []
sources:
  apps: {socket: /run/relay/relay.sock}
backends:
  hook: {type: webhook, url: "http://127.0.0.1:8099/"}
recipients:
  people: {hook: people}
rules:
  - {name: all, match: {level: error}, to: people, storm: false, flap: false}
remedies: {budget: {count: 100, within: 1h}}
watchdog:
"""
PORT = """\
  port:
    {check: "tcp://127.0.0.1:7070", every: 1s, failures: 3, start_grace: 10s, restart: port.service}
"""
COUNTED = "ExecStartPre=/bin/sh -c 'echo started >> /var/lib/starts/%p'\n"
SERVICE = f"[Service]\n{COUNTED}ExecStart="
SLEEPS = f"{SERVICE}/bin/sleep infinity\n"

# Listens, and takes a connection; SIGUSR1 closes the port and leaves the process.
LISTENS = """\
import signal, socket, sys
port = socket.create_server(("127.0.0.1", int(sys.argv[1])))
signal.signal(signal.SIGUSR1, lambda *_: port.close())
while True:
    try:
        port.accept()[0].close()
    except OSError:
        signal.pause()
"""
# A remedy of the old kind: it starts a daemon and ends.
STARTS = """\
#!/bin/sh
echo run >> /var/lib/relay/thing.runs
setsid python3 /usr/local/bin/listens 7071 </dev/null >/dev/null 2>&1 &
"""
MARKS = "#!/bin/sh\necho run >> /var/lib/relay/marks\n"


class State(Struct, frozen=True):
    """A unit, how it comes to its state, what relay says of it, and whether relay restarts it."""

    name: str
    unit: str
    words: str
    restarted: bool = False
    steps: Sequence[str] = ()  # of systemctl
    outcome: str = "failed"


STATES = (
    State("active", SLEEPS, "active.service is active (running)", steps=["start"], outcome="held"),
    State(
        "activating",
        f"[Service]\nType=notify\nTimeoutStartSec=infinity\n{COUNTED}ExecStart=/bin/sleep infinity\n",
        "activating.service is activating (start)",
        steps=["start --no-block"],
        outcome="unknown",
    ),
    State(
        "again",
        f"{SERVICE}/bin/false\nRestart=always\nRestartSec=1h\n",
        "again.service is activating (auto-restart)",
        steps=["start"],
    ),
    State("failed", f"{SERVICE}/bin/false\n", "failed.service is failed (exit-code)", True, ["start"]),
    State("never", SLEEPS, "never.service is inactive (never started, stopped, or ended well)"),
    State("masked", SLEEPS, "masked.service is masked", steps=["mask"]),
    State("missing", "", "missing.service is not-found"),
    State("bad", "[Service]\n", "bad.service is bad-setting"),
    # It ended, and whose doing that was is in the journal alone.
    State("stopped", SLEEPS, "stopped.service was stopped", steps=["start", "stop"]),
    State(
        "java",
        f"{SERVICE}/bin/sh -c \"trap 'exit 143' TERM; while :; do sleep 0.1; done\"\n",
        "java.service was stopped",
        steps=["start", "stop"],
    ),
    State(
        "hurried",  # between two starts of systemd's own
        f"{SERVICE}/bin/false\nRestart=always\nRestartSec=1h\n",
        "hurried.service was stopped",
        steps=["start", "stop"],
    ),
    State(
        "ended", f"{SERVICE}/bin/true\n", "ended.service is inactive (it ended by itself)", True, ["start"]
    ),
    State("termed", SLEEPS, "termed.service is inactive (it ended by itself)", True, ["start", "kill"]),
    State("killed", SLEEPS, "killed.service is failed (signal)", True, ["start", "kill --signal=KILL"]),
)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with prepared() as machine:
        units = {state.name: state.unit for state in STATES if state.unit}
        units |= {
            "port": f"{SERVICE}/usr/bin/python3 /usr/local/bin/listens 7070\n",
            "cut": SLEEPS,
            "other": SLEEPS,
        }
        for name, unit in units.items():
            machine.write(f"/usr/local/lib/systemd/system/{name}.service", unit)  # `mask` needs /etc
        machine.write("/usr/local/bin/listens", LISTENS)
        machine.write("/usr/local/bin/start-thing", STARTS, 0o755)
        machine.write("/usr/local/bin/mark", MARKS, 0o755)
        machine.write("/usr/local/bin/hangs", "#!/bin/sh\nsleep 4711\ntrue\n", 0o755)
        machine.boot()
        machine.run("mkdir", "/var/lib/starts")
        machine.run("systemctl", "start", "sink.service")
        machine.run("relay", "install")
        watch(machine, PORT)
        machine.run("relay", "install", "--now")
        assert until(machine.is_serving, 30), machine.log()
        yield machine


def watch(machine: Machine, *entries: str) -> None:
    """These are watched from now on, and relay may restart what they name."""
    machine.run("tee", "/etc/relay/rules.yaml", given=RULES + "\n".join(entries) + "\n")
    machine.run("relay", "install")  # the polkit rule
    if machine.is_serving():
        machine.run("relay", "reload")


def as_relay(machine: Machine, *command: str) -> int:
    return machine.run("runuser", "-u", "relay", "--", *command, check=False).returncode


def wait_for_polkit(machine: Machine, unit: str) -> None:
    """It rereads its rules some time after they have changed."""
    assert until(lambda: as_relay(machine, "systemctl", "restart", unit) == 0, 30, every=0.5)


def starts(machine: Machine, name: str) -> int:
    return lines(machine, f"/var/lib/starts/{name}")


def lines(machine: Machine, path: str) -> int:
    return machine.run("cat", path, check=False).stdout.count("\n")


def told(machine: Machine, text: str, since: int = 0) -> list[str]:
    """The messages with that text."""
    return [message for message in machine.messages()[since:] if text in message]


def standing(machine: Machine, name: str) -> str:
    """What its own looks have come to."""
    rows = json.loads(machine.run("relay", "watchdog", "list", "--json").stdout)
    return str(next(row["state"] for row in rows if row["name"] == name))


def outcome(machine: Machine, name: str) -> str:
    return str(looked(machine, name)["outcome"])


def looked(machine: Machine, name: str) -> dict[str, str]:
    shown = machine.run("relay", "watchdog", "check", name, "--json", check=False).stdout
    found: dict[str, str] = json.loads(shown)
    return found | {"text": found["text"].removeprefix(f"{found['target']}: ")}


def test_relay_may_restart_the_units_of_its_rules_and_do_nothing_else(machine: Machine) -> None:
    machine.run("systemctl", "start", "other.service")
    wait_for_polkit(machine, "port.service")
    assert as_relay(machine, "systemctl", "stop", "port.service") != 0
    assert as_relay(machine, "systemctl", "restart", "other.service") != 0
    assert as_relay(machine, "systemctl", "start", "reboot.target") != 0
    nobody = machine.run("runuser", "-u", "nobody", "--", "systemctl", "restart", "port", check=False)
    assert nobody.returncode != 0
    assert machine.show("port.service", "ActiveState") == "active"


@pytest.mark.parametrize("signal", ["KILL", "USR1"])
def test_w01_a_port_that_is_closed_is_told_restarted_once_and_recovers(machine: Machine, signal: str) -> None:
    """Its process dies, or lives on without it: then only a restart helps."""
    watch(machine, PORT)
    assert until(lambda: standing(machine, "port") == "up", 30)
    before, first = len(machine.messages()), starts(machine, "port")
    closed = time.time()
    machine.run("systemctl", "kill", f"--signal={signal}", "port.service")

    assert until(lambda: bool(told(machine, "port recovered after", before)), 60), machine.log()
    down, over = [each for each in machine.received()[before:] if "port " in each["message"]]
    assert "port is down: tcp://127.0.0.1:7070: connection refused" in down["message"]
    assert "restarting: systemctl --no-ask-password restart port.service (1 of 3" in down["message"]
    assert down["taken_at"] - closed >= 1.9  # the third miss
    lasted = re.search(r"recovered after ([0-9.]+) s by the restart", over["message"])
    assert lasted is not None, over["message"]
    assert 1.9 <= float(lasted[1]) <= over["taken_at"] - closed
    time.sleep(4)  # another would have begun
    assert starts(machine, "port") == first + 1
    assert machine.show("port.service", "NRestarts") == "0"  # it was relay's
    machine.run("relay", "watchdog", "resume", "port")  # its restarts are forgiven, for the next test


def test_w05_each_state_is_named_rightly_and_only_some_are_restarted(machine: Machine) -> None:
    for state in STATES:
        for step in state.steps:
            verb, *options = step.split()
            machine.run("systemctl", verb, *options, f"{state.name}.service", check=False)
    assert until(lambda: machine.show("killed.service", "ActiveState") == "failed", 30)
    assert until(lambda: machine.show("termed.service", "ActiveState") == "inactive", 30)
    entry = "  {0}: {{check: {{unit: {0}.service}}, every: 1s, failures: 1, start_grace: 1s{1}}}"
    names = [state.name for state in STATES]
    watch(machine, *(entry.format(name, "") for name in names))
    found = {name: looked(machine, name) for name in names}
    wanted = {state.name: (state.outcome, state.words) for state in STATES}
    assert {name: (each["outcome"], each["text"]) for name, each in found.items()} == wanted

    restart = ", max_restarts: {{count: 1, within: 1h}}, restart: {0}.service"
    entries = [entry.format(name, restart.format(name)) for name in names]
    machine.run("tee", "/root/next.yaml", given=RULES + "\n".join(entries))
    rule = machine.run("relay", "watchdog", "polkit", "-c", "/root/next.yaml").stdout
    machine.run("tee", "/etc/polkit-1/rules.d/50-relay.rules", given=rule)
    wait_for_polkit(machine, "active.service")  # before relay tries, once
    before = {name: starts(machine, name) for name in names}
    watch(machine, *entries)
    more = {state.name: before[state.name] + state.restarted for state in STATES}
    assert until(lambda: {name: starts(machine, name) for name in names} == more, 60, every=0.5), (
        machine.log()
    )
    time.sleep(6)  # others would have been by now
    assert {name: starts(machine, name) for name in names} == more


def test_an_administrator_s_stop_is_respected_whatever_the_program_answers(machine: Machine) -> None:
    machine.run("systemctl", "start", "java.service")
    watch(
        machine,
        "  java: {check: {unit: java.service}, every: 1s, failures: 2, start_grace: 1s, "
        "restart: java.service}",
    )
    assert until(lambda: standing(machine, "java") == "up", 30)
    wait_for_polkit(machine, "java.service")
    since, first = len(machine.messages()), starts(machine, "java")
    machine.run("systemctl", "stop", "java.service")
    assert machine.show("java.service", "ActiveState") == "failed"  # it ended with 143
    assert until(lambda: bool(told(machine, "java is down", since)), 30), machine.log()
    assert "it is not restarted: java.service was stopped" in told(machine, "java is down", since)[0]
    time.sleep(5)
    assert starts(machine, "java") == first
    machine.run("systemctl", "start", "java.service")
    assert until(lambda: bool(told(machine, "java recovered", since)), 30), machine.log()


def test_w06_with_the_bus_cut_nothing_is_down_and_nothing_restarted(machine: Machine) -> None:
    machine.run("systemctl", "start", "cut.service", "port.service")
    watch(
        machine,
        "  cut: {check: {unit: cut.service}, every: 1s, failures: 2, start_grace: 1s, "
        "restart: [/usr/local/bin/mark]}",
        PORT,
    )
    wait_for_polkit(machine, "port.service")
    assert until(lambda: {standing(machine, name) for name in ("cut", "port")} == {"up"}, 30)
    since, first = len(machine.messages()), starts(machine, "port")
    pids = [machine.show(unit, "MainPID") for unit in ("cut.service", "port.service")]
    machine.run("mkdir", "-p", "/run/nothing")
    machine.run("touch", "/run/nothing/private")
    try:
        machine.run("mount", "--bind", "/run/nothing", "/run/dbus")
        machine.run("mount", "--bind", "/run/nothing/private", "/run/systemd/private")
        assert outcome(machine, "cut") == "unknown"
        assert until(lambda: bool(told(machine, "cut can't be judged", since)), 30), machine.log()
        machine.run("kill", "-KILL", *pids)  # now they are down, and whose doing it was can't be known
        assert until(lambda: bool(told(machine, "port is down", since)), 30), machine.log()
        time.sleep(6)
        assert outcome(machine, "cut") == "unknown"
        assert "systemd can't be asked about port.service" in told(machine, "port is down", since)[0]
        assert lines(machine, "/var/lib/relay/marks") == 0
        assert starts(machine, "port") == first
    finally:
        machine.run("umount", "/run/systemd/private", check=False)
        machine.run("umount", "/run/dbus", check=False)
    assert len(told(machine, "cut can't be judged", since)) == 1
    assert until(lambda: bool(told(machine, "cut can be judged again", since)), 30), machine.messages()[
        since:
    ]
    assert until(lambda: lines(machine, "/var/lib/relay/marks") > 0, 30), machine.log()
    machine.run("relay", "watchdog", "resume", "port")
    assert until(lambda: starts(machine, "port") == first + 1, 30), machine.log()


def test_what_a_remedy_started_outlives_relay_and_a_look_that_hangs_does_not(machine: Machine) -> None:
    """`restart: [script]` where the script starts a daemon, as init scripts do."""
    watch(
        machine,
        "  thing: {check: 'tcp://127.0.0.1:7071', every: 1s, failures: 2, start_grace: 10s, "
        "restart: [/usr/local/bin/start-thing]}",
        "  hangs: {check: {command: [/usr/local/bin/hangs]}, every: 1h, timeout: 10m}",
    )
    assert until(lambda: bool(told(machine, "thing recovered")), 60), machine.log()
    thing = machine.run("pgrep", "-f", "listens 7071").stdout

    def is_the_same() -> bool:
        return machine.run("pgrep", "-f", "listens 7071", check=False).stdout == thing

    def looks() -> set[str]:
        return set(machine.run("pgrep", "-f", "bin/hangs|sleep 4711", check=False).stdout.split())

    for command in (
        ["restart", "relay.service"],
        ["kill", "--kill-whom=main", "--signal=KILL", "relay.service"],  # all of the unit's would be all
        ["stop", "relay.service"],
    ):
        pid = machine.show("relay.service", "MainPID")
        assert until(lambda: len(looks()) == 2, 30)
        hung = looks()
        machine.run("systemctl", *command)
        if command[0] == "stop":
            assert is_the_same()
            machine.run("systemctl", "start", "relay.service")
        assert until(lambda pid=pid: machine.is_serving(pid), 30), machine.log()  # type: ignore[misc]
        assert is_the_same(), command
        assert until(lambda hung=hung: not hung & looks(), 10), command  # type: ignore[misc]
    assert until(lambda: standing(machine, "thing") == "up", 30)
    assert lines(machine, "/var/lib/relay/thing.runs") == 1
