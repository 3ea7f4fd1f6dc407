"""Which problems an event belongs to, before anything is counted or decided.

Pure: the daemon, `relay explain` and the tests all call `place`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from relay import log
from relay.config.schema import Rule
from relay.config.watched import OWN
from relay.models import Alert, Event, Reason
from relay.outages import key_of
from relay.routing.fingerprint import Fingerprint, first_line
from relay.routing.meters.kinds import subject
from relay.routing.ruleset import Step
from relay.rulebook import RELAY, Rules
from relay.watchdog import beats, told

LiveAlerts = Callable[[Iterable[str]], Mapping[str, Alert]]  # those of these fingerprints that are live


class Role(enum.Enum):
    """What an event is to a problem."""

    PART = "part"  # one of its events
    END = "end"  # what ends its rule's pair, whether or not the rule takes it, too
    LINKED = "linked"  # an outage's: counted there, not told apart
    OVER = "over"  # the check says that it is over


class Part(Struct, frozen=True, gc=False):
    """An event's part in one problem."""

    rule: Rule
    problem: Fingerprint
    role: Role = Role.PART


class Place(Struct, frozen=True, gc=False):
    """Everything that an event belongs to."""

    parts: Sequence[Part] = ()
    outage: str = ""  # the watchdog's entry that is down, and covers it
    failed_job: str = ""  # the heartbeat whose job says that it failed: its check tells
    is_own_line: bool = False  # a line of relay's own log that some rule would take


class Known(Struct, frozen=True):
    """What is known when an event comes, beside the rules."""

    live: LiveAlerts
    down: Collection[str] = ()  # the watchdog's entries that are down
    signature: str = ""  # of relay's own log lines


_NOWHERE = Place()


def place(rules: Rules, event: Event, known: Known, serial: int = 0) -> Place:
    """Where the event belongs. `serial` tells apart events that nothing else does."""
    if told.is_over(event):
        return Place(_alerts(rules, event.module, known.live, Role.OVER))
    taken = rules.route(event)
    ends = () if event.source in OWN else rules.ruleset.ends(event)
    if not (taken or ends):
        return _NOWHERE
    if event.source in OWN:
        return Place(_parts(event, taken, ends, serial, rules.own))
    if log.is_own(event.message, event.labels, known.signature):  # or it would go round
        return Place(is_own_line=True)
    if name := beats.failed(event, rules.config.watchdog):
        return Place(failed_job=name)
    outage = rules.outages.outage_of(event, known.down) if taken and known.down else ""
    linked = _alerts(rules, told.module_of(outage), known.live, Role.LINKED) if outage else []
    if linked:  # rules that only look on see it all the same
        taken = [rule for rule in taken if rule.absent is not None]
    return Place([*linked, *_parts(event, taken, ends, serial)], outage if linked else "")


def trace(rules: Rules, event: Event, found: Place) -> list[Step]:
    """For each rule why it takes the event or doesn't, with those that aren't in rules.yaml."""
    asked = rules.ruleset.trace(event)
    if found.is_own_line:
        return _passed_over(asked, "it is a line of relay's own log")
    if found.failed_job:
        return _passed_over(asked, f"the check {found.failed_job} tells that its job failed")
    own = {part.rule.name: part for part in found.parts} if event.source in OWN else {}
    for step in asked:
        own.pop(step.rule, None)
    if not own:
        return asked
    name = next(iter(own))
    if event.source == RELAY:
        return [Step(name, "matched", "relay's own news"), *_passed_over(asked, f"{name} took it")]
    if event.module in rules.outages.own:
        return [Step(name, "matched", "the entry says `to`"), *_passed_over(asked, f"{name} took it")]
    return [*asked, Step(name, "matched", "no rule takes it: the operators hear")]


def linked(reason: Reason) -> Reason:
    """What becomes of an outage's event, by name, if that would have become of an alert's own."""
    return Reason.LINKED if reason in {Reason.WINDOW, Reason.ACKED} else reason


def _parts(
    event: Event, taken: Sequence[Rule], ends: Sequence[Rule], serial: int, own: Rule | None = None
) -> list[Part]:
    found = []
    for rule in (*taken, *(rule for rule in ends if rule not in taken)):
        by_check = event.source == told.WATCHDOG and rule.absent is None
        problem = key_of(event, rule) if by_check else subject(event, rule, serial=str(serial))
        if rule is own:  # known by its subject, not by its words: they are shown as they are
            problem = Fingerprint(problem.key, first_line(event.message))
        found.append(Part(rule, problem, Role.END if rule in ends else Role.PART))
    return found


def _alerts(rules: Rules, module: str, live: LiveAlerts, role: Role) -> list[Part]:
    """The live alerts of a check, by whatever rule they came."""
    keys = rules.keys_of(module)
    return [Part(keys[key], Fingerprint(key, alert.title), role) for key, alert in live(keys).items()]


def _passed_over(steps: Iterable[Step], why: str) -> list[Step]:
    return [Step(step.rule, "not reached", why) for step in steps]
