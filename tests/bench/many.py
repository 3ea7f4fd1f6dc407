"""1,500 messages to a service that takes 240 ms a call: one alert to 1,500 people, and 1,500 alerts."""

from __future__ import annotations

import json
import time

from tests.bench.stage import RULES, connect, show, stage, wait_for

PEOPLE = 1500
DELAY = 0.24  # seconds a call


def main() -> None:
    show(
        "one after another, 60 at a time (by arithmetic)",
        f"{PEOPLE * DELAY:.0f} s, {PEOPLE * DELAY / 60:.1f} s",
    )
    everybody = "".join(f"  p{number}: {{{{hook: p{number}}}}}\n" for number in range(PEOPLE))
    team = ", ".join(f"p{number}" for number in range(PEOPLE))
    rules = RULES.replace("recipients:\n", f"recipients:\n{everybody}  all: [{team}]\n")
    rules = rules.replace("to: people, repeat: [1h]", "to: all, repeat: [1h]")
    _measure("one alert to 1,500 receivers", rules, ["counted: everybody wake up"])
    _measure("1,500 different alerts", RULES, [f"single number {number}" for number in range(PEOPLE)])


def _measure(what: str, rules: str, messages: list[str]) -> None:
    with stage(rules, DELAY) as (relay, sink):
        time.sleep(5)  # seats grow with the lane's age: a daemon that has just started is gentler
        connection = connect(relay)
        began = time.monotonic()
        for message in messages:
            line = json.dumps({"module": "app", "level": "error", "message": message})
            connection.sendall(line.encode() + b"\n")
        connection.close()
        arrived = wait_for(sink, PEOPLE, 60)
        assert len(arrived) == PEOPLE, len(arrived)
        show(what, f"{arrived[-1][0] + DELAY - began:.1f} s", "8 s")
