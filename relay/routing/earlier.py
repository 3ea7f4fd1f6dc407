"""The rules before one, by what they ask for: those that may take everything it matches.

Ten thousand rules make fifty million pairs. A rule that covers another asks for a text that is the other's or
a part of it, or for a module that is the other's or a glob that begins like it; so those are looked up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from relay.config.schema import Rule, Text


class Earlier:
    """Rules in order, found again by their first condition."""

    def __init__(self) -> None:
        self._any: list[tuple[int, Rule]] = []  # those that no look-up finds
        self._by_text: dict[Text, list[tuple[int, Rule]]] = {}
        self._by_module: dict[str, list[tuple[int, Rule]]] = {}  # by a name, or a glob's beginning
        self._count = 0

    def add(self, rule: Rule) -> None:
        """The next one."""
        entry = (self._count, rule)
        self._count += 1
        if rule.match.message:
            for text in rule.match.message:
                self._by_text.setdefault(text, []).append(entry)
            return
        starts = [_start(text) for text in rule.match.module]
        if not starts or None in starts:
            self._any.append(entry)
            return
        for start in starts:
            self._by_module.setdefault(str(start), []).append(entry)

    def may_cover(self, later: Rule) -> list[Rule]:
        """Those that may take everything that `later` matches, in order; all others don't."""
        found = dict(self._any)
        if later.match.message:
            for text in _parts(later.match.message[0]):
                found.update(self._by_text.get(text, ()))
        if later.match.module:
            for start in _beginnings(later.match.module[0].text):
                found.update(self._by_module.get(start, ()))
        return [found[number] for number in sorted(found)]


def _start(text: Text) -> str | None:
    """What a module that it covers begins with; None where that can't be said."""
    if text.kind == "exact" and not text.ignore_case:
        return text.text
    if text.kind != "glob":
        return None if text.kind == "regex" else text.text
    return text.text.removesuffix(".*").partition("*")[0].partition("?")[0]


def _parts(text: Text) -> Iterator[Text]:
    """Itself, and the texts that are a part of it."""
    yield text
    if text.kind == "part" and not text.ignore_case:
        whole = text.text
        for begin in range(len(whole)):
            for end in range(begin + 1, len(whole) + 1):
                yield Text("part", whole[begin:end])


def _beginnings(text: str) -> Iterable[str]:
    return (text[:end] for end in range(len(text) + 1))
