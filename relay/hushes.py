"""What holds messages back just now, and what it has held back: the memory of silences and inhibitions.

The store is the truth; this is its hot copy, changed within the pipeline's turns only. What is over is found
by looking, not by remembering to look: a hush that an alert or account names and that isn't in force is over,
be it that a silence ended, a window passed, a cause was resolved, a rule was edited, or relay was down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import structlog
from msgspec.structs import replace

from relay.config.schema import Config, Rule
from relay.models import Alert, AlertState, Event, Silence, Withheld
from relay.routing import inhibit, silence
from relay.routing.decide import Decision
from relay.routing.hush import Hush, booked
from relay.routing.silence import BadMatcherError, Muffler, Planned

log = structlog.get_logger()

REMIND: Final = 600.0  # seconds before its end that a silence is recalled ...
REMIND_FROM: Final = 1800.0  # ... if it lasts at least so long


class Hushes:
    """Silences in force, causes that live, alerts they hold, and accounts."""

    def __init__(self, config: Config) -> None:
        self._silences: dict[int, Silence] = {}
        self._mufflers: dict[int, Muffler] = {}
        self._planned: dict[str, Planned] = {}
        self._inhibitors: dict[str, list[inhibit.Inhibitor]] = {}  # by the causing rule's name
        self._causes: dict[int, Alert] = {}  # live alerts of such rules, by id
        self._marks: dict[str, dict[str, None]] = {}  # hush -> fingerprints of the alerts it holds, in order
        self._held: dict[str, str] = {}  # fingerprint -> hush
        self._accounts: dict[tuple[str, str], Withheld] = {}  # by (hush, recipient)
        self._words: dict[str, str] = {}  # hush -> what it is called, of those that held something
        self.apply(config, ())

    def apply(self, config: Config, alerts: Iterable[Alert]) -> None:
        """Take an edit of the rules."""
        self._planned = {name: silence.planned(name, mute, config) for name, mute in config.silences.items()}
        self._inhibitors = {}
        for each in inhibit.inhibitors(config):
            self._inhibitors.setdefault(each.rule.name, []).append(each)
        self._causes = {}
        for alert in alerts:
            self.note(alert)

    def load(
        self, silences: Iterable[Silence], accounts: Iterable[Withheld], alerts: Iterable[Alert]
    ) -> None:
        """What the store knows of the time before."""
        for each in silences:
            self.put(each)
        self._accounts = {(each.hush, each.recipient): each for each in accounts}
        for alert in alerts:
            self.note(alert)

    # --- silences ---

    def put(self, one: Silence) -> None:
        """Take a silence as it is now."""
        try:
            self._mufflers[one.id] = silence.muffler(one)
        except BadMatcherError as error:  # another version of relay took it
            log.error("silence_not_understood", silence=one.id, error=str(error))
            return
        self._silences[one.id] = one

    def silence(self, number: int) -> Silence | None:
        """One that is in force."""
        return self._silences.get(number)

    def silences(self) -> list[Silence]:
        """Those in force."""
        return list(self._silences.values())

    def planned(self, now: float) -> Iterator[tuple[Planned, Hush | None]]:
        """Those of rules.yaml, and whether each holds now."""
        for each in self._planned.values():
            muffler = each.at(now)
            yield each, muffler.hush if muffler else None

    def end(self, number: int, by: str, now: float) -> Silence | None:
        """End one; None if it isn't in force."""
        one = self._silences.pop(number, None)
        if one is None:
            return None
        self._words[silence.key_of(one)] = silence.words_of(one)
        del self._mufflers[number]
        return replace(one, ended_at=now, ended_by=by)

    def run_out(self, now: float) -> list[Silence]:
        """End those whose time is over."""
        over = [one.id for one in self._silences.values() if silence.over(one, now)]
        return [ended for number in over if (ended := self.end(number, "", now))]

    def ending(self, now: float) -> list[Silence]:
        """Those that end soon and were not recalled yet: they are now."""
        soon = [
            replace(one, reminded=True)
            for one in self._silences.values()
            if not one.reminded
            and one.ends_at - now <= REMIND
            and one.ends_at - one.created_at >= REMIND_FROM
        ]
        for one in soon:
            self._silences[one.id] = one
        return soon

    def saw(self, alert: Alert, event: Event, now: float) -> list[Silence]:
        """An event came: silences that wait for quiet, and for which it isn't quiet."""
        loud = [
            replace(one, quiet_since=now)
            for one in self._silences.values()
            if one.until_quiet and self._mufflers[one.id].applies(alert, event)
        ]
        for one in loud:
            self._silences[one.id] = one
        return loud

    # --- what holds, and what is held ---

    def on(self, alert: Alert, event: Event | None, now: float) -> Hush | None:
        """What holds messages about the alert back; the eldest silence first."""
        return next(self.all_on(alert, event, now), None)

    def all_on(self, alert: Alert, event: Event | None, now: float) -> Iterator[Hush]:
        """Everything that does."""
        for muffler in self._in_force(now):
            if muffler.applies(alert, event):
                yield muffler.hush
        for cause in self._causes.values():
            if any(each.covers(cause, alert, event) for each in self._inhibitors[cause.rule]):
                yield inhibit.hush_of(cause)

    def idle(self) -> bool:
        """Whether nothing could hold anything back: the usual case, decided in no time."""
        return not (self._silences or self._planned or self._causes)

    def rank(self, rule: Rule) -> bool:
        """Sorts causes before what they may hold back."""
        return rule.name not in self._inhibitors

    def note(self, alert: Alert) -> None:
        """Take an alert as it is now."""
        live = alert.state is not AlertState.RESOLVED
        before = self._held.pop(alert.fingerprint, "")
        if before:
            self._marks[before].pop(alert.fingerprint, None)
            if not self._marks[before]:
                del self._marks[before]
        if live and alert.hushed:
            self._held[alert.fingerprint] = alert.hushed
            self._marks.setdefault(alert.hushed, {})[alert.fingerprint] = None
        if alert.rule in self._inhibitors:
            if live:
                self._causes[alert.id] = alert
            else:
                self._causes.pop(alert.id, None)

    def called(self, hush: Hush) -> None:
        """Remember what a hush is called that holds something."""
        self._words[hush.key] = hush.words

    def hushed_by(self, key: str) -> list[str]:
        """Fingerprints of the live alerts that a hush holds."""
        return list(self._marks.get(key, ()))

    def over(self, now: float) -> list[str]:
        """Hushes that are over, while alerts or accounts still wait for that."""
        named = dict.fromkeys([*self._marks, *(hush for hush, _ in self._accounts)])
        if not named:
            return []
        force = {muffler.hush.key for muffler in self._in_force(now)}
        force |= {inhibit.key_of(cause) for cause in self._causes.values()}
        return [key for key in named if key not in force]

    def words(self, key: str) -> str:
        """What a hush is called."""
        if known := self._words.get(key):
            return known
        name = key.removeprefix("silence ").partition("@")[0]
        return self._planned[name].words if name in self._planned else key.partition("@")[0]

    # --- accounts ---

    def book(self, decision: Decision) -> list[Withheld]:
        """Enter what a decision books; the accounts as they are now."""
        alert, hush = decision.alert, decision.booked
        entered = []
        for person in decision.spared:
            at = hush, person.recipient
            events, first = alert.count - person.known, person.since or alert.first_seen
            account = booked(self._accounts.get(at), hush, person, alert, events, first)
            self._accounts[at] = account
            entered.append(account)
        return entered

    def close(self, key: str) -> Sequence[Withheld]:
        """The accounts of a hush that is over; they are forgotten."""
        closed = [account for (hush, _), account in self._accounts.items() if hush == key]
        for account in closed:
            del self._accounts[key, account.recipient]
        self._words.pop(key, None)
        return closed

    def _in_force(self, now: float) -> Iterator[Muffler]:
        for number, one in self._silences.items():
            if not silence.over(one, now):
                yield self._mufflers[number]
        for each in self._planned.values():
            if (muffler := each.at(now)) is not None:
                yield muffler
