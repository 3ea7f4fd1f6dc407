"""What a tail asks: where in a block an event may be that some rule takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import re2
from msgspec import Struct

from relay.config.schema import Config, Rule, TailSource
from relay.config.texts import any_of
from relay.scan.engine import MANY, Engine, EngineError, build
from relay.sources.lines import readable
from relay.sources.scan.needs import Asking, Needs

FLOODED: Final = 16  # bytes of a block for each hit, at the least: with more, a scan costs more than it saves
ENOUGH: Final = 2048  # bytes of a block that can tell
REST: Final = 64  # blocks that aren't scanned after such a one


class Sieve:
    """Finds the places in a block near which something may be wanted."""

    def __init__(self, engines: Sequence[Engine], runs: Sequence[Runs] = ()) -> None:
        self._engines = tuple(engines)
        self._runs = tuple(runs)
        self._rest = 0  # blocks for which it isn't worth it

    def places(self, data: bytes) -> list[int] | None:
        """Offsets behind a byte of each line that may be wanted, ascending; None: look at every line.

        `data` are whole lines.
        """
        if self._rest:
            self._rest -= 1
            return None
        found: list[int] = []
        for engine in self._engines:
            found += engine.ends(data)
            if len(found) * FLOODED > len(data) >= ENOUGH:
                self._rest = REST
                return None
        for runs in self._runs:
            found += runs.ends(data)
        if len(self._engines) + len(self._runs) > 1:
            found.sort()
        return found

    def wants(self, data: bytes) -> bool:
        """Whether the lines of one event may be wanted."""
        return any(engine.ends(data) for engine in self._engines) or any(
            runs.ends(data) for runs in self._runs
        )


class Runs:
    """Runs of lines that begin with one of some headers: every other line may be wanted.

    For headers that `complement` can't turn around: one match in RE2 for each run, not for each line.
    """

    def __init__(self, headers: str) -> None:
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.never_capture = True
        options.longest_match = True
        self._match = re2.compile(rf"(?:(?:{headers})[^\n]*\n)+".encode(), options).match

    def ends(self, data: bytes) -> list[int]:
        """As `Engine.ends`: each line that isn't in a run."""
        found, at = [], 0
        while at < len(data):
            if run := self._match(data, at):
                at = run.end()
                continue
            line = data.find(b"\n", at)
            at = len(data) if line < 0 else line + 1
            found.append(at)
        return found


class Costly(Struct, frozen=True):
    """A rule for whose sake every line of a source is looked at."""

    rule: str
    why: str


class Sieves:
    """The sieves of one source: those of a file whose own module some rules name are finer."""

    def __init__(
        self, source: str, settings: TailSource, rules: Sequence[Rule], cache: Path | None = None
    ) -> None:
        """`settings` are the source's, its lines as they come from `lines`; `cache` is a folder."""
        self._asking = Asking(source, settings, coarse=len(rules) > MANY)
        self._named = [(rule, any_of(rule.match.module, dotted=True)) for rule in rules if rule.match.module]
        self._cache = cache
        self._sieves: dict[str, Sieve | None] = {}  # by the module of a file
        needs = self._asking.of_lines(rules)
        self.costly = tuple(Costly(rule, why) for rule, why in needs.every)
        self.patterns = len(needs.patterns)
        self._engines: tuple[Engine, ...] = ()
        self._runs: tuple[Runs, ...] = ()
        if self.costly:
            return
        try:
            self._engines, self._runs = self._built(needs)
        except EngineError as error:
            owners = list(needs.patterns.values())
            whose = [owner for number in error.refused if (owner := owners[number])]  # some are nobody's
            why = "the scan takes no pattern like its"
            self.costly = tuple(Costly(rule, why) for rule in dict.fromkeys(whose or filter(None, owners)))

    def of_module(self, module: str) -> Sieve | None:
        """The sieve for files whose lines have that module by default; None: look at every line."""
        if self.costly:
            return None
        if module not in self._sieves:
            self._sieves[module] = self._made(module)
        return self._sieves[module]

    def _made(self, module: str) -> Sieve | None:
        rules = [rule for rule, takes in self._named if takes(module)]
        if not rules:
            return Sieve(self._engines, self._runs)
        needs = self._asking.of_file(rules)
        if needs.every:
            return None
        try:
            engines, runs = self._built(needs)
        except EngineError:
            return None
        return Sieve((*self._engines, *engines), (*self._runs, *runs))

    def _built(self, needs: Needs) -> tuple[tuple[Engine, ...], tuple[Runs, ...]]:
        engines = (build(tuple(needs.patterns), self._cache),) if needs.patterns else ()
        return engines, (Runs(needs.low),) if needs.low else ()


def sieves_of(config: Config, cache: Path | None = None) -> dict[str, Sieves]:
    """The sieves of all tailed sources, by name. Takes up to seconds with thousands of rules."""
    rules = (*config.rules, *(rule.ending for rule in config.rules if rule.ending is not None))
    return {
        name: Sieves(name, readable(source), rules, cache)
        for name, source in config.sources.items()
        if isinstance(source, TailSource)
    }
