"""relay's own vital signs: told when bad for a while, once, and once when good again."""

import pytest

from relay.clock import FakeClock
from relay.metrics import Histogram
from relay.models import Batch
from relay.sources.intake import Intake
from relay.vitals import OVER, Condition, Vitals
from tests.fakes import Reports, event


class Stage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.intake = Intake(high_events=10)
        self.commits = Histogram()
        self.reports = Reports()
        self.vitals = Vitals(self.clock, self.intake, self.commits, self.reports)

    def look(self, seconds: int, lag: float = 0.0) -> None:
        for _ in range(seconds):
            self.clock.advance(1.0)
            self.vitals.look(lag)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_loop_that_is_late_once_is_measured_and_not_told(stage: Stage) -> None:
    stage.look(5)
    stage.look(1, lag=4.0)
    assert stage.vitals.lag == 4.0
    assert not stage.vitals.on_time
    stage.look(20)
    assert stage.vitals.status()["lag"] == 4.0
    assert max(list(stage.vitals._lags)[-10:]) == 0.0
    assert stage.reports.told == []


def test_a_loop_that_stays_late_is_told_once_and_once_when_it_is_over(stage: Stage) -> None:
    stage.look(30, lag=1.5)
    assert stage.reports.told == [("vitals", "event loop", False)]
    stage.look(int(OVER) - 1)
    assert len(stage.reports.told) == 1
    stage.look(12)
    assert stage.reports.told[1:] == [("vitals", "event loop", True)]


def test_a_slow_store_is_told(stage: Stage) -> None:
    for _ in range(40):
        stage.commits.observe(0.002)
        stage.look(1)
    assert stage.reports.told == []
    for _ in range(61):
        stage.commits.observe(2.5)
        stage.look(1)
    assert stage.reports.told == [("vitals", "store", False)]
    assert stage.vitals.status()["commit_seconds"] > 1.0
    stage.look(130)  # nothing is written any more: not slow
    assert stage.reports.told[1:] == [("vitals", "store", True)]


def test_a_queue_that_is_full_for_a_minute_is_told(stage: Stage) -> None:
    stage.intake.put_nowait(Batch(events=[event()] * 20))
    stage.look(59)
    assert stage.reports.told == []
    stage.look(3)
    assert stage.reports.told == [("vitals", "queue", False)]


def test_a_queue_that_is_emptied_in_between_is_not(stage: Stage) -> None:
    for _ in range(5):
        stage.intake.put_nowait(Batch(events=[event()] * 20))
        stage.look(50)
        stage.intake._open.set()
        stage.look(1)
        stage.intake._open.clear()
    assert stage.reports.told == []


def test_a_condition_that_comes_back_soon_is_told_once() -> None:
    condition = Condition("x", after=2.0)
    changes = [condition.feed(holds=now % 10 < 5, now=float(now)) for now in range(100)]
    assert [each for each in changes if each] == ["begins"]
    assert condition.feed(holds=False, now=200.0) == "ends"
