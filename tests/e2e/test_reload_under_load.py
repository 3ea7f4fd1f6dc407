"""Thirty reloads under load: nothing lost, nothing twice, no descriptor left behind."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.e2e.chaos import RULES, Events, Lines
from tests.e2e.rig import Relay, Sink, running, until

pytestmark = pytest.mark.e2e

RELOADS = 30
RATE = 1000


def test_reloads_under_load(tmp_path: Path) -> None:
    sink = Sink()
    sink.start()
    relay = Relay(tmp_path)
    rules = RULES.format(folder=tmp_path, url=sink.url)
    relay.write_rules(rules)
    (tmp_path / "app.log").touch()
    with running(relay):
        assert relay.process is not None
        lines = Lines(tmp_path / "app.log", RATE, random.Random(1))
        events = Events(tmp_path / "relay.sock", RATE)
        lines.start()
        events.start()
        before = descriptors(relay.process.pid)
        for number in range(RELOADS):
            relay.write_rules(changed(rules, number))
            assert relay.command("reload").returncode == 0
        relay.write_rules(rules)
        assert relay.command("reload").returncode == 0
        lines.stop()
        events.stop()
        singles = (lines.written + 9) // 10 + (events.written + 9) // 10
        assert until(lambda: sum(each["rule"] == "single" for each in sink.received) >= singles, 20)
        # Connections to the sink come and go; one left behind by each reload would be more than these.
        pid = relay.process.pid
        assert until(
            lambda: descriptors(pid) < before + RELOADS // 2, 30
        )  # idle connections end by themselves
    sink.stop()
    with relay.store() as store:
        (counted,) = store.execute(
            "SELECT sum(count) FROM alerts WHERE rule IN ('single', 'counted')"
        ).fetchone()
    assert counted == lines.written + events.written
    assert sum(each["rule"] == "single" for each in sink.received) == singles


def changed(rules: str, number: int) -> str:
    """Each time something else: a rule, the tail, the socket, or the backend."""
    match number % 4:
        case 0:
            return rules.replace("repeat: [1h]", f"repeat: [{number + 2}h]")
        case 1:
            return rules.replace("format: plain", f"format: plain, poll: {number + 1}s")
        case 2:
            return rules.replace("relay.sock}", f"relay.sock, max_connections: {number + 100}}}")
        case _:
            return rules.replace("type: webhook", f"type: webhook, timeout: {number + 1}s")


def descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
