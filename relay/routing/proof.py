"""What is wrong with rules that are each well-formed: one hides another, an example misses its rule.

A rule is called shadowed only where that is certain; patterns that can't be compared are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from relay.config.problems import Problem
from relay.config.schema import Config, Example, Match, Rule, Text
from relay.config.texts import any_of
from relay.models import Event, Level
from relay.routing.earlier import Earlier
from relay.routing.ruleset import Ruleset

Parse = Callable[[str], Event]  # a raw log line as its source's format reads it


def problems(config: Config, parse: Parse) -> list[Problem]:
    """Shadowed rules (warnings) and examples that don't reach their rule (errors)."""
    ruleset = Ruleset(config)
    return [*_shadowed(config.rules), *_missed(config.rules, ruleset, parse)]


def covers(earlier: Rule, later: Rule) -> bool:
    """Whether `earlier` certainly takes every event that `later` would match."""
    if earlier.except_ is not None and earlier.except_ != later.except_:
        return False
    return _match_covers(earlier.match, later.match)


def event_of(example: Example, parse: Parse) -> Event:
    """The event an example stands for; one given by its fields is an error unless it says another level."""
    if example.event is None:
        return parse(example.line)
    fields = dict(example.event)
    return Event(
        time=0.0,
        source=fields.pop("source", ""),
        module=fields.pop("module", ""),
        level=Level.of(fields.pop("level", "error")) or Level.ERROR,
        message=fields.pop("message", ""),
        labels=fields,
    )


def _shadowed(rules: tuple[Rule, ...]) -> Iterator[Problem]:
    before = Earlier()
    for later in rules:
        for earlier in before.may_cover(later):
            if covers(earlier, later):
                why = f"{earlier.name!r} ({earlier.place}) takes all it matches"
                yield Problem("warning", later.place, f"rule {later.name!r} is never reached: {why}")
                break
        if not later.goes_on:
            before.add(later)


def _missed(rules: tuple[Rule, ...], ruleset: Ruleset, parse: Parse) -> Iterator[Problem]:
    for rule in rules:
        for example in rule.examples:
            event = event_of(example, parse)
            taken_by = ruleset.route(event)
            if rule not in taken_by:
                yield Problem("error", example.place, _miss(rule, taken_by, ruleset, event))


def _miss(rule: Rule, taken_by: tuple[Rule, ...], ruleset: Ruleset, event: Event) -> str:
    step = next(step for step in ruleset.trace(event) if step.rule == rule.name)
    text = f"this example doesn't reach rule {rule.name!r}: {step.why}"
    if step.outcome == "failed" and taken_by:
        text += f"; {taken_by[0].name!r} takes it"
    return text


def _match_covers(wide: Match, narrow: Match) -> bool:
    level_covered = wide.level is None or (narrow.level is not None and wide.level <= narrow.level)
    return (
        level_covered
        and _texts_cover(wide.source, narrow.source)
        and _texts_cover(wide.module, narrow.module, dotted=True)
        and _texts_cover(wide.message, narrow.message)
        and all(_texts_cover(texts, narrow.labels.get(name, ())) for name, texts in wide.labels.items())
    )


def _texts_cover(wide: tuple[Text, ...], narrow: tuple[Text, ...], *, dotted: bool = False) -> bool:
    if not wide:
        return True
    return bool(narrow) and all(any(_text_covers(w, n, dotted=dotted) for w in wide) for n in narrow)


def _text_covers(wide: Text, narrow: Text, *, dotted: bool) -> bool:
    if wide == narrow:
        return True
    if narrow.ignore_case:
        return False
    if narrow.kind == "exact":
        return any_of((wide,), dotted=dotted)(narrow.text)
    if wide.ignore_case:
        return False
    if wide.kind == "part":
        return narrow.kind == "part" and wide.text in narrow.text
    return wide.kind == "glob" and narrow.kind == "glob" and _glob_covers(wide.text, narrow.text)


def _glob_covers(wide: str, narrow: str) -> bool:
    """Only `start*` is compared: it covers each glob whose fixed beginning has that start."""
    start, star, rest = wide.partition("*")
    if not star or rest or "?" in start:
        return False
    return _fixed_beginning(narrow).startswith(start)


def _fixed_beginning(glob: str) -> str:
    return glob.partition("*")[0].partition("?")[0]
