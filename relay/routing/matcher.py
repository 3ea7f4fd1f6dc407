"""Conditions of rules.yaml compiled to predicates, with the words that say why one doesn't hold.

A `Matcher` has two halves. The fixed half (source, module, level) takes few values, so the ruleset asks it
once per combination; the varying half (message, labels) is asked for each event that comes that far.

Everything that isn't a plain comparison runs in RE2, whose time is linear in the text: no pattern and no
message can stall the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import re2
from msgspec import Struct

from relay.config.schema import Match, Text
from relay.models import Event, Level

Predicate = Callable[[str], bool]

# A lone surrogate can't be encoded as UTF-8; as a question mark it matches `.` and nothing by name.
_ENCODE: Final = ("utf-8", "replace")


def compiled(pattern: str, *, ignore_case: bool = False, whole: bool = False) -> Predicate:
    """A predicate for an RE2 pattern, anywhere in the text or as a whole; `re2.error` if RE2 refuses it."""
    options = re2.Options()
    options.log_errors = False  # RE2 would print to stderr; the checker says it with a place
    options.never_capture = True
    options.case_sensitive = not ignore_case
    regexp = re2.compile(pattern, options)
    find = regexp.fullmatch if whole else regexp.search
    # Bytes go in: with a str the binding counts characters to give offsets that nobody wants here.
    return lambda text: find(text.encode(*_ENCODE)) is not None


def any_of(texts: Iterable[Text], *, dotted: bool = False) -> Predicate:
    """Whether any of the conditions holds; `dotted`: they are over module names."""
    texts = tuple(texts)
    exact = frozenset(text.text for text in texts if text.kind == "exact" and not text.ignore_case)
    others = tuple(_one(text, dotted=dotted) for text in texts if text.kind != "exact" or text.ignore_case)
    if not others:
        return exact.__contains__
    if not exact and len(others) == 1:
        return others[0]
    return lambda text: text in exact or any(holds(text) for holds in others)


def pattern_of(text: Text, *, dotted: bool = False) -> tuple[str, bool]:
    """The RE2 pattern that means the same as the condition, and whether it is for the whole text."""
    match text.kind:
        case "regex":
            return text.text, dotted
        case "glob":
            return glob_pattern(text.text, dotted=dotted), True
        case "part":
            return re2.escape(text.text), False
        case "exact":
            return re2.escape(text.text), True


def glob_pattern(glob: str, *, dotted: bool = False) -> str:
    """`*` is any text, `?` one character. Dotted: a last `.*` also matches the name before it alone."""
    if dotted and glob.endswith(".*"):
        return f"{_wild(glob[:-2])}(?:\\..*)?"
    return _wild(glob)


def shown(text: Text) -> str:
    """The condition as it is written in rules.yaml."""
    return f"/{text.text}/{'i' * text.ignore_case}" if text.kind == "regex" else text.text


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


def _one(text: Text, *, dotted: bool) -> Predicate:
    if text.kind == "part" and not text.ignore_case:
        return lambda value: text.text in value
    pattern, whole = pattern_of(text, dotted=dotted)
    return compiled(pattern, ignore_case=text.ignore_case, whole=whole)


def _wild(glob: str) -> str:
    wild = {"*": "(?s:.*)", "?": "(?s:.)"}
    return "".join(wild.get(char) or re2.escape(char) for char in glob)


def _either(texts: tuple[Text, ...]) -> str:
    return " or ".join(shown(text) for text in texts)
