"""Probes, reload and metrics."""

from __future__ import annotations

import re

from tests.web.rig import Client, House

SAMPLE = re.compile(r'([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? (\S+)')


async def test_probes(house: House, client: Client) -> None:
    assert await client.ask("GET", "/-/healthy") == (200, "relay is healthy\n")
    assert await client.ask("GET", "/-/ready") == (200, "relay is ready\n")
    house.unready = "relay is starting"
    assert await client.ask("GET", "/-/ready") == (503, "relay is starting\n")
    house.unwell = "relay stands still for 30 s"
    assert (await client.ask("GET", "/-/healthy"))[0] == 503


async def test_reload(house: House, client: Client) -> None:
    assert await client.ask("POST", "/-/reload") == (200, "the rules were taken\n")
    problems = ["rules.yaml:14:5: unknown key 'recipents'", "rules.yaml:15:1: x"]
    house.answers["reload"] = {"taken": False, "problems": problems}
    status, text = await client.ask("POST", "/-/reload", b"{}")
    assert status == 400
    assert text.splitlines()[:2] == problems
    assert (await client.ask("GET", "/-/reload"))[0] == 405
    assert len(house.asked) == 2


async def test_metrics(client: Client) -> None:
    await client.ask("GET", "/metrics")
    status, text = await client.ask("GET", "/metrics")
    assert status == 200
    assert client.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = {}
    typed = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name = line.split()[2]
            assert name not in typed
            typed.add(name)
        elif not line.startswith("#"):
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            found[sample[1] + (sample[2] or "")] = float(sample[3])
    assert found['relay_events_total{source="apps",rule="r\\"1",reason="first"}'] == 5
    assert found['relay_attempts_total{backend="a",outcome="delivered"}'] == 6
    assert found['relay_deliveries{backend="a",state="dead"}'] == 1
    assert found['relay_backend_up{backend="a",type="fake"}'] == 0
    assert found['relay_tail_behind_bytes{source="shop"}'] == 10
    assert found['relay_socket_bad_lines_total{source="apps",why="bad_json"}'] == 2
    assert found['relay_http_requests_total{method="GET",route="/metrics",status="200"}'] == 1
    assert found["relay_intake_events"] == 3
    assert found["relay_config_last_reload_successful"] == 1
    assert found["relay_event_loop_lag_seconds"] == 0.25
    assert found["relay_intake_full"] == 0
    assert found["relay_store_commit_seconds_count"] == 0
    assert found['relay_outbox_overdue_seconds{backend="a"}'] == 7.5
    assert found["relay_ping_answered_timestamp_seconds"] == 1.5
    assert found["relay_ping_withheld"] == 0
    assert (found["relay_drill_timestamp_seconds"], found["relay_drill_successful"]) == (2.5, 0)
    assert found["process_resident_memory_bytes"] > 1e6
