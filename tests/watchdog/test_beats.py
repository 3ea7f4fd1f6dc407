from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from relay.config.checks import Heartbeat
from relay.config.schema import Watch
from relay.models import CheckRecord, Event, Level
from relay.watchdog.beats import heard, judge, rebased
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


def kind(
    heartbeat: Heartbeat, now: float, *, beat: float = 0.0, first: float = T, listened: float = 1e6
) -> Kind:
    return judge(heartbeat, CheckRecord(name="job", beat_at=beat, first_seen=first), now, listened).kind


def test_a_sign_of_life_is_due_every_so_often_with_grace() -> None:
    assert kind(HOURLY, T + HOUR + 300, beat=T) is Kind.HELD
    assert kind(HOURLY, T + HOUR + 301, beat=T) is Kind.FAILED


def test_a_job_that_never_reports_is_told_too() -> None:
    assert kind(HOURLY, T + 300) is Kind.HELD
    assert kind(HOURLY, T + HOUR + 301) is Kind.FAILED


def test_what_came_due_while_relay_was_away_gets_its_grace_again() -> None:
    assert kind(HOURLY, T + 5 * HOUR, beat=T, listened=60) is Kind.HELD
    assert kind(HOURLY, T + 5 * HOUR, beat=T, listened=301) is Kind.FAILED


async def test_a_clock_set_back_is_not_silence_for_longer_than_configured() -> None:
    for heartbeat, later in ((HOURLY, HOUR + 301), (NIGHTLY, 24 * HOUR)):
        future = CheckRecord(name="job", beat_at=T + 90 * HOUR, first_seen=T + 90 * HOUR)
        entry = Entry("job", Watch(heartbeat=heartbeat), future, Moment(T + 90 * HOUR, 0.0), 0.0)
        found = [
            await entry.look(Tools(), Lag(), Moment(T + passed, 1000.0 + passed)) for passed in (0, later)
        ]
        assert [each.kind for each in found] == [Kind.HELD, Kind.FAILED]


def test_what_is_not_of_the_future_stays() -> None:
    record = CheckRecord(name="job", beat_at=T, first_seen=T - 1)
    assert rebased(record, T) is record


def test_a_nightly_job() -> None:
    first = wall("2026-05-01T00:00")
    assert kind(NIGHTLY, wall("2026-05-06T02:39"), beat=wall("2026-05-05T02:31"), first=first) is Kind.HELD
    assert kind(NIGHTLY, wall("2026-05-06T02:41"), beat=wall("2026-05-05T02:31"), first=first) is Kind.FAILED
    assert kind(NIGHTLY, wall("2026-05-06T02:41"), beat=wall("2026-05-06T02:35"), first=first) is Kind.HELD
    early = wall("2026-05-06T02:30") - 3  # a clock elsewhere is ahead
    assert kind(NIGHTLY, wall("2026-05-06T02:41"), beat=early, first=first) is Kind.HELD


def test_a_nightly_job_on_the_night_whose_hour_is_skipped() -> None:
    first, beat = wall("2026-03-01T00:00"), wall("2026-03-28T02:31")
    assert kind(NIGHTLY, wall("2026-03-29T09:00"), beat=beat, first=first) is Kind.HELD  # 02:30 never came
    assert kind(NIGHTLY, wall("2026-03-30T02:41"), beat=beat, first=first) is Kind.FAILED


def test_a_job_that_is_not_due_yet_is_waited_for() -> None:
    assert kind(NIGHTLY, wall("2026-05-05T23:00"), first=wall("2026-05-05T12:00")) is Kind.HELD


def test_a_job_may_say_that_it_failed() -> None:
    event = Event(time=T, source="apps", module="x", level=Level.ERROR, message="disk full\nmore")
    record = heard(CheckRecord(name="job", first_seen=T), event, T)
    assert judge(HOURLY, record, T + 1, 0.0).text == "the job said: disk full more"
    fine = heard(record, Event(time=T, source="apps", module="x", level=Level.INFO, message="ok"), T + 2)
    assert judge(HOURLY, fine, T + 3, 0.0).kind is Kind.HELD
