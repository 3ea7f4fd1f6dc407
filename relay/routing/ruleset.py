"""Which rules take an event: the first that matches, and further ones after a rule that says `continue`."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from relay.config.schema import Config, Rule, Text
from relay.models import Event, Level
from relay.routing.matcher import Condition, Matcher
from relay.routing.shortlist import Shortlist
from relay.scan.engine import EngineError

# Combinations of source, module and level remembered. Modules come from outside and may be endless.
_REMEMBERED: Final = 16_384
# Rules that are asked one by one: a search for all conditions at once takes as long.
_FEW: Final = 2


class Step(Struct, frozen=True):
    """What became of an event at one rule."""

    rule: str
    outcome: Literal["matched", "failed", "not reached"]
    why: str


class _Candidate(Struct, frozen=True):
    """A rule that may still take an event of some source, module and level, and what that depends on."""

    rule: Rule
    conditions: tuple[Condition, ...]
    except_: tuple[Condition, ...]  # all of them holding excludes the event; empty: nothing does

    def takes(self, event: Event) -> bool:
        """Whether what is left to ask holds."""
        if not all(each.holds(event) for each in self.conditions):
            return False
        return not (self.except_ and all(each.holds(event) for each in self.except_))


class _Candidates(Struct, frozen=True):
    """The rules left for one source, module and level, in order."""

    settled: tuple[Rule, ...] | None  # the answer, where neither message nor labels can change it
    rules: tuple[_Candidate, ...]
    always: tuple[int, ...] = ()  # those that must be asked whatever the shortlist says
    by_text: dict[Text, list[int]] = {}  # those that needn't, by each of their message conditions

    def among(self, texts: Collection[Text]) -> Iterable[_Candidate]:
        """Those left, in order, if of the conditions on the shortlist only these may hold."""
        numbers = {*self.always, *(number for text in texts for number in self.by_text.get(text, ()))}
        return [self.rules[number] for number in sorted(numbers)]


class _Compiled(Struct, frozen=True):
    rule: Rule
    match: Matcher
    except_: Matcher | None

    def candidate(self, source: str, module: str, level: Level) -> _Candidate | None:
        """What is left to ask once source, module and level are known; None if the rule is out."""
        if not self.match.fixed(source, module, level):
            return None
        conditions = self.match.conditions
        if self.except_ is None or not self.except_.fixed(source, module, level):
            return _Candidate(self.rule, conditions, ())
        if not self.except_.conditions:
            return None
        return _Candidate(self.rule, conditions, self.except_.conditions)

    def failure(self, event: Event) -> str:
        """Why the rule doesn't take the event, in words; empty if it does."""
        failed = self.match.failure(event)
        if not failed and self.except_ is not None and self.except_.holds(event):
            return f"except {self.except_.success() or 'everything'}"
        return failed


class Ruleset:
    """The rules of one `Config`, compiled. Never changes: a reload builds another one.

    `re2.error` if a pattern is refused; the config checker has said so before, with a place.
    """

    def __init__(self, config: Config) -> None:
        self._rules = tuple(
            _Compiled(rule, Matcher(rule.match), Matcher(rule.except_) if rule.except_ else None)
            for rule in config.rules
        )
        self._by_name = {rule.name: rule for rule in config.rules}
        self._shortlist: Shortlist | None = None
        self._ends = _ends(config.rules)
        self._known: dict[tuple[str, str, Level], _Candidates] = {}

    def quicken(self, cache: Path | None = None) -> None:
        """Compile what makes `route` quick with many rules: up to seconds, which only a daemon gets back."""
        with contextlib.suppress(EngineError):
            self._shortlist = Shortlist((each.rule for each in self._rules), cache)
            self._known.clear()

    def rule(self, name: str) -> Rule | None:
        """The rule of that name; None if there is none (any more)."""
        return self._by_name.get(name)

    def route(self, event: Event) -> tuple[Rule, ...]:
        """The rules that take the event, in order; usually one, or none."""
        key = (event.source, event.module, event.level)
        candidates = self._known.get(key)
        if candidates is None:
            candidates = self._remember(key)
        if candidates.settled is not None:
            return candidates.settled
        return self._ask(candidates, event)

    def ends(self, event: Event) -> tuple[Rule, ...]:
        """The rules of whose `pair` it is the end, whichever rules take it."""
        if self._ends is None:
            return ()
        return tuple(self._by_name[rule.name] for rule in self._ends.route(event))

    def trace(self, event: Event) -> list[Step]:
        """For each rule why it takes the event or doesn't: the first condition that fails."""
        steps: list[Step] = []
        winner = ""
        for each in self._rules:
            name = each.rule.name
            if winner:
                steps.append(Step(name, "not reached", f"{winner} took it"))
            elif failed := each.failure(event):
                steps.append(Step(name, "failed", failed))
            else:
                steps.append(Step(name, "matched", each.match.success() or "matches everything"))
                winner = "" if each.rule.goes_on else name
        return steps

    def _remember(self, key: tuple[str, str, Level]) -> _Candidates:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        covered = self._shortlist.covered if self._shortlist else frozenset[Text]()
        candidates = self._known[key] = _candidates(self._rules, covered, *key)
        return candidates

    def _ask(self, candidates: _Candidates, event: Event) -> tuple[Rule, ...]:
        left: Iterable[_Candidate] = candidates.rules
        if self._shortlist is not None and len(candidates.rules) > _FEW:
            left = candidates.among(self._shortlist.may_hold(event.message))
        taken: list[Rule] = []
        for candidate in left:
            if candidate.takes(event):
                taken.append(candidate.rule)
                if not candidate.rule.goes_on:
                    break
        return tuple(taken)


def _candidates(
    rules: tuple[_Compiled, ...], covered: frozenset[Text], source: str, module: str, level: Level
) -> _Candidates:
    left: list[_Candidate] = []
    settled = True
    for each in rules:
        candidate = each.candidate(source, module, level)
        if candidate is None:
            continue
        left.append(candidate)
        unconditional = not candidate.conditions and not candidate.except_
        settled = settled and unconditional
        if unconditional and not candidate.rule.goes_on:
            break
    if settled:
        return _Candidates(tuple(each.rule for each in left), tuple(left))
    always, by_text = [], dict[Text, list[int]]()
    for number, candidate in enumerate(left):
        texts = candidate.rule.match.message
        if texts and covered.issuperset(texts):
            for text in texts:
                by_text.setdefault(text, []).append(number)
        else:
            always.append(number)
    return _Candidates(None, tuple(left), tuple(always), by_text)


def _ends(rules: tuple[Rule, ...]) -> Ruleset | None:
    """What ends a pair, asked like rules of their own; None where no rule waits for such."""
    ends = tuple(rule.ending for rule in rules if rule.ending is not None)
    return Ruleset(Config(rules=ends)) if ends else None
