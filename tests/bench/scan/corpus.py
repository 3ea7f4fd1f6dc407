"""The corpus: two logs of a given size, the same for the same parameters, with lines planted that rules want.

A pool of some thousand distinct lines is made once. The log is then written in blocks: a slice of the pool
from a random place, lines planted in it, and the marks of its templates replaced by a clock and numbers
that go on. So a gigabyte takes seconds, and no block repeats another.
"""

from __future__ import annotations

import hashlib
import inspect
import itertools
import json
import os
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from tests.bench.scan import java, lines
from tests.bench.scan import rules as rules_module
from tests.bench.scan.lines import MARKS
from tests.bench.scan.rules import JAVA, MIXED, Plant, Written

SEED: Final = 20260301
_SHARES: Final = {MIXED: 7 / 8, JAVA: 1 / 8}
_POOL: Final = 32_768  # distinct lines
_BLOCK: Final = 256  # of them
_VARIANTS: Final = 3  # lines planted for each rule differ in their head: as many alerts
_DECOYS: Final = 0.05  # planted beside the lines that are found
_FIRST_MARK: Final = 1 << 18  # bytes; the marks after it double


class Cut(Struct, frozen=True):
    """A place in a log between two records, and what stands before it."""

    offset: int  # bytes
    lines: int
    planted: dict[str, int]  # lines (in Java: records) that each rule must find
    extra: int  # decoys that a tool takes which knows no exceptions


class Log(Struct, frozen=True):
    """One file of a corpus."""

    path: Path
    cuts: tuple[Cut, ...]  # the last one is its end

    @property
    def whole(self) -> Cut:
        """All of it."""
        return self.cuts[-1]

    def at_most(self, size: float) -> Cut:
        """The largest part of at most that many bytes, or the smallest there is."""
        return max(
            (cut for cut in self.cuts if cut.offset <= size), default=self.cuts[0], key=lambda cut: cut.offset
        )


class Corpus(Struct, frozen=True):
    """The logs of one size, density and set of rules."""

    folder: Path
    logs: dict[str, Log]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(log.whole.offset for log in self.logs.values())

    @property
    def lines(self) -> int:
        """Lines of both logs."""
        return sum(log.whole.lines for log in self.logs.values())

    @property
    def planted(self) -> Counter[str]:
        """What each rule must find."""
        return sum((Counter(log.whole.planted) for log in self.logs.values()), Counter())


def cache() -> Path:
    """Where corpora are kept: it is this user's only."""
    folder = Path(tempfile.gettempdir()) / f"relay-bench-scan-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    assert folder.stat().st_uid == os.getuid(), f"{folder} is somebody else's"
    return folder


def corpus(size: int, density: float, rules: tuple[Written, ...], where: Path | None = None) -> Corpus:
    """The corpus of about `size` bytes of which `density` of the lines are found: as kept, or made now."""
    folder = (where or cache()) / _key(size, density, rules)
    if not (folder / "logs.json").exists():
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        cuts = {
            name: _Writer(part / f"{name}.log", name, density, rules).write(int(size * share))
            for name, share in _SHARES.items()
        }
        (part / "logs.json").write_bytes(msgspec.json.encode(cuts))
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    kept = msgspec.json.decode((folder / "logs.json").read_bytes(), type=dict[str, tuple[Cut, ...]])
    return Corpus(folder, {name: Log(folder / f"{name}.log", each) for name, each in kept.items()})


def _key(size: int, density: float, rules: tuple[Written, ...]) -> str:
    """Names the parameters and the code that the corpus depends on."""
    here = inspect.getmodule(_key)
    code = "".join(inspect.getsource(each) for each in (lines, java, rules_module, here) if each)
    digest = hashlib.sha256(json.dumps([SEED, _SHARES, code]).encode()).hexdigest()
    return f"{size}-{density:g}-{len(rules)}-{digest[:12]}"


