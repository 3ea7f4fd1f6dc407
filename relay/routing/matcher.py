"""Conditions of rules.yaml compiled to predicates, with the words that say why one doesn't hold.

A `Matcher` has two halves. The fixed half (source, module, level) takes few values, so the ruleset asks it
once per combination; the varying half (message, labels) is asked for each event that comes that far.
"""

from __future__ import annotations

from msgspec import Struct

from relay.config.schema import Match, Text
from relay.config.texts import Predicate, any_of, shown
from relay.models import Event, Level


class Condition(Struct, frozen=True):
    """What one key of a `match` asks of an event's message or of one label."""

    key: str  # "message", or the label's name
    is_label: bool
    texts: tuple[Text, ...]
    holds_for: Predicate

    def value(self, event: Event) -> str | None:
        """The text it looks at; None if the event has no such label."""
        return event.labels.get(self.key) if self.is_label else event.message

    def holds(self, event: Event) -> bool:
        """Whether the event meets it."""
        value = self.value(event)
        return value is not None and self.holds_for(value)

    def failure(self, event: Event) -> str:
        """Why the event doesn't meet it, in words; empty if it does."""
        if self.holds(event):
            return ""
        wanted = _either(self.texts)
        if not self.is_label:
            return f"message doesn't match {wanted}"
        value = self.value(event)
        return f"no label {self.key}" if value is None else f"label {self.key} {value} is not {wanted}"

    def success(self) -> str:
        """What it means that the condition holds, in words."""
        return f"{'label ' * self.is_label}{self.key} {_either(self.texts)}"


class Matcher:
    """One `match` (or `except`) compiled: all its keys must hold."""

    def __init__(self, match: Match) -> None:
        self._match = match
        self._source = any_of(match.source) if match.source else None
        self._module = any_of(match.module, dotted=True) if match.module else None
        self.conditions = _conditions(match)

    def fixed(self, source: str, module: str, level: Level) -> bool:
        """Whether the keys that don't depend on message and labels hold."""
        return not self._fixed_failure(source, module, level)

    def holds(self, event: Event) -> bool:
        """Whether all keys hold."""
        return not self.failure(event)

    def failure(self, event: Event) -> str:
        """The first key that doesn't hold, in words; empty if all hold."""
        failed = self._fixed_failure(event.source, event.module, event.level)
        return failed or next(filter(None, (each.failure(event) for each in self.conditions)), "")

    def success(self) -> str:
        """All its keys in words; empty for a match without keys."""
        match = self._match
        said = [
            f"source {_either(match.source)}" if match.source else "",
            f"module {_either(match.module)}" if match.module else "",
            f"level {match.level.word}" if match.level is not None else "",
            *(each.success() for each in self.conditions),
        ]
        return ", ".join(filter(None, said))

    def _fixed_failure(self, source: str, module: str, level: Level) -> str:
        match = self._match
        if self._source is not None and not self._source(source):
            return f"source {source} is not {_either(match.source)}"
        if self._module is not None and not self._module(module):
            return f"module {module} is not {_either(match.module)}"
        if match.level is not None and level < match.level:
            return f"level {level.word} is below {match.level.word}"
        return ""


def _conditions(match: Match) -> tuple[Condition, ...]:
    wanted = [("message", False, match.message)] if match.message else []
    wanted += [(name, True, texts) for name, texts in match.labels.items()]
    return tuple(Condition(key, is_label, texts, any_of(texts)) for key, is_label, texts in wanted)


def _either(texts: tuple[Text, ...]) -> str:
    return " or ".join(shown(text) for text in texts)
