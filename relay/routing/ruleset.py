"""Which rules take an event: the first that matches, and further ones after a rule that says `continue`."""

from __future__ import annotations

from typing import Final, Literal

import re2
from msgspec import Struct

from relay.config.schema import Config, Rule
from relay.config.texts import Predicate, compiled, pattern_of
from relay.models import Event, Level
from relay.routing.matcher import Condition, Matcher

# Combinations of source, module and level remembered. Modules come from outside and may be endless.
_REMEMBERED: Final = 16_384
# One pattern over all rules' messages is worth its own search from this many conditions on (1 us each).
_WORTH_A_GATE: Final = 4


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
    needs_message: bool

    def takes(self, event: Event) -> bool:
        """Whether what is left to ask holds."""
        if not all(each.holds(event) for each in self.conditions):
            return False
        return not (self.except_ and all(each.holds(event) for each in self.except_))


class _Candidates(Struct, frozen=True):
    """The rules left for one source, module and level, in order."""

    settled: tuple[Rule, ...] | None  # the answer, where neither message nor labels can change it
    rules: tuple[_Candidate, ...]


class _Compiled(Struct, frozen=True):
    rule: Rule
    match: Matcher
    except_: Matcher | None

    def candidate(self, source: str, module: str, level: Level) -> _Candidate | None:
        """What is left to ask once source, module and level are known; None if the rule is out."""
        if not self.match.fixed(source, module, level):
            return None
        conditions = self.match.conditions
        needs_message = any(not each.is_label for each in conditions)
        if self.except_ is None or not self.except_.fixed(source, module, level):
            return _Candidate(self.rule, conditions, (), needs_message)
        if not self.except_.conditions:
            return None
        return _Candidate(self.rule, conditions, self.except_.conditions, needs_message)

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
        self._gate = _gate(config.rules)
        self._known: dict[tuple[str, str, Level], _Candidates] = {}

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
        return self._ask(candidates.rules, event)

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
                winner = "" if each.rule.continue_ else name
        return steps

    def _remember(self, key: tuple[str, str, Level]) -> _Candidates:
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        candidates = self._known[key] = _candidates(self._rules, *key)
        return candidates

    def _ask(self, candidates: tuple[_Candidate, ...], event: Event) -> tuple[Rule, ...]:
        message_may_match = self._gate is None or self._gate(event.message)
        taken: list[Rule] = []
        for candidate in candidates:
            if candidate.needs_message and not message_may_match:
                continue
            if candidate.takes(event):
                taken.append(candidate.rule)
                if not candidate.rule.continue_:
                    break
        return tuple(taken)


def _candidates(rules: tuple[_Compiled, ...], source: str, module: str, level: Level) -> _Candidates:
    left: list[_Candidate] = []
    settled = True
    for each in rules:
        candidate = each.candidate(source, module, level)
        if candidate is None:
            continue
        left.append(candidate)
        unconditional = not candidate.conditions and not candidate.except_
        settled = settled and unconditional
        if unconditional and not candidate.rule.continue_:
            break
    return _Candidates(tuple(each.rule for each in left) if settled else None, tuple(left))


def _gate(rules: tuple[Rule, ...]) -> Predicate | None:
    """One pattern that matches where any rule's message condition could; None if it isn't worth it.

    Not `re2.Set`: that gives up silently when its automaton outgrows its memory, and loses the match.
    """
    texts = {text for rule in rules for text in rule.match.message}
    if len(texts) < _WORTH_A_GATE:
        return None
    parts = []
    for text in texts:
        pattern, whole = pattern_of(text)
        flags = "i" if text.ignore_case else ""
        parts.append(f"(?{flags}:\\A(?:{pattern})\\z)" if whole else f"(?{flags}:{pattern})")
    try:
        return compiled("|".join(sorted(parts)))
    except re2.error:  # each alone is fine, all together are too large
        return None
