"""Entries and moments for the watchdog's tests."""

from __future__ import annotations

from typing import Any

from relay.config.schema import Watch
from relay.models import CheckRecord
from relay.watchdog.standing import Moment, Standing, Turn, judged, started
from relay.watchdog.verdict import Kind, Verdict

WALL = 1_767_600_000.0
HELD, FAILED = Verdict(Kind.HELD, "fine"), Verdict(Kind.FAILED, "connection refused")
UNKNOWN, LATE = Verdict(Kind.UNKNOWN, "the bus is away"), Verdict(Kind.LATE, "held up")


def at(seconds: float) -> Moment:
    return Moment(WALL + seconds, 1000.0 + seconds)


def watch(**fields: Any) -> Watch:
    return Watch(**{"check": "tcp://127.0.0.1:1", "start_grace": 1.0, **fields})


def after(
    looks: list[Verdict], entry: Watch, record: CheckRecord | None = None
) -> tuple[Standing, list[Turn]]:
    """Where looks 10 s apart lead, the first 10 s after the start."""
    standing = started(record or CheckRecord(name="web"), entry, at(0))
    turns = []
    for number, look in enumerate(looks, start=1):
        standing, turn = judged(standing, entry, look, at(10.0 * number))
        turns.append(turn)
    return standing, turns
