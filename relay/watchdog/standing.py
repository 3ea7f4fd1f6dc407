"""How a check stands: given how it stood and what a look found, how it stands now and what that means.

Down after `failures` (in a row, or so many of the latest), up again after `recovers` in a row. A look that
could not judge neither ends nor lengthens a row. While a service starts, failures don't count.
"""

from __future__ import annotations

import enum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from relay.config.checks import MissesOf
from relay.config.schema import Watch
from relay.models import CheckRecord
from relay.watchdog.verdict import Kind, Verdict

_ONE: Final = 1


class Turn(enum.Enum):
    """What a look changed."""

    NOTHING = "nothing"
    FELL = "fell"  # it is down now
    UNHELPED = "unhelped"  # it was given time to start, and is still down
    ROSE = "rose"  # it is up again
    BLINDED = "blinded"  # it can't be judged for as many looks as would have made it down


class Moment(Struct, frozen=True):
    """Now, on both clocks: `wall` for what is kept, `mono` for what lies between two looks."""

    wall: float
    mono: float


class Standing(Struct, frozen=True, kw_only=True):
    """How a check stands. Monotonic times; only the record outlives relay."""

    record: CheckRecord
    recent: tuple[bool, ...] = ()  # whether the latest judged looks held, newest last
    blind: int = 0  # looks in a row that could not judge
    starting_until: float = 0.0  # until then a failure is no news
    verifying: bool = False  # it is down, and what follows `starting_until` is the verdict on a restart
    failing_since: float = 0.0  # the first failure of the row that goes on; 0.0: the latest look held
    down_since: float = 0.0  # when it came down, if relay saw it; 0.0: before relay started
    looked_at: float = 0.0  # the latest judged look
    text: str = ""  # what the latest look found

    @property
    def word(self) -> str:
        """`up`, `down`, `starting` or `unknown`."""
        if self.blind and not self.record.down:
            return "unknown"
        if self.record.down:
            return "down"
        if self.recent and self.recent[-1]:
            return "up"
        return "starting" if self.starting_until or not self.recent else "up"


def started(record: CheckRecord, watch: Watch, now: Moment) -> Standing:
    """A check when relay begins to watch it (again)."""
    kept = record if record.first_seen else replace(record, first_seen=now.wall)
    return Standing(record=kept, starting_until=now.mono + watch.start_grace, verifying=record.down)


def judged(standing: Standing, watch: Watch, verdict: Verdict, now: Moment) -> tuple[Standing, Turn]:
    """The look's consequence."""
    if verdict.kind is Kind.LATE:
        return standing, Turn.NOTHING
    if verdict.kind is Kind.UNKNOWN:
        blind = standing.blind + 1
        turn = Turn.BLINDED if blind == _needed(watch) else Turn.NOTHING
        return replace(standing, blind=blind, text=verdict.text), turn
    held = verdict.kind is Kind.HELD
    standing = replace(
        standing,
        recent=(*standing.recent, held)[-_kept(watch) :],
        blind=0,
        looked_at=now.mono,
        text=verdict.text,
        failing_since=0.0 if held else standing.failing_since or now.mono,
    )
    return _held(standing, watch, now) if held else _failed(standing, watch, now)


def restarted(standing: Standing, watch: Watch, now: Moment) -> Standing:
    """A remedy has just been applied: the same check verifies it."""
    return replace(standing, starting_until=now.mono + watch.start_grace, verifying=True, recent=())


def excused(standing: Standing, watch: Watch, now: Moment) -> Standing:
    """Its cause works again, or the pause is over: it gets its time to start before it is judged anew."""
    fresh = standing if standing.record.down else replace(standing, recent=(), failing_since=0.0)
    return replace(fresh, starting_until=now.mono + watch.start_grace)


def outage(standing: Standing, now: Moment) -> float:
    """Seconds that it has been down; a clock that was set doesn't matter where relay saw it fall."""
    if standing.down_since:
        return now.mono - standing.down_since
    return max(0.0, now.wall - standing.record.since)


def _held(standing: Standing, watch: Watch, now: Moment) -> tuple[Standing, Turn]:
    if not standing.record.down:
        since = standing.record.since or now.wall
        return replace(
            standing, starting_until=0.0, record=replace(standing.record, since=since)
        ), Turn.NOTHING
    if len(standing.recent) < watch.recovers or not all(standing.recent[-watch.recovers :]):
        return standing, Turn.NOTHING
    up = replace(standing.record, down=False, since=now.wall)
    return replace(standing, record=up, starting_until=0.0, verifying=False, recent=(True,)), Turn.ROSE


def _failed(standing: Standing, watch: Watch, now: Moment) -> tuple[Standing, Turn]:
    if now.mono < standing.starting_until:
        return standing, Turn.NOTHING
    if standing.record.down:
        if not standing.verifying:
            return standing, Turn.NOTHING
        return replace(standing, verifying=False, starting_until=0.0), Turn.UNHELPED
    if not _is_down(standing.recent, watch):
        return standing, Turn.NOTHING
    down = replace(standing.record, down=True, since=now.wall)
    fallen = replace(standing, record=down, starting_until=0.0, down_since=standing.failing_since)
    return fallen, Turn.FELL


def _is_down(recent: tuple[bool, ...], watch: Watch) -> bool:
    if watch.heartbeat is not None:
        return True
    misses = watch.failures
    if isinstance(misses, MissesOf):
        return recent[-misses.of :].count(False) >= misses.count
    return len(recent) >= misses and not any(recent[-misses:])


def _needed(watch: Watch) -> int:
    """Failures that make it down."""
    if watch.heartbeat is not None:
        return _ONE
    return watch.failures.count if isinstance(watch.failures, MissesOf) else watch.failures


def _kept(watch: Watch) -> int:
    wanted = watch.failures.of if isinstance(watch.failures, MissesOf) else watch.failures
    return max(wanted, watch.recovers)
