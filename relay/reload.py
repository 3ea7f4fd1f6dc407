"""rules.yaml -> everything a running relay is made of, with all that can fail done first.

`prepare` touches nothing live: it reads, checks, resolves secrets, compiles, and proves the examples.
Whoever calls it swaps the result in afterwards, with nothing left that could fail.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from relay.backends.registry import Types
from relay.config.load import load
from relay.config.problems import Problem, quoted
from relay.config.schema import Config, Place, TailSource
from relay.drill import LABEL, drill_event, first_socket
from relay.models import Event
from relay.routing import proof
from relay.routing.ruleset import Ruleset
from relay.rulebook import Rules
from relay.sources.parse import guess
from relay.sources.scan.sieve import sieves_of

SETTLED: Final = 0.5  # seconds a file must have been still: editors truncate first and write later


class Prepared(Struct):
    """A configuration ready to swap in (`rules` is None where there are errors), and all problems found."""

    rules: Rules | None
    problems: list[Problem]


def prepare(path: str, *, lenient_secrets: bool = False, scan: bool = False, keep: bool = False) -> Prepared:
    """Read and check `path`; never raises for what the user wrote.

    `scan`: also compile what log files are scanned for, which takes up to seconds; `keep` it beside the
    store.
    """
    loaded = load(path, backend_types=Types(), environ=os.environ, lenient_secrets=lenient_secrets)
    config, problems = loaded.config, list(loaded.problems)
    if config is None:
        return Prepared(None, problems)
    problems += proof.problems(config, parser(config))
    problems += _drill_problems(config)
    problems.sort()
    if any(problem.severity == "error" for problem in problems):
        return Prepared(None, problems)
    rules = Rules.of(config, Ruleset(config))
    if scan:
        cache = Path(config.store).parent if keep else None
        rules.ruleset.quicken(cache)
        rules = replace(rules, sieves=sieves_of(config, cache))
        problems += costs(rules)
        problems.sort()
    return Prepared(rules, problems)


def costs(rules: Rules) -> list[Problem]:
    """The rules for whose sake every line of a source is looked at, some ten times as slow as a scan."""
    return [
        Problem(
            "warning",
            rules.by_name[each.rule].place,
            f"rule {quoted(each.rule)} has every line of source {quoted(source)} looked at: {each.why}",
        )
        for source, sieves in rules.sieves.items()
        for each in sieves.costly
    ]


def parser(config: Config) -> Callable[[str], Event]:
    """What event a pasted line would be, by the formats of the configured sources."""
    tails = [(name, source) for name, source in config.sources.items() if isinstance(source, TailSource)]

    def parse(line: str) -> Event:
        return guess(line, "example", tails, time.time())

    return parse


def _drill_problems(config: Config) -> list[Problem]:
    """A drill that no rule takes would fail each time."""
    event = drill_event(first_socket(config)[0] or LABEL, "mark", time.time())
    if config.drill is None or Ruleset(config).route(event):
        return []
    place = Place(config.files[0], 1, 1)
    text = f"no rule takes the event of `drill`: add one with `match: {{module: {event.module}}}`"
    return [Problem("warning", place, text)]


class Edits:
    """Notices that rules.yaml changed, by its files' times and sizes, once they have been still."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._further: tuple[Path, ...] = ()
        self._taken = self._look()  # what was last loaded or refused
        self._seen = self._taken  # what the previous look saw

    def changed(self) -> bool:
        """Whether there is an edit to take: it is new, and stood still since the last look."""
        look = self._look()
        still, self._seen = look == self._seen, look
        if not still or look == self._taken:
            return False
        self._taken = look
        return True

    def watch(self, files: Iterable[str]) -> None:
        """Further files that the rules were read from: calendars, CODEOWNERS."""
        self._further = tuple(Path(file) for file in files)
        known = {signature[0]: signature for signature in self._taken}
        self._taken = self._seen = tuple(known.get(str(file)) or _signature(file) for file in self._files())

    def taken(self) -> None:
        """What is there now has been loaded."""
        self._taken = self._seen = self._look()

    def _look(self) -> tuple[tuple[str, int, int, int], ...]:
        return tuple(_signature(file) for file in self._files())

    def _files(self) -> Iterable[Path]:
        own = sorted(self._path.glob("*.yaml")) if self._path.is_dir() else [self._path]
        return [*own, *(file for file in self._further if file not in own)]


def _signature(file: Path) -> tuple[str, int, int, int]:
    try:
        stat = file.stat()
    except OSError:
        return (str(file), 0, 0, 0)
    return (str(file), stat.st_mtime_ns, stat.st_size, stat.st_ino)