class _Plant(Struct, frozen=True):
    """The lines of one rule, ready to be planted."""

    rule: str
    lines: tuple[bytes, ...]
    fall_for: bool  # a tool that knows no exceptions takes them


class _Writer:
    """Writes one log."""

    def __init__(self, path: Path, name: str, density: float, rules: tuple[Written, ...]) -> None:
        self._path = path
        self._density = density
        self._chance = chance = random.Random(f"{SEED} {name} {density} {len(rules)}")
        self._pool = _pool(name)
        plants = [
            _plant(rule, rule.plants[name], chance, fall_for=True) for rule in rules if name in rule.plants
        ]
        self._plants = itertools.cycle(chance.sample(plants, len(plants)))  # each rule has its turn
        self._decoys = [
            _plant(rule, rule.decoys[name], chance, fall_for=rule.peers_fall_for_decoys)
            for rule in rules
            if name in rule.decoys
        ]
        self._planted: Counter[str] = Counter()
        self._extra = self._lines = self._blocks = 0
        self._owed = 0.0  # lines to plant

    def write(self, size: int) -> tuple[Cut, ...]:
        """Until it has `size` bytes. Each cut ends with a planted line: who found it has read it all."""
        cuts: list[Cut] = []
        offset, mark = 0, _FIRST_MARK
        with self._path.open("wb") as out:
            while offset < size:
                offset += out.write(self._block())
                if offset >= min(mark, size):
                    self._owed -= 1
                    offset += out.write(self._written([self._found()]))
                    cuts.append(Cut(offset, self._lines, dict(self._planted), self._extra))
                    mark *= 2
        return tuple(cuts)

    def _block(self) -> bytes:
        """A slice of the pool with what is owed planted in it."""
        start = self._chance.randrange(len(self._pool) - _BLOCK)
        block = self._pool[start : start + _BLOCK]
        self._owed += self._density * _BLOCK
        due = max(0, int(self._owed))
        self._owed -= due
        places = self._chance.sample(
            range(_BLOCK), min(_BLOCK, due + int(due * _DECOYS + self._chance.random()))
        )
        for place in places[:due]:
            block[place] = self._found()
        for place in places[due:]:
            block[place] = self._decoy()
        return self._written(block)

    def _found(self) -> bytes:
        """A line that some rule finds."""
        plant = next(self._plants)
        self._planted[plant.rule] += 1
        return self._chance.choice(plant.lines)

    def _decoy(self) -> bytes:
        """A line that no rule finds, though it looks like it."""
        plant = self._chance.choice(self._decoys)
        self._extra += plant.fall_for
        return self._chance.choice(plant.lines)

    def _written(self, block: list[bytes]) -> bytes:
        """The block as it stands in the file: its marks replaced by what goes on from block to block."""
        text = b"\n".join(block) + b"\n"
        self._lines += text.count(b"\n")
        self._blocks += 1
        minutes = self._blocks // 4
        for mark, number in (
            ("hh", f"{minutes // 60 % 24:02}"),
            ("mm", f"{minutes % 60:02}"),
            ("seq", f"{self._chance.randrange(100, 1000)}"),
            ("run", f"{self._blocks % 9000 + 1000}"),
        ):
            text = text.replace(MARKS[mark].encode(), number.encode())
        return text


def _pool(name: str) -> list[bytes]:
    """Everyday lines (in Java: records) that no rule finds."""
    chance = random.Random(f"{SEED} pool {name}")
    if name == JAVA:
        return [java.everyday(chance).encode() for _ in range(_POOL)]
    kinds = tuple(lines.KINDS.values())
    return [chance.choice(kinds).line(chance).encode() for _ in range(_POOL)]


def _plant(rule: Written, make: Plant, chance: random.Random, *, fall_for: bool) -> _Plant:
    return _Plant(rule.name, tuple(make(chance).encode() for _ in range(_VARIANTS)), fall_for)
