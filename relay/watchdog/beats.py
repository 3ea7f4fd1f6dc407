"""A job's signs of life, and whether one is overdue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from relay.config import cron
from relay.config.checks import Heartbeat
from relay.config.schema import Watch
from relay.models import CheckRecord, Event, Level
from relay.text import one_line
from relay.values import format_duration
from relay.watchdog.verdict import Kind, Verdict

LABEL: Final = "beat"  # of an event that is a sign of life: its value is the entry's name
EARLY: Final = 60.0  # seconds by which a clock elsewhere may be ahead of ours
NOT_RERUN: Final = 3 * 3600.0  # cron(8): a clock set back by less makes no job run again


def heard(record: CheckRecord, event: Event, now: float) -> CheckRecord:
    """The record after a sign of life; one at level error or above says that the job failed."""
    failed = one_line(event.message, 200) if event.level >= Level.ERROR else ""
    return replace(record, beat_at=now, beat_failed=failed)


def failed(event: Event, entries: Mapping[str, Watch]) -> str:
    """The heartbeat whose job says, by this event, that it failed; "" if it is no such event.

    The check tells of it, once: the event by itself would be a second alert, which nothing ends.
    """
    name = event.labels.get(LABEL, "")
    watch = entries.get(name) if event.program and event.level >= Level.ERROR else None
    return name if watch is not None and watch.heartbeat is not None else ""


def rebased(heartbeat: Heartbeat, record: CheckRecord, now: float, jump: float) -> CheckRecord:
    """The record by the clock as it goes now; it was set by `jump` seconds since the latest look.

    `every` is time that passes while the host is awake: its times move along. A cron job follows the clock;
    but for one set back by less than three hours cron(8) runs no job again, so what it said keeps counting.
    """
    is_cron = heartbeat.every is None
    moved, latest = (0.0, now + NOT_RERUN) if is_cron else (jump, now)
    beat_at = min(record.beat_at + moved, latest) if record.beat_at else 0.0
    first_seen = min(record.first_seen + moved, latest)
    if (beat_at, first_seen) == (record.beat_at, record.first_seen):
        return record
    return replace(record, beat_at=beat_at, first_seen=first_seen)


def overdue(heartbeat: Heartbeat, record: CheckRecord, now: float) -> str:
    """What is missing at `now`, were there no grace, in words; empty if nothing."""
    beat_at, first_seen = record.beat_at, record.first_seen
    if heartbeat.every is not None:
        if now <= max(beat_at, first_seen) + heartbeat.every:
            return ""
        return f"no sign of life {_since(beat_at, now)}: one is due every {format_duration(heartbeat.every)}"
    zone = ZoneInfo(heartbeat.zone) if heartbeat.zone else None
    expected = cron.latest(heartbeat.cron, now, zone)
    if expected is None or expected < first_seen or beat_at >= expected - EARLY:
        return ""
    ago = format_duration(now - expected)
    return f"no sign of life {_since(beat_at, now)}: one was due {ago} ago ({heartbeat.cron})"


def judge(heartbeat: Heartbeat, record: CheckRecord, now: float, late: float) -> Verdict:
    """How the job stands at `now`; `late` is for how long relay itself has seen it overdue.

    So the grace is time in which a sign of life would have been heard: it begins anew where relay was away
    or the clock jumped over the time when it was due. It is no reason to call up what was told to be down.
    """
    if record.beat_failed:
        return Verdict(Kind.FAILED, f"the job said: {record.beat_failed}")
    if missing := overdue(heartbeat, record, now):
        if record.down or late >= heartbeat.grace:
            return Verdict(Kind.FAILED, missing)
        return Verdict(Kind.HELD, f"within its grace: {missing}")
    if not record.beat_at:
        return Verdict(Kind.HELD, "waits for its first sign of life")
    return Verdict(Kind.HELD, f"gave a sign of life {format_duration(max(0.0, now - record.beat_at))} ago")


def _since(beat_at: float, now: float) -> str:
    return f"for {format_duration(now - beat_at)}" if beat_at else "ever"
