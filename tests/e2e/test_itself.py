"""relay on itself: it can't alert about its own alerts, says what it missed, and proves that it works."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.e2e.rig import Relay, Sink, running, until

pytestmark = pytest.mark.e2e

# Everything is taken, each event by itself; relay's own log is among what is read.
LOOP = """\
store: {folder}/relay.db
operators: [people]
sources:
  apps: {{socket: {folder}/relay.sock}}
  own: {{tail: {folder}/relay.log, format: {format}}}
  wrapped: {{tail: {folder}/wrapped.log, format: {format}}}
backends: {{hook: {{type: webhook, url: "{url}"}}}}
recipients: {{people: {{hook: people}}}}
rules: [{{name: all, match: {{}}, to: people, fingerprint: event}}]
"""


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    sink.start()
    yield sink
    sink.stop()


@pytest.mark.parametrize("format_", ["plain", "json", "python"])
def test_a_rule_that_takes_relays_own_log_does_not_loop(tmp_path: Path, sink: Sink, format_: str) -> None:
    relay = Relay(tmp_path)
    relay.write_rules(LOOP.format(folder=tmp_path, url=sink.url, format=format_))
    (tmp_path / "wrapped.log").touch()
    with running(relay):
        relay.command("send", "-m", "pay", "one event")
        assert until(lambda: any("one event" in each["message"] for each in sink.received), 10)
        assert until(lambda: "delivery_accepted" in relay.log.read_text(), 5)
        line = next(line for line in relay.log.read_text().splitlines() if "delivery_accepted" in line)
        with (tmp_path / "wrapped.log").open("a") as out:  # as a container's log driver writes it
            out.write(json.dumps({"log": line, "stream": "stderr"}) + "\n")
        time.sleep(2)
        told = [each["message"] for each in sink.received]
        assert told == ["one event"], told
        assert relay.log.read_text().count("delivery_accepted") == 1
        said = json.loads(relay.command("explain", "--json", line).stdout)
        assert (said["own_line"], said["reason"]) == (True, "no_rule")


@pytest.mark.parametrize("format_", ["plain", "json"])
def test_a_service_that_logs_the_messages_it_gets_starts_no_loop(
    tmp_path: Path, sink: Sink, format_: str
) -> None:
    relay = Relay(tmp_path)
    relay.write_rules(LOOP.format(folder=tmp_path, url=sink.url, format=format_))
    services = tmp_path / "wrapped.log"
    services.touch()

    def answer(message: dict[str, object]) -> web.Response:
        with services.open("a") as out:
            out.write(json.dumps(message) + "\n")
        return web.Response(text="ok")

    sink.answer = answer
    with running(relay):
        relay.command("send", "-m", "pay", "one event")
        assert until(lambda: len(sink.received) > 0, 10)
        time.sleep(2)
        told = [each["message"] for each in sink.received]
        assert told == ["one event"], told


def test_the_lines_of_another_relay_are_events_like_any_other(tmp_path: Path, sink: Sink) -> None:
    relay = Relay(tmp_path)
    relay.write_rules(LOOP.format(folder=tmp_path, url=sink.url, format="json"))
    (tmp_path / "wrapped.log").touch()
    with running(relay):
        other = {"event": "delivery_died", "level": "error", "by": "relay-0123456789abcdef"}
        with (tmp_path / "wrapped.log").open("a") as out:
            out.write(json.dumps(other) + "\n")
        assert until(lambda: any("delivery_died" in each["message"] for each in sink.received), 10)


def test_a_start_says_what_was_missed(tmp_path: Path, sink: Sink) -> None:
    relay = Relay(tmp_path)
    log = tmp_path / "app.log"
    log.touch()
    rules = LOOP.format(folder=tmp_path, url=sink.url, format="plain").replace("relay.log", "app.log")
    relay.write_rules(rules)
    with running(relay):
        pass
    with sqlite3.connect(tmp_path / "relay.db") as store:  # as if it had ended 252 s ago
        store.execute("UPDATE meta SET value = ? WHERE key = 'note:alive'", (str(time.time() - 252),))
    stamp = time.strftime("%F %T", time.localtime(time.time() - 100))
    with log.open("a") as out:
        out.writelines(f"{stamp} ERROR boom {number}\n" for number in range(3))
    with running(relay):
        assert until(lambda: "back_again" in relay.log.read_text(), 30, every=0.1)
        line = next(line for line in relay.log.read_text().splitlines() if "back_again" in line)
        text = json.loads(line)["text"]
        assert text.startswith(("away for 4 min 1", "away for 4 min 2")), text
        assert text.endswith("3 events read, 3 alerts late, 0 lost"), text
        assert until(lambda: any("relay is back" in each["message"] for each in sink.received), 10)
    assert sum("relay is back" in each["message"] for each in sink.received) == 1


def test_a_first_start_reports_nothing(tmp_path: Path, sink: Sink) -> None:
    relay = Relay(tmp_path)
    relay.write_rules(LOOP.format(folder=tmp_path, url=sink.url, format="plain"))
    with running(relay):
        time.sleep(12)
        assert "back_again" not in relay.log.read_text()


def test_a_drill_goes_the_whole_way(tmp_path: Path, sink: Sink) -> None:
    relay = Relay(tmp_path, env={"TZ": f"NOON{time.gmtime().tm_hour - 12:+d}"})  # drills have hours
    rules = LOOP.format(folder=tmp_path, url=sink.url, format="plain").replace("relay.log", "app.log")
    relay.write_rules("drill: daily\n" + rules)
    with running(relay):
        assert until(lambda: noted(tmp_path) != "", 10)  # from now on
    with sqlite3.connect(tmp_path / "relay.db") as store:
        store.execute("UPDATE meta SET value = ? WHERE key = 'note:drill'", (str(time.time() - 3 * 86400),))
    with running(relay):
        assert until(lambda: "drill_passed" in relay.log.read_text(), 20)
        assert sum(each["message"].startswith("DRILL") for each in sink.received) == 1
        assert float(noted(tmp_path)) > time.time() - 60
        last = json.loads(relay.command("status", "--json").stdout)["drill"]["last"]
        assert (last["wrong"], last["at"] > time.time() - 60) == ("", True)


def noted(folder: Path) -> str:
    with sqlite3.connect(f"file:{folder / 'relay.db'}?mode=ro", uri=True) as store:
        found = store.execute("SELECT value FROM meta WHERE key = 'note:drill'").fetchone()
    return "" if found is None else str(found[0])


def test_the_outside_is_called(tmp_path: Path, sink: Sink) -> None:
    """The sink takes only POST: 405 is its answer to the call, which is what can be seen here."""
    relay = Relay(tmp_path)
    rules = LOOP.format(folder=tmp_path, url=sink.url, format="plain").replace("relay.log", "app.log")
    relay.write_rules(f"ping: {{url: '{sink.url}', every: 5s}}\n" + rules)
    with running(relay):
        assert until(lambda: "ping_failed" in relay.log.read_text(), 15)
        assert "it answers 405" in relay.log.read_text()
        assert json.loads(relay.command("status", "--json").stdout)["ping"]["failures"] >= 1


def test_what_the_watchdog_ends_says_where_it_hung(tmp_path: Path, sink: Sink) -> None:
    relay = Relay(tmp_path)
    relay.write_rules(
        LOOP.format(folder=tmp_path, url=sink.url, format="plain").replace("relay.log", "app.log")
    )
    with running(relay):
        assert relay.process is not None
        relay.process.send_signal(signal.SIGABRT)
        relay.process.wait(10)
    assert "Fatal Python error: Aborted" in relay.log.read_text()
    assert "relay/cli/run.py" in relay.log.read_text()


def test_that_relay_is_killed_again_and_again_is_told_once(tmp_path: Path, sink: Sink) -> None:
    relay = Relay(tmp_path)
    rules = LOOP.replace("match: {{}}", "match: {{module: pay}}")
    relay.write_rules(rules.format(folder=tmp_path, url=sink.url, format="plain"))
    relay.start()
    assert relay.stop() == 0  # no such end
    for _ in range(3):
        relay.start()
        relay.kill()
    relay.start()
    assert until(lambda: any("relay ended 3 times" in each["message"] for each in sink.received), 10)
    relay.kill()
    with running(relay):
        relay.command("send", "-m", "pay", "one event")
        assert until(lambda: any("one event" in each["message"] for each in sink.received), 10)
        assert sum("relay ended" in each["message"] for each in sink.received) == 1, sink.received
