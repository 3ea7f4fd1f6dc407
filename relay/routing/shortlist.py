"""Which message conditions may hold for a text: one search for all rules, before any is asked exactly."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

from relay.config.schema import Rule, Text
from relay.scan.conditions import tree_of
from relay.scan.engine import MANY, EngineError, build
from relay.scan.widen import Alphabet, widen

LEAST: Final = 4  # conditions from which on a search for all is worth it
_COARSE: Final = 8  # characters of a text that is told by itself, where there are thousands of them
_ENCODE: Final = ("utf-8", "replace")  # as the exact predicates do
_UTF_8: Final = Alphabet("utf-8")


class Shortlist:
    """The message conditions of all rules, as one database."""

    def __init__(self, rules: Iterable[Rule], cache: Path | None = None) -> None:
        """Raises `EngineError` where it can't be had; `cache` is a folder."""
        texts = dict.fromkeys(text for rule in rules for text in rule.match.message)
        coarse = _COARSE if len(texts) > MANY else 0
        wide = {text: pattern for text in texts if (pattern := _pattern(text, coarse=coarse))}
        if len(wide) < LEAST:
            raise EngineError(())
        self._texts = tuple(wide)
        self._engine = build(tuple(wide.values()), cache)
        self.covered = frozenset(wide)  # the conditions it can tell of

    def may_hold(self, message: str) -> Collection[Text]:
        """The covered conditions that may hold for it; all others don't."""
        if "\u212a" in message or "\u017f" in message:  # a k and an s to a pattern that ignores case
            return self._texts
        return [self._texts[number] for number in self._engine.which(message.encode(*_ENCODE))]


def _pattern(text: Text, *, coarse: int) -> str:
    """A pattern over bytes that matches wherever the condition holds; empty if that is nearly everywhere."""
    tree = tree_of(text)
    wide = None if tree is None else widen(tree, _UTF_8, coarse=coarse)
    return wide.text if wide is not None and wide.weight else ""
