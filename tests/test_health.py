"""When a backend is down, and what says so."""

from relay.backends.base import Receipt
from relay.clock import FakeClock
from relay.errors import BackendDownError, RateLimitedError, RejectedError, TemporaryError
from relay.health import FAILURES_UNTIL_DOWN, Health
from tests.fakes import Reports


class Patient:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.reports = Reports()
        self.health = Health("a", self.clock, self.reports)

    def learn(self, *outcomes: Receipt | Exception) -> None:
        self.health.learn(outcomes, self.clock.monotonic())  # type: ignore[arg-type]


def test_temporary_failures_in_a_row_are_an_outage_and_one_success_ends_it() -> None:
    patient = Patient()
    for _ in range(FAILURES_UNTIL_DOWN - 1):
        patient.learn(TemporaryError("busy"))
    patient.learn(Receipt())
    assert patient.health.pause == 0.0
    for _ in range(FAILURES_UNTIL_DOWN):
        patient.learn(TemporaryError("busy"))
    assert patient.health.pause == 1.0
    patient.clock.advance(1.0)
    patient.learn(TemporaryError("busy"))
    assert patient.health.pause == 2.0
    patient.learn(Receipt())
    assert (patient.health.is_down, patient.health.pause) == (False, 0.0)
    assert patient.reports.told == [("backend", "a", False), ("backend", "a", True)]


def test_a_failure_that_many_share_is_one() -> None:
    patient = Patient()
    failure = TemporaryError("no token")
    patient.learn(*[failure] * 50)
    patient.learn(failure)
    assert not patient.health.is_down


def test_credentials_that_are_refused_need_an_operator_at_once() -> None:
    patient = Patient()
    patient.learn(BackendDownError("wrong key"))
    assert patient.health.is_down
    assert patient.health.pause == 60.0
    before = patient.clock.monotonic()
    patient.clock.advance(60.0)
    patient.learn(BackendDownError("wrong key"))
    assert patient.health.pause == 120.0
    patient.health.learn([BackendDownError("wrong key")], before - 1.0)
    assert patient.health.pause == 120.0  # it was on its way before that: says nothing new


def test_a_rate_limit_is_a_pause_and_no_outage_and_a_rejection_is_neither() -> None:
    patient = Patient()
    patient.learn(RejectedError("no such user"))
    assert patient.health.pause == 0.0
    patient.learn(RateLimitedError("slow down", retry_after=7.0))
    patient.learn(RateLimitedError("slow down", retry_after=3.0))
    assert (patient.health.is_down, patient.health.pause) == (False, 7.0)
