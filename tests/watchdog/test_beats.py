from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from relay.config.checks import Heartbeat
from relay.config.schema import Watch
from relay.models import CheckRecord, Event, Level
from relay.watchdog.beats import heard, judge, overdue
from relay.watchdog.entry import Entry
from relay.watchdog.lag import Lag
from relay.watchdog.standing import Moment
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import Kind

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600.0
HOURLY = Heartbeat(every=HOUR, grace=300.0)
NIGHTLY = Heartbeat(cron="30 2 * * *", grace=600.0, zone="Europe/Berlin")


def wall(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


T = wall("2026-05-05T12:00")


class Job:
    """A heartbeat while relay listens: looked at each minute, on a wall clock that can be set."""

    def __init__(self, heartbeat: Heartbeat, wall: float, *, beat: float = 0.0, first: float = 0.0) -> None:
        self.heartbeat, self.wall, self.mono = heartbeat, wall, 1000.0
        self.entry = self.listens(CheckRecord(name="job", beat_at=beat, first_seen=first or wall))

    def listens(self, record: CheckRecord) -> Entry:
        return Entry("job", Watch(heartbeat=self.heartbeat), record, self.now, 0.0)

    @property
    def now(self) -> Moment:
        return Moment(self.wall, self.mono)

    def beats(self) -> None:
        event = Event(time=self.wall, source="apps", module="x", level=Level.INFO, message="ok")
        self.entry.heed_clock(self.heartbeat, self.now)
        record = heard(self.entry.record, event, self.wall)
        self.entry.standing = replace(self.entry.standing, record=record)

    async def after(self, seconds: float) -> Kind:
        """How it stands when so much time has passed."""
        self.found = await self.entry.look(Tools(), Lag(), self.now)
        while seconds > 0:
            step = min(60.0, seconds)
            self.wall, self.mono, seconds = self.wall + step, self.mono + step, seconds - step
            self.found = await self.entry.look(Tools(), Lag(), self.now)
        return self.found.kind


async def test_a_sign_of_life_is_due_every_so_often_with_grace() -> None:
    job = Job(HOURLY, T, beat=T)
    assert await job.after(HOUR + 300) is Kind.HELD
    assert await job.after(60) is Kind.FAILED
    assert job.found.text == "no sign of life for 1 h 6 min: one is due every 1 h"
    job.beats()
    assert await job.after(0) is Kind.HELD


async def test_a_job_that_never_reports_is_told_too() -> None:
    job = Job(HOURLY, T)
    assert await job.after(HOUR + 300) is Kind.HELD
    assert await job.after(60) is Kind.FAILED


@pytest.mark.parametrize("heartbeat", [HOURLY, NIGHTLY])
async def test_what_came_due_while_relay_was_away_gets_its_grace_again(heartbeat: Heartbeat) -> None:
    job = Job(heartbeat, T + 50 * HOUR, beat=T, first=T)
    assert await job.after(heartbeat.grace - 1) is Kind.HELD
    assert await job.after(1) is Kind.FAILED


async def test_one_that_is_down_isnt_up_because_relay_was_away() -> None:
    job = Job(HOURLY, T + 50 * HOUR)
    job.entry = job.listens(CheckRecord(name="job", beat_at=T, first_seen=T, down=True))
    assert await job.after(0) is Kind.FAILED


@pytest.mark.parametrize("jump", [-30 * 24 * HOUR, -HOUR, -5.0, 5.0, HOUR, 30 * 24 * HOUR])
async def test_every_is_time_that_passes_however_the_clock_is_set(jump: float) -> None:
    job = Job(HOURLY, T)
    job.beats()
    assert await job.after(0.5 * HOUR) is Kind.HELD
    job.wall += jump
    assert await job.after(0.5 * HOUR + 300) is Kind.HELD
    assert await job.after(60) is Kind.FAILED
    assert job.found.text.startswith("no sign of life for 1 h 6 min")


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
async def test_a_sign_of_life_that_is_heard_before_the_jump_is_seen(jump: float) -> None:
    job = Job(HOURLY, T)
    await job.after(0.5 * HOUR)
    job.wall += jump
    job.beats()
    assert await job.after(HOUR) is Kind.HELD
    assert await job.after(361) is Kind.FAILED


async def test_an_edit_at_the_moment_of_a_jump_loses_neither() -> None:
    job = Job(HOURLY, T, beat=T)
    await job.after(0.5 * HOUR)
    job.wall += 5 * HOUR
    old, job.entry = job.entry, job.listens(job.entry.record)
    job.entry.follow(old)
    assert await job.after(0.5 * HOUR + 300) is Kind.HELD
    assert await job.after(60) is Kind.FAILED


async def test_an_edit_gives_no_grace_again() -> None:
    job = Job(HOURLY, T, beat=T)
    await job.after(HOUR + 300)
    old, job.entry = job.entry, job.listens(job.entry.record)
    job.entry.follow(old)
    assert await job.after(60) is Kind.FAILED


async def test_a_jump_over_a_deadline_leaves_a_cron_job_its_grace() -> None:
    job = Job(NIGHTLY, wall("2026-05-06T01:50"), beat=wall("2026-05-05T02:31"), first=T - 48 * HOUR)
    assert await job.after(300) is Kind.HELD
    job.wall += HOUR
    assert await job.after(599) is Kind.HELD
    assert await job.after(1) is Kind.FAILED


async def test_a_clock_that_jumps_again_and_again_hides_no_dead_cron_job() -> None:
    job = Job(NIGHTLY, wall("2026-05-06T02:20"), beat=wall("2026-05-05T02:31"), first=T - 48 * HOUR)
    for _ in range(11):
        await job.after(120)
        job.wall += 3.0
    assert job.found.kind is Kind.FAILED


async def test_a_cron_job_that_ran_before_the_clock_was_set_back_need_not_run_again() -> None:
    job = Job(NIGHTLY, wall("2026-05-06T02:20"), beat=wall("2026-05-05T02:31"), first=T - 48 * HOUR)
    await job.after(660)
    job.beats()  # at 02:31
    job.wall -= HOUR
    assert await job.after(6 * HOUR) is Kind.HELD
    assert await job.after(20 * HOUR) is Kind.FAILED


@pytest.mark.parametrize(("heartbeat", "period"), [(HOURLY, HOUR), (NIGHTLY, 27 * HOUR)])
async def test_a_clock_set_back_while_relay_was_away_is_not_silence_for_longer(
    heartbeat: Heartbeat, period: float
) -> None:
    job = Job(heartbeat, T, beat=T + 90 * HOUR, first=T + 90 * HOUR)
    assert await job.after(0) is Kind.HELD
    assert await job.after(period + heartbeat.grace + 60) is Kind.FAILED


async def test_a_record_that_need_not_move_is_the_same() -> None:
    job = Job(HOURLY, T, beat=T - 1)
    record = job.entry.record
    job.wall += 1.9
    await job.after(120)
    assert job.entry.record is record


def due(now: str, beat: str, first: str = "2026-03-01T00:00") -> bool:
    record = CheckRecord(name="job", beat_at=wall(beat), first_seen=wall(first))
    return bool(overdue(NIGHTLY, record, wall(now)))


def test_a_nightly_job() -> None:
    assert not due("2026-05-06T02:29", beat="2026-05-05T02:31")
    assert due("2026-05-06T02:30", beat="2026-05-05T02:31")
    assert not due("2026-05-06T02:41", beat="2026-05-06T02:35")
    assert not due("2026-05-06T02:41", beat="2026-05-06T02:29:57")  # a clock elsewhere is ahead


def test_a_nightly_job_on_the_night_whose_hour_is_skipped() -> None:
    assert not due("2026-03-29T09:00", beat="2026-03-28T02:31")  # 02:30 never came
    assert due("2026-03-30T02:41", beat="2026-03-28T02:31")


def test_a_job_that_is_not_due_yet_is_waited_for() -> None:
    record = CheckRecord(name="job", first_seen=wall("2026-05-05T12:00"))
    assert not overdue(NIGHTLY, record, wall("2026-05-05T23:00"))
    assert judge(NIGHTLY, record, wall("2026-05-05T23:00"), 0.0).text == "waits for its first sign of life"


def test_a_job_may_say_that_it_failed() -> None:
    event = Event(time=T, source="apps", module="x", level=Level.ERROR, message="disk full\nmore")
    record = heard(CheckRecord(name="job", first_seen=T), event, T)
    assert judge(HOURLY, record, T + 1, 0.0).text == "the job said: disk full more"
    fine = heard(record, Event(time=T, source="apps", module="x", level=Level.INFO, message="ok"), T + 2)
    assert judge(HOURLY, fine, T + 3, 0.0).kind is Kind.HELD
