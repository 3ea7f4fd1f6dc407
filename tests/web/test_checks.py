"""The watchdog's metrics: one label for an entry, whatever happens to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.metrics import Histogram, exposition
from relay.models import Json
from relay.watchdog.tally import Tally
from relay.watchdog.verdict import Kind
from relay.web.checks import of_checks
from tests.web.rig import Client, House


def row(name: str, **fields: Any) -> Json:
    usual = {"state": "up", "standing": "up", "gave_up": False, "heartbeat": False, "beat_at": 0.0}
    return {"name": name, **usual, **Tally().json(), **fields}


def shown(*rows: Json) -> Mapping[str, float]:
    lines = exposition(of_checks(rows, Histogram())).splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def test_how_a_check_stands_is_one_of_its_states() -> None:
    found = shown(row("web", standing="down", state="paused", gave_up=True), row("db"))
    states = [name for name, value in found.items() if name.startswith("relay_check_state{") and value]
    assert states == [
        'relay_check_state{check="web",state="down"}',
        'relay_check_state{check="db",state="up"}',
    ]
    assert found['relay_check_state{check="web",state="up"}'] == 0
    assert (found['relay_check_paused{check="web"}'], found['relay_check_paused{check="db"}']) == (1, 0)
    assert found['relay_check_given_up{check="web"}'] == 1


def test_what_is_counted() -> None:
    tally = Tally()
    for kind in (Kind.HELD, Kind.FAILED, Kind.FAILED, Kind.LATE):
        tally.look(kind, 0.25, 1000.0)
    tally.restarts = 3
    tally.results["still down"] = 2
    found = shown(row("web", **tally.json()), row("job", heartbeat=True, beat_at=7.0))
    assert found['relay_check_looks_total{check="web",outcome="failed"}'] == 2
    assert found['relay_check_looks_total{check="web",outcome="late"}'] == 1
    assert found['relay_check_judged_timestamp_seconds{check="web"}'] == 1000
    assert found['relay_check_look_seconds{check="web"}'] == 0.25
    assert found['relay_check_restarts_total{check="web"}'] == 3
    assert found['relay_check_restart_results_total{check="web",result="still_down"}'] == 2
    assert found['relay_heartbeat_timestamp_seconds{check="job"}'] == 7
    assert 'relay_heartbeat_timestamp_seconds{check="web"}' not in found


def test_where_nothing_is_watched_there_is_nothing() -> None:
    assert shown() == {}


async def test_they_are_in_the_metrics_until_the_entry_leaves(house: House, client: Client) -> None:
    house.answers["watchdog"] = [row("web"), row("db")]
    house.looks.observe(0.02)
    _, text = await client.ask("GET", "/metrics")
    assert 'relay_check_state{check="web",state="up"} 1' in text
    assert "relay_look_seconds_count 1" in text
    house.answers["watchdog"] = [row("db")]
    _, text = await client.ask("GET", "/metrics")
    assert 'check="web"' not in text
    assert 'check="db"' in text
