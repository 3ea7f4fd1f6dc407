"""The watchdog's checks as Prometheus' families: the label `check` names an entry of rules.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from relay.metrics import Family, Histogram, labelled, spread
from relay.models import Json

STATES: Final = ("up", "down", "unknown", "starting", "waiting")
# Of an entry's row: key -> (name, kind, help).
_VALUES: Final[Mapping[str, tuple[str, Literal["counter", "gauge"], str]]] = {
    "gave_up": ("relay_check_given_up", "gauge", "1: it is restarted no more."),
    "looked_at": (
        "relay_check_judged_timestamp_seconds",
        "gauge",
        "When a look could last judge it. 0: none could since relay's start.",
    ),
    "look_seconds": ("relay_check_look_seconds", "gauge", "How long the latest look took."),
    "restarts_begun": ("relay_check_restarts_total", "counter", "Restarts begun."),
}
# Of those that count by name: key -> (name, the name's label, help).
_COUNTS: Final[Mapping[str, tuple[str, str, str]]] = {
    "looks": ("relay_check_looks_total", "outcome", "Looks; `late`: relay itself was held up meanwhile."),
    "restart_results": ("relay_check_restart_results_total", "result", "What came of restarts."),
}


def of_checks(rows: Sequence[Json], look_seconds: Histogram) -> Iterator[Family]:
    """All of them; no samples where nothing is watched."""
    states = {(row["name"], state): row["standing"] == state for row in rows for state in STATES}
    yield labelled(
        "relay_check_state",
        "gauge",
        "1: so it stands; `waiting`: it fails, and so does what it depends on.",
        ("check", "state"),
        states,
    )
    paused = {(row["name"],): row["state"] == "paused" for row in rows}
    yield labelled("relay_check_paused", "gauge", "1: it isn't looked at.", ("check",), paused)
    for key, (name, kind, text) in _VALUES.items():
        yield labelled(name, kind, text, ("check",), {(row["name"],): row[key] for row in rows})
    for key, (name, label, text) in _COUNTS.items():
        counts: dict[tuple[Any, ...], float] = {
            (row["name"], what.replace(" ", "_")): count for row in rows for what, count in row[key].items()
        }
        yield labelled(name, "counter", text, ("check", label), counts)
    beats = {(row["name"],): row["beat_at"] for row in rows if row["heartbeat"]}
    text = "The latest sign of life. 0: none yet."
    yield labelled("relay_heartbeat_timestamp_seconds", "gauge", text, ("check",), beats)
    looks = "How long looks took, of all checks."
    yield spread("relay_look_seconds", looks, [({}, look_seconds)] if rows else [])
