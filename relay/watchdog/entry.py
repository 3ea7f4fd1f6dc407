"""One entry of `watchdog:` while relay runs: its probes, how it stands, when to look next."""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec.structs import replace

from relay.clock import Jumps
from relay.config.checks import CommandCheck, Heartbeat
from relay.config.schema import Watch
from relay.models import CheckRecord
from relay.watchdog import beats
from relay.watchdog.lag import Lag
from relay.watchdog.patience import begin
from relay.watchdog.probes.base import Probe, in_words
from relay.watchdog.probes.choose import probe_of
from relay.watchdog.standing import Moment, Standing, excused, started
from relay.watchdog.tally import Tally
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError, Kind, NoRemedyError, UnknownError, Verdict

VERIFY_EVERY: Final = 1.0  # seconds between looks after a restart, and after relay was held up
BEATS_EVERY: Final = 5.0  # seconds between looks at whether a heartbeat is overdue
PAUSED: Final = "paused"  # why an entry rests
OUTSIDE: Final = "outside of its hours"
_HELD_UP: Final = 0.25  # of a look's time limit, spent by a loop that stood still: the look says nothing


class Entry:
    """Moving parts of one entry. `lock` is held while it is looked at or restarted."""

    def __init__(self, name: str, watch: Watch, record: CheckRecord, now: Moment, first_look: float) -> None:
        self.name = name
        self.watch = watch
        self.probes: list[Probe] = [probe_of(check, watch.timeout) for check in watch.checks]
        self.standing: Standing = started(record, watch, now)
        self.lock = asyncio.Lock()
        self.is_due = False  # a look is on its way
        self.next_at = now.mono + first_look  # monotonic
        self.told_at = now.mono  # when it was last said that it is down
        self.again = False  # the next look asks again whether it is restarted
        self.remedy_may_follow = False  # what kept it from being restarted may pass
        self.remedy = ""  # what the latest restart of this process did; "": there was none
        self.waits_for = ""  # the entry whose failure explains this one's
        self.held_back: set[str] = set()  # entries that were not told of because of this one
        self.is_blind = False  # it was told that it can't be judged
        self.resting = ""  # why it isn't looked at; "": it is
        self._jumps = Jumps(now.wall, now.mono)
        self._overdue_since = 0.0  # monotonic, of a heartbeat; 0.0: it isn't overdue
        self.tally = Tally()

    def follow(self, old: Entry) -> None:
        """Be what the old one becomes by an edit; a restart that runs, and its verdict, are this one's."""
        self.lock, self.remedy = old.lock, old.remedy
        self.is_blind, self.held_back = old.is_blind, old.held_back
        self.told_at, self.tally = old.told_at, old.tally
        self._jumps, self._overdue_since = old._jumps, old._overdue_since

    @property
    def record(self) -> CheckRecord:
        """What outlives relay."""
        return self.standing.record

    @property
    def target(self) -> str:
        """What is looked at, for people."""
        return ", ".join(probe.target for probe in self.probes) or "heartbeat"

    @property
    def every(self) -> float:
        """Seconds between two looks, as things are."""
        if self.watch.heartbeat is not None:
            return BEATS_EVERY
        return min(self.watch.every, VERIFY_EVERY) if self.standing.verifying else self.watch.every

    def rests(self, now: float, *, is_open: bool) -> str:
        """Why it isn't looked at just now; empty if it is."""
        if self.record.paused_until > now:
            return PAUSED
        return "" if is_open else OUTSIDE

    def heed_clock(self, heartbeat: Heartbeat, now: Moment) -> None:
        """Before a heartbeat's record is read or written: it was noted by the clock as it went then."""
        jump = self._jumps.latest(now.wall, now.mono)
        record = beats.rebased(heartbeat, self.record, now.wall, jump)
        self.standing = replace(self.standing, record=record)

    def excuse(self, now: Moment) -> None:
        """What was held against it so far is forgotten: its cause works again, or its rest is over."""
        self.standing = excused(self.standing, self.watch, now)
        self._overdue_since = 0.0

    async def look(self, tools: Tools, lag: Lag, now: Moment, *, is_deaf: bool = False) -> Verdict:
        """One look at everything that must hold; the first that doesn't decides.

        `is_deaf`: relay takes nothing in just now, no sign of life either.
        """
        if self.watch.heartbeat is not None:
            return self._hear(self.watch.heartbeat, lag, now, is_deaf=is_deaf)
        verdicts = []
        for probe, check in zip(self.probes, self.watch.checks, strict=True):
            verdict = await _look(
                probe, tools, lag, self.watch.timeout, limited=not isinstance(check, CommandCheck)
            )
            if verdict.kind is Kind.FAILED:
                return verdict
            verdicts.append(verdict)
        unsure = [verdict for verdict in verdicts if verdict.kind is not Kind.HELD]
        return unsure[0] if unsure else Verdict(Kind.HELD, "; ".join(each.text for each in verdicts))

    def _hear(self, heartbeat: Heartbeat, lag: Lag, now: Moment, *, is_deaf: bool) -> Verdict:
        self.heed_clock(heartbeat, now)
        missing = beats.overdue(heartbeat, self.record, now.wall)
        self._overdue_since = (self._overdue_since or now.mono) if missing and not is_deaf else 0.0
        since = self._overdue_since or now.mono
        return beats.judge(heartbeat, self.record, now.wall, now.mono - since - lag.since(since))


async def _look(probe: Probe, tools: Tools, lag: Lag, most: float, *, limited: bool) -> Verdict:
    """One probe, for at most `most` seconds; one that isn't `limited` here keeps to them itself."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    begin(most)
    try:
        async with asyncio.timeout(most if limited else None):
            return Verdict(Kind.HELD, await probe.look(tools))
    except TimeoutError:
        verdict = Verdict(Kind.FAILED, f"{probe.target}: no answer within {most:g} s")
    except UnknownError as error:
        verdict = Verdict(Kind.UNKNOWN, f"{probe.target}: {error}")
    except NoRemedyError as error:
        verdict = Verdict(Kind.FAILED, f"{probe.target}: {error}", remediable=False)
    except FailedError as error:
        verdict = Verdict(Kind.FAILED, f"{probe.target}: {error}")
    except OSError as error:
        verdict = Verdict(Kind.UNKNOWN, f"{probe.target}: {in_words(error)}")
    except Exception as error:  # noqa: BLE001 - a mistake in one probe is that probe's, and no failure of its target
        verdict = Verdict(Kind.UNKNOWN, f"{probe.target}: relay can't judge it ({type(error).__name__})")
    late = loop.time() - began >= most and lag.since(began) >= _HELD_UP * most
    return Verdict(Kind.LATE, "relay itself was held up") if late else verdict
