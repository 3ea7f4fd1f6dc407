"""What `relay status` knows, and what is counted, as Prometheus' families."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from relay.metrics import Family, Sample, labelled, single, spread
from relay.models import Json
from relay.web.checks import of_checks
from relay.web.inside import Counts, Tallies

_PAGE: Final = resource.getpagesize()
# Of a source's status: key -> (name, kind, help).
_OF_SOURCES: Final[Mapping[str, tuple[str, Any, str]]] = {
    "files": ("relay_tail_files", "gauge", "Files followed."),
    "behind": ("relay_tail_behind_bytes", "gauge", "Bytes written that are not read yet."),
    "connections": ("relay_socket_connections", "gauge", "Writers connected."),
    "refused": ("relay_socket_connections_refused_total", "counter", "Connections over a limit."),
}


def families(status: Json, checks: Sequence[Json], tallies: Tallies, counts: Counts) -> list[Family]:
    """All of them."""
    return [
        *_of_relay(status),
        *_of_itself(status),
        *of_checks(checks, tallies.look_seconds),
        *_of_events(status, tallies),
        *_of_deliveries(status, tallies),
        *_of_sources(status["sources"]),
        *_of_port(counts),
        *_of_process(status["started_at"]),
    ]


def _of_relay(status: Json) -> Iterator[Family]:
    store = status["store"]
    build = [Sample(1, {"version": status["version"]})]
    yield Family("relay_build_info", "gauge", "Always 1; the version is a label.", build)
    refused = bool(status["refused"])
    yield single("relay_config_last_reload_successful", "gauge", "0: an edit was refused.", not refused)
    lag = status["vitals"]["lag"]
    yield single("relay_event_loop_lag_seconds", "gauge", "At worst, of the last minute.", lag)
    taken = status["pipeline"]["store"] == "ok"
    yield single("relay_store_writable", "gauge", "0: the store takes nothing.", taken)
    yield single("relay_store_bytes", "gauge", "The store on disk.", store["bytes"])
    yield single("relay_store_events", "gauge", "Events in the store.", store["events"])


def _of_itself(status: Json) -> Iterator[Family]:
    """Who watches the watchdog."""
    if ping := status["ping"]:
        at = ping["answered_at"]
        yield single("relay_ping_answered_timestamp_seconds", "gauge", "When the ping URL last answered.", at)
        failures = ping["failures"]
        yield single("relay_ping_failures", "gauge", "Calls of the ping URL that failed, in a row.", failures)
        withheld = bool(ping["withheld"])
        yield single("relay_ping_withheld", "gauge", "1: relay isn't well, and calls nobody.", withheld)
    if drill := status["drill"]:
        last = drill["last"]
        at = last["at"] if last else 0.0
        yield single("relay_drill_timestamp_seconds", "gauge", "When the last drill began. 0: never.", at)
        if last:
            yield single("relay_drill_successful", "gauge", "0: the last drill failed.", not last["wrong"])


def _of_events(status: Json, tallies: Tallies) -> Iterator[Family]:
    pipeline = status["pipeline"]
    yield labelled(
        "relay_events_total",
        "counter",
        "Events by the source they came from, the rule that took them, and what was decided.",
        ("source", "rule", "reason"),
        tallies.events,
    )
    repeated = pipeline["events"].get("repeated_ids", 0)
    yield single("relay_events_repeated_total", "counter", "Events whose id was known already.", repeated)
    own = pipeline["events"].get("own_lines", 0)
    yield single("relay_own_lines_total", "counter", "Lines of relay's own log that came back.", own)
    yield single("relay_intake_events", "gauge", "Events that wait for the pipeline.", pipeline["waiting"])
    yield single("relay_intake_full", "gauge", "1: writers and files wait.", pipeline["full"])
    alerts = _keyed(status["store"]["alerts"])
    yield labelled("relay_alerts", "gauge", "Alerts in the store, by state.", ("state",), alerts)
    commits = tallies.commit_seconds
    yield spread("relay_store_commit_seconds", "Until a batch of events was durable.", [({}, commits)])


def _of_deliveries(status: Json, tallies: Tallies) -> Iterator[Family]:
    held = {
        (backend, state): count
        for backend, states in status["store"]["deliveries"].items()
        for state, count in states.items()
    }
    yield labelled(
        "relay_deliveries", "gauge", "Deliveries in the store, by state.", ("backend", "state"), held
    )
    outcomes = ("backend", "outcome")
    yield labelled("relay_attempts_total", "counter", "Attempts by outcome.", outcomes, tallies.attempts)
    seconds = [({"backend": name}, each) for name, each in tallies.attempt_seconds.items()]
    yield spread("relay_attempt_seconds", "Until the service had answered.", seconds)
    up = {(each["backend"], each["type"]): each["state"] != "down" for each in status["backends"]}
    yield labelled("relay_backend_up", "gauge", "0: messages wait or go round it.", ("backend", "type"), up)
    late = {(backend,): seconds for backend, seconds in status["overdue"].items()}
    text = "By how much the message that waits longest is overdue."
    yield labelled("relay_outbox_overdue_seconds", "gauge", text, ("backend",), late)
    flying = {(each["backend"],): each["in_flight"] for each in status["backends"]}
    yield labelled("relay_backend_in_flight", "gauge", "Messages on their way.", ("backend",), flying)


def _of_sources(sources: Iterable[Json]) -> Iterator[Family]:
    sources = list(sources)
    for key, (name, kind, text) in _OF_SOURCES.items():
        found = {(each["source"],): each[key] for each in sources if key in each}
        yield labelled(name, kind, text, ("source",), found)
    bad = {(each["source"], why): count for each in sources for why, count in each.get("bad", {}).items()}
    yield labelled(
        "relay_socket_bad_lines_total", "counter", "Lines that make no event.", ("source", "why"), bad
    )


def _of_port(counts: Counts) -> Iterator[Family]:
    requests = {
        (method, route, str(status)): count for (method, route, status), count in counts.requests.items()
    }
    labels = ("method", "route", "status")
    yield labelled("relay_http_requests_total", "counter", "Requests answered.", labels, requests)
    yield labelled(
        "relay_http_refused_total", "counter", "Requests refused.", ("why",), _keyed(counts.refused)
    )
    refused = counts.connections_refused
    yield single("relay_http_connections_refused_total", "counter", "Connections over the limit.", refused)
    yield labelled(
        "relay_callbacks_total",
        "counter",
        "Reports of services on messages they had accepted.",
        ("backend", "result"),
        counts.callbacks,
    )


def _of_process(started_at: float) -> Iterator[Family]:
    """By the names that every exporter uses."""
    used = os.times()
    yield single("process_cpu_seconds_total", "counter", "CPU time used.", used.user + used.system)
    yield single("process_start_time_seconds", "gauge", "When the process started.", started_at)
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all that is wanted
    except OSError:
        return
    yield single("process_resident_memory_bytes", "gauge", "Memory in use.", pages * _PAGE)
    yield single("process_open_fds", "gauge", "Open files.", files)


def _keyed(values: Mapping[str, float]) -> dict[tuple[str], float]:
    return {(key,): value for key, value in values.items()}
