"""Whether a backend works: when it is down, how long nothing is tried, and when it has come back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog

from relay.attempt import Outcome
from relay.backends.base import Assumed, Receipt
from relay.clock import Clock
from relay.errors import (
    BackendDownError,
    BackendError,
    RateLimitedError,
    ReceiverLimitedError,
    TemporaryError,
)
from relay.outbox import retry
from relay.report import Report
from relay.values import format_duration

log = structlog.get_logger()

FAILURES_UNTIL_DOWN: Final = 5  # temporary failures in a row
PAUSE_FIRST: Final = 1.0  # seconds between probes of a backend that is down for a passing reason ...
PAUSE_MOST: Final = 60.0  # ... doubling up to this
PAUSE_OPERATOR: Final = 60.0  # and of one that needs an operator ...
PAUSE_OPERATOR_MOST: Final = 600.0  # ... doubling up to this


class Health:
    """What the outcomes so far say about one backend."""

    def __init__(self, name: str, clock: Clock, report: Report) -> None:
        self._name = name
        self._clock = clock
        self._report = report
        self.why = ""  # why it is down, in words
        self.down_since: float | None = None  # wall time
        self.accepted_at = 0.0  # wall time at which the service last accepted a message
        self._resume_at = 0.0  # monotonic time until which nothing is tried
        self._pause = 0.0  # seconds of the current pause while down
        self._failures = 0  # temporary failures in a row
        self._latest: BackendError | None = None  # the latest failure that was counted

    @property
    def is_down(self) -> bool:
        """Whether attempts are probes only."""
        return self.down_since is not None

    @property
    def pause(self) -> float:
        """Seconds for which nothing is tried, 0.0: none."""
        return max(0.0, self._resume_at - self._clock.monotonic())

    def learn(self, outcomes: Iterable[Outcome], began: float) -> None:
        """What an attempt that began then (monotonic) says about the backend itself.

        A failure that several deliveries share (one call, one token that none of them got) is one failure.
        """
        for concluded in outcomes:
            # A service that answers nobody is down, whatever is assumed.
            outcome = concluded.error if isinstance(concluded, Assumed) else concluded
            if isinstance(outcome, Receipt):
                self._failures = 0
                self.accepted_at = self._clock.now()
                if self.is_down:
                    self._up()
            elif isinstance(outcome, BackendError) and outcome is not self._latest:
                self._latest = outcome
                self._count(outcome, began)

    def retire(self) -> None:
        """The backend is no more, or another in its place: nobody else would say that its trouble is over."""
        if self.is_down:
            text = f"backend {self._name} is no longer used as it was"
            self._report("backend", self._name, text, cleared=True)

    def _count(self, error: BackendError, began: float) -> None:
        if isinstance(error, ReceiverLimitedError):
            return  # one receiver's matter
        if isinstance(error, RateLimitedError):
            pause = min(retry.PAUSE_MOST, max(retry.PAUSE_LEAST, error.retry_after))
            self._resume_at = max(self._resume_at, self._clock.monotonic() + pause)
        elif isinstance(error, BackendDownError):
            self._fail(error, began, PAUSE_OPERATOR, PAUSE_OPERATOR_MOST)
        elif isinstance(error, TemporaryError):
            self._failures += 1
            if self._failures >= FAILURES_UNTIL_DOWN or self.is_down:
                self._fail(error, began, PAUSE_FIRST, PAUSE_MOST)

    def _fail(self, error: BackendError, began: float, first: float, most: float) -> None:
        if began < self._resume_at - self._pause:
            return  # started before the pause did: says nothing new
        self._pause = min(most, max(first, self._pause * 2))
        self._resume_at = self._clock.monotonic() + self._pause
        self.why = str(error)
        if self.down_since is None:
            self.down_since = self._clock.now()
            log.warning("backend_went_down", backend=self._name, error=self.why, code=error.code)
            text = f"backend {self._name} is down: {self.why}; messages wait or take the next address"
            self._report("backend", self._name, text, avoid=self._name)

    def _up(self) -> None:
        away = self._clock.now() - (self.down_since or 0.0)
        self.down_since, self._pause, self._resume_at, self.why = None, 0.0, 0.0, ""
        log.info("backend_came_back", backend=self._name, after_seconds=round(away, 1))
        text = f"backend {self._name} accepts messages again after {format_duration(away)}"
        self._report("backend", self._name, text, cleared=True)
