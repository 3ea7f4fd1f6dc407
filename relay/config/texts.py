"""Conditions on texts as predicates: what `exact`, `glob`, `part` and `regex` mean.

Everything that isn't a plain comparison runs in RE2, whose time is linear in the text: no pattern and no text
can stall the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import re2

from relay.config.schema import Text

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


def _one(text: Text, *, dotted: bool) -> Predicate:
    if text.kind == "part" and not text.ignore_case:
        return lambda value: text.text in value
    pattern, whole = pattern_of(text, dotted=dotted)
    return compiled(pattern, ignore_case=text.ignore_case, whole=whole)


def _wild(glob: str) -> str:
    wild = {"*": "(?s:.*)", "?": "(?s:.)"}
    return "".join(wild.get(char) or re2.escape(char) for char in glob)
