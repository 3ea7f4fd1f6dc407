"""A job's signs of life, and whether one is overdue."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from relay.config import cron
from relay.config.checks import Heartbeat
from relay.models import CheckRecord, Event, Level
from relay.text import one_line
from relay.values import format_duration
from relay.watchdog.verdict import Kind, Verdict

LABEL: Final = "beat"  # of an event that is a sign of life: its value is the entry's name
EARLY: Final = 60.0  # seconds by which a clock elsewhere may be ahead of ours


def heard(record: CheckRecord, event: Event, now: float) -> CheckRecord:
    """The record after a sign of life; one at level error or above says that the job failed."""
    failed = one_line(event.message, 200) if event.level >= Level.ERROR else ""
    return replace(record, beat_at=now, beat_failed=failed)


def rebased(record: CheckRecord, now: float) -> CheckRecord:
    """The record after the clock was set back: what it says of a time to come was no later than now."""
    if record.beat_at <= now and record.first_seen <= now:
        return record
    return replace(record, beat_at=min(record.beat_at, now), first_seen=min(record.first_seen, now))


def judge(heartbeat: Heartbeat, record: CheckRecord, now: float, listened: float) -> Verdict:
    """How the job stands at `now`; `listened` is for how long relay has, whatever the clock was set to."""
    if record.beat_failed:
        return Verdict(Kind.FAILED, f"the job said: {record.beat_failed}")
    beat_at = record.beat_at
    overdue = _overdue(heartbeat, record.first_seen, beat_at, now)
    if overdue and listened <= heartbeat.grace:  # what came due while relay was away gets its grace again
        return Verdict(Kind.HELD, "waits for a sign of life: relay was away")
    if overdue:
        return Verdict(Kind.FAILED, overdue)
    if not beat_at:
        return Verdict(Kind.HELD, "waits for its first sign of life")
    return Verdict(Kind.HELD, f"gave a sign of life {format_duration(now - beat_at)} ago")


def _overdue(heartbeat: Heartbeat, first_seen: float, beat_at: float, now: float) -> str:
    """What is wrong, in words; empty if nothing."""
    if heartbeat.every is not None:
        if now <= max(beat_at, first_seen) + heartbeat.every + heartbeat.grace:
            return ""
        return f"no sign of life {_since(beat_at, now)}: one is due every {format_duration(heartbeat.every)}"
    zone = ZoneInfo(heartbeat.zone) if heartbeat.zone else None
    expected = cron.latest(heartbeat.cron, now - heartbeat.grace, zone)
    if expected is None or expected < first_seen or beat_at >= expected - EARLY:
        return ""
    ago = format_duration(now - expected)
    return f"no sign of life {_since(beat_at, now)}: one was due {ago} ago ({heartbeat.cron})"


def _since(beat_at: float, now: float) -> str:
    return f"for {format_duration(now - beat_at)}" if beat_at else "ever"
