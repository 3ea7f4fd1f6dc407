"""Acknowledged, silenced, escalated: by command and by link, in the real daemon."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.e2e.rig import Relay, Sink, running, until
from tests.web.rig import free_port

pytestmark = pytest.mark.e2e

RULES = """\
store: {folder}/relay.db
http: {{listen: "127.0.0.1:{port}", url: "http://127.0.0.1:{port}"}}
operators: [ops]
sources:
  apps: {{socket: {folder}/relay.sock}}
backends:
  hook: {{type: webhook, url: "{url}", timeout: 2s}}
recipients:
  wang: {{hook: wang}}
  ops: {{hook: ops}}
rules:
  - name: payments
    match: {{module: pay.*}}
    to: wang
    repeat: [2s]
    resolve_after: 1m
    escalate: {{after: 20s, to: ops}}
    runbook: https://wiki.example.com/pay
  - {{name: jobs, match: {{module: job.*}}, to: wang, fingerprint: event}}
"""


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    sink.start()
    yield sink
    sink.stop()


@pytest.fixture
def relay(tmp_path: Path, sink: Sink) -> Iterator[Relay]:
    relay = Relay(tmp_path)
    relay.write_rules(RULES.format(folder=tmp_path, url=sink.url, port=free_port()))
    with running(relay):
        yield relay


def send(relay: Relay, module: str, message: str = "timeout") -> None:
    done = relay.command("send", "--module", module, "--level", "error", message)
    assert done.returncode == 0, done.stderr


def asked(relay: Relay, *arguments: str) -> Any:
    done = relay.command(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def fetch(method: str, url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.request(method, url) as answer:
        return answer.status, await answer.text()


def test_acknowledged_by_command_and_by_link(relay: Relay, sink: Sink) -> None:
    send(relay, "pay.card")
    assert until(lambda: len(sink.received) == 1, 10)
    (delivery,) = asked(relay, "alerts", str(sink.received[0]["alert"]))["deliveries"]
    links = dict(delivery["message"]["links"])
    assert list(links) == ["runbook", "ack", "silence 1h"]

    number = str(sink.received[0]["alert"])
    acked = asked(relay, "ack", number, "--for", "1h")
    assert acked["state"] == "acked"
    assert acked["acked_by"]
    shown = relay.command("alerts", number).stdout
    assert f"acknowledged by {acked['acked_by']} until" in shown
    assert asked(relay, "ack", number, "--undo")["state"] == "firing"

    for _ in range(2):
        status, page = asyncio.run(fetch("GET", links["ack"]))
        assert (status, "pay.card: timeout" in page) == (200, True)
    assert asked(relay, "alerts", number)["alert"]["state"] == "firing"
    for _ in range(2):
        status, page = asyncio.run(fetch("POST", links["ack"]))
        assert (status, "acknowledged by wang" in page) == (200, True)
    assert asked(relay, "alerts", number)["alert"]["acked_by"] == "wang"
    assert asyncio.run(fetch("POST", links["ack"][:-1]))[0] == 403

    relay.kill()
    relay.start()
    assert asked(relay, "alerts", number)["alert"]["acked_by"] == "wang"
    status, page = asyncio.run(fetch("POST", links["silence 1h"]))  # the key outlives the process
    assert (status, "is silenced" in page) == (200, True)
    (silence,) = asked(relay, "silence", "list")
    assert (silence["author"], silence["in_force"]) == ("wang", True)
    assert "1 silences in force" in relay.command("status").stdout
    assert urlsplit(links["ack"]).query not in relay.log.read_text()


def test_a_silence_and_its_summary(relay: Relay, sink: Sink) -> None:
    made = asked(
        relay, "silence", "add", "module=job.*", "--for", "14s", "--reason", "deploy", "--by", "zhao"
    )
    asked(relay, "silence", "add", "module=pay.*", "--for", "14s", "--reason", "deploy", "--by", "zhao")
    assert made["words"] == f"silence {made['id']} of zhao (deploy)"
    for number in range(4):
        send(relay, "job.import", f"row {number} is bad")
    send(relay, "pay.card")
    relay.kill()  # what it held back is not forgotten
    relay.start()
    said = relay.command("explain", "--module", "pay.card", "--message", "timeout").stdout
    assert "silenced by silence" in said
    assert "of zhao (deploy), until" in said
    assert "nobody is told now" in said
    assert not sink.received
    assert until(lambda: len(sink.received) >= 2, 40)
    by_reason = {each["reason"]: each for each in sink.received}
    assert by_reason["summary"]["title"].startswith(
        f"{made['words']} is over: it held back 4 events of 4 alerts, first "
    )
    assert by_reason["first"]["module"] == "pay.card"
    assert until(lambda: not asked(relay, "silence", "list"), 10)
    ended = asked(relay, "silence", "list", "--all")
    assert [each["author"] for each in ended] == ["zhao", "zhao"]
    preview = relay.command("silence", "add", "module=pay.*", "--preview")
    assert "1 messages about 1 alerts" in preview.stdout


def test_escalation_and_what_is_refused(relay: Relay, sink: Sink) -> None:
    send(relay, "pay.card")
    assert until(lambda: any(each["to"] == "ops" for each in sink.received), 40)
    (told,) = [each for each in sink.received if each["to"] == "ops"]
    assert told["reason"] == "escalated"
    for arguments in (
        ("ack", "999"),
        ("silence", "end", "999"),
        ("silence", "add", "level=loud", "--for", "1h"),
    ):
        done = relay.command(*arguments)
        assert done.returncode == 1
        assert done.stderr.startswith("relay: ")
    assert relay.command("silence", "add", "module=x").returncode == 2
    assert relay.command("links", "rotate").returncode == 0
