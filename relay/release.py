"""Letting go of what a group, storm, flapping or budget held: one message each, made within a turn."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import structlog

from relay.book import Book
from relay.config.schema import Rule
from relay.holds import Holds, Telling
from relay.hushes import Hushes
from relay.models import Alert
from relay.outbox.store import Store
from relay.owing import Owing
from relay.routing.budget import Windows, windows_of
from relay.routing.calendar import NEVER
from relay.routing.escalation import audience
from relay.routing.hold import Hold, Kind, Part
from relay.routing.recipients import Reached, addresses, needs_event
from relay.turn import Turn

log = structlog.get_logger()


class Release:
    """Effects of `Holds.release`."""

    def __init__(self, store: Store, book: Book, holds: Holds, hushes: Hushes, owing: Owing) -> None:
        self._store = store
        self._book = book
        self._holds = holds
        self._hushes = hushes
        self._owing = owing

    async def due(self, turn: Turn) -> None:
        """What was held and is due: one message each, and the alerts whose events it makes up for."""
        world = _World(turn, self._book, await self._hushed(turn))
        tellings, reminded = self._holds.release(world, turn.now)
        turn.changed.update({alert.fingerprint: alert for alert in reminded})
        for telling in tellings:
            for part in telling.parts:
                await self._tell(turn, telling, part)

    async def _tell(self, turn: Turn, telling: Telling, part: Part) -> None:
        account, hold, config = part.account, telling.hold, turn.rules.config
        sample = alert = None
        if account.alerts == 1:
            number = account.lines[0].alert
            sample = await turn.sample(self._store, number)
            alert = next(turn.new(number), None) or self._book.by_id(number)
        for reached in self._reached(turn, hold, part):
            name, opens_at = reached.recipient, reached.opens_at
            if hold.kind is Kind.BUDGET or self._holds.afford(config, name, account, turn.now, opens_at):
                self._owing.held(turn, telling, part, reached, sample, alert)

    async def _hushed(self, turn: Turn) -> set[str]:
        """Fingerprints of those that a group's message may not remind of: a silence or inhibition is on."""
        if self._hushes.idle():
            return set()
        found = set()
        for fingerprint in self._holds.reminding(turn.now):
            alert = turn.changed.get(fingerprint) or self._book.get(fingerprint)
            if alert is None:
                continue
            sample = await turn.sample(self._store, alert.id)
            if self._hushes.on(alert, sample, turn.now) is not None:
                found.add(fingerprint)
        return found

    def _reached(self, turn: Turn, hold: Hold, part: Part) -> Sequence[Reached]:
        """Who was to be told; if they are gone, whom the rule names now; else the operators."""
        rule, config = turn.rules.by_name.get(hold.rule), turn.rules.config
        for to in (part.to, rule.to if rule else (), config.operators):
            if reached := [each for each in addresses(config, to, turn.now) if each.opens_at < NEVER]:
                return reached
        log.error("nobody_to_tell", held=hold.key, events=part.account.events)
        return ()


class _World:
    """What letting go needs to know, as of one turn."""

    def __init__(self, turn: Turn, book: Book, hushed: Collection[str]) -> None:
        self._turn = turn
        self._book = book
        self._hushed = hushed

    def rule(self, name: str) -> Rule | None:
        return self._turn.rules.by_name.get(name)

    def alert(self, fingerprint: str) -> Alert | None:
        return self._turn.changed.get(fingerprint) or self._book.get(fingerprint)

    def told_now(self, alert: Alert) -> Sequence[str]:
        rule, config = self.rule(alert.rule), self._turn.rules.config
        if rule is None or alert.fingerprint in self._hushed or needs_event(config, rule.to):
            return ()
        reached = audience(config, rule, alert, self._turn.now)
        return () if any(each.opens_at for each in reached) else [each.recipient for each in reached]

    def opens_at(self, recipient: str) -> float:
        reached = addresses(self._turn.rules.config, (recipient,), self._turn.now)
        opens = min((each.opens_at for each in reached), default=0.0)
        return opens if opens < NEVER else 0.0

    def windows_of(self, recipient: str) -> Windows:
        return windows_of(self._turn.rules.config, recipient)
