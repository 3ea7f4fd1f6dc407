"""relay watches itself: is the loop on time, the store quick, the queue emptied? The operators hear if not.

What it can't tell any more, because it hangs, systemd's watchdog and the outside `ping` notice.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog
from msgspec import Struct

from relay.clock import Clock
from relay.metrics import Histogram
from relay.models import Json
from relay.report import Report
from relay.sources.intake import Intake

log = structlog.get_logger()

EVERY: Final = 1.0  # seconds between looks
KEPT: Final = 60  # looks whose worst lag is shown
LATE: Final = 1.0  # seconds by which the loop is late ...
LATE_SHARE: Final = 3  # ... in so many of the last ten looks
SLOW: Final = 1.0  # seconds a commit takes on average, over half a minute
SLOW_WINDOW: Final = 30.0
FULL: Final = 60.0  # seconds that the queue is full
OVER: Final = 60.0  # seconds without it until a condition counts as over


class Condition(Struct):
    """Something that holds or not: told once when it has held for `after`, and once when it is over."""

    subject: str
    after: float  # seconds
    since: float | None = None  # monotonic: when it began to hold
    held_at: float = -math.inf  # monotonic: when it last held
    told: bool = False

    def feed(self, *, holds: bool, now: float) -> str:
        """`begins`, `ends`, or "" where there is nothing to tell."""
        if holds:
            self.held_at = now
            self.since = now if self.since is None else self.since
            if not self.told and now - self.since >= self.after:
                self.told = True
                return "begins"
            return ""
        if not self.told:
            self.since = None
        elif now - self.held_at >= OVER:
            self.told, self.since = False, None
            return "ends"
        return ""


class Vitals:
    """Looks every second."""

    def __init__(self, clock: Clock, intake: Intake, commits: Histogram, report: Report) -> None:
        self.lag = 0.0  # seconds that the loop was late at worst, of the last minute
        self._clock = clock
        self._intake = intake
        self._commits = commits
        self._report = report
        self._lags: deque[float] = deque(maxlen=KEPT)
        self._late = Condition("event loop", 0.0)
        self._slow = Condition("store", 0.0)
        self._full = Condition("queue", FULL)
        self._measured = (clock.monotonic(), 0.0, 0)  # when, with seconds and number of commits until then
        self._commit_mean = 0.0  # seconds, over the last window

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            before = self._clock.monotonic()
            await self._clock.sleep(EVERY)
            self.look(max(0.0, self._clock.monotonic() - before - EVERY))

    def look(self, lag: float) -> None:
        """One look; `lag`: seconds by which it came late."""
        now = self._clock.monotonic()
        self._lags.append(lag)
        self.lag = max(self._lags)
        late = sum(each > LATE for each in list(self._lags)[-10:])
        self._tell(
            self._late,
            self._late.feed(holds=late >= LATE_SHARE, now=now),
            lambda: f"relay's event loop is up to {self.lag:.1f} s late: the host or relay is overloaded",
        )
        mean = self._mean(now)
        self._tell(
            self._slow,
            self._slow.feed(holds=mean > SLOW, now=now),
            lambda: f"the store takes {mean:.1f} s for a commit: its disk is slow; alerts are late",
        )
        self._tell(
            self._full,
            self._full.feed(holds=self._intake.full, now=now),
            lambda: f"the queue has been full for {FULL:.0f} s: writers and files wait, nothing is dropped",
        )

    @property
    def on_time(self) -> bool:
        """Whether the loop was on time lately."""
        return not self._lags or max(list(self._lags)[-10:]) <= LATE

    def status(self) -> Json:
        """For `relay status`."""
        return {"lag": round(self.lag, 3), "commit_seconds": round(self._commit_mean, 4)}

    def _mean(self, now: float) -> float:
        """Seconds that a commit took on average over the last window."""
        began, seconds, count = self._measured
        if now - began >= SLOW_WINDOW:
            made = sum(self._commits.counts) - count
            self._commit_mean = (self._commits.total - seconds) / made if made else 0.0
            self._measured = (now, self._commits.total, count + made)
        return self._commit_mean

    def _tell(self, condition: Condition, change: str, text: Callable[[], str]) -> None:
        if change == "begins":
            log.warning("vital_sign_bad", what=condition.subject, text=text())
            self._report("vitals", condition.subject, text())
        elif change == "ends":
            log.info("vital_sign_good", what=condition.subject)
            self._report("vitals", condition.subject, f"{condition.subject}: fine again", cleared=True)
