"""What is done about a check that is down: evidence, a decision, the event that tells of both, the restart.

A restart is recorded before it is begun, so neither a crash of relay nor its restart makes one too many.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import structlog
from msgspec.structs import replace

from relay.clock import Clock
from relay.config.schema import Remedies
from relay.errors import RelayError
from relay.watchdog import told
from relay.watchdog.command import Ran, run
from relay.watchdog.entry import Entry
from relay.watchdog.evidence import gather, unit_behind
from relay.watchdog.ledger import Ledger
from relay.watchdog.remedy import LATER, Choice, Plan, argv, command_line, plan
from relay.watchdog.standing import Moment, restarted
from relay.watchdog.tools import Tools
from relay.watchdog.units import Unit, unasked
from relay.watchdog.verdict import Verdict

log = structlog.get_logger()

_SAID_LINES: Final = 5  # the last ones of what a restart printed: systemctl's reason is its last but one
_SAID: Final = 400  # characters of them


class Restarts:
    """`entries` are the watchdog's own, as they are now; `remedies` is what holds for all of them."""

    def __init__(self, ledger: Ledger, clock: Clock, tools: Tools, entries: Mapping[str, Entry]) -> None:
        self.remedies = Remedies()
        self._ledger = ledger
        self._clock = clock
        self._tools = tools
        self._entries = entries

    async def act(self, entry: Entry, verdict: Verdict, state: str, headline: str) -> None:
        """Tell that it is down, with what is known and what is done about it, and do that."""
        unit = await self._unit(entry)
        evidence = await self._evidence(entry, verdict, state, unit)
        if self._entries.get(entry.name) is not entry:  # an edit of the rules has put another in its place
            return
        decided = self._plan(entry, verdict, unit)
        entry.standing = replace(entry.standing, record=decided.record)
        entry.remedy_may_follow = decided.choice in LATER
        if decided.choice is Choice.SPENT:
            state = told.GIVEN_UP
        text = "\n".join(part for part in (headline, decided.text, evidence) if part)
        await self._ledger.tell(entry, state, text)
        if decided.choice is Choice.RESTART:
            await self._restart(entry)

    async def _evidence(self, entry: Entry, verdict: Verdict, state: str, unit: Unit | None) -> str:
        """Gathered where it is news: not each time that a remedy still has to wait."""
        watch = entry.watch
        if not (watch.restart or watch.unit or watch.log):
            return ""
        if state == told.STILL and self._plan(entry, verdict, unit).choice is not Choice.RESTART:
            return ""
        return await gather(watch, unit, self._tools)

    def _plan(self, entry: Entry, verdict: Verdict, unit: Unit | None) -> Plan:
        return plan(
            entry.watch,
            entry.record,
            self.remedies,
            [at for each in self._entries.values() for at in each.record.restarts],
            self._clock.now(),
            remediable=verdict.remediable,
            unit=unit,
        )

    async def _restart(self, entry: Entry) -> None:
        entry.tally.restarts += 1
        log.warning("restart_begun", check=entry.name, command=command_line(entry.watch))
        ran = await run(argv(entry.watch), entry.watch.restart_timeout, leave=True)
        log.warning("restart_ended", check=entry.name, outcome=ran.words)
        entry = self._entries.get(entry.name, entry)  # an edit may have put another in its place
        entry.remedy = _said(ran)
        now = Moment(self._clock.now(), self._clock.monotonic())
        entry.standing = restarted(entry.standing, entry.watch, now)
        if ran.status != 0:  # nothing was started: it need not be waited for
            entry.standing = replace(entry.standing, starting_until=0.0)

    async def _unit(self, entry: Entry) -> Unit | None:
        """The unit behind it, as it stands; None if there is none."""
        name = unit_behind(entry.watch)
        if not name:
            return None
        try:
            return await self._tools.units.state(name)
        except RelayError as error:
            log.info("unit_unknown", check=entry.name, error=str(error))
            return unasked(name)


def _said(ran: Ran) -> str:
    last = "\n".join(ran.output.rstrip().split("\n")[-_SAID_LINES:])[-_SAID:]
    return f"{ran.words}: {last}" if last else ran.words
