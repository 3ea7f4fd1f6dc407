"""One tool over one corpus: on as much of it as it can finish in its time, the best of a few runs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from tests.bench.scan import daemon
from tests.bench.scan.corpus import Corpus
from tests.bench.scan.packages import MissingError
from tests.bench.scan.peers import FLOORS, PEERS, Job
from tests.bench.scan.process import Cost, Run, warm
from tests.bench.scan.rules import Written

_RUNS: Final = 3
_FIRST: Final = 1 << 20  # bytes that a tool is tried on first
_TOLERANCE: Final = 0.001  # by which a tool may count otherwise: grammars differ in corners


class Slice(Struct, frozen=True):
    """The first part of both logs, as one file."""

    path: Path
    size: int
    matching: int  # lines that a tool without exceptions finds


class Result(Struct, frozen=True):
    """A tool's figures."""

    tool: str
    size: int = 0  # bytes read
    cost: Cost | None = None
    note: str = ""
    reading: float = 0.0  # bytes a second without the start-up, of relay

    @property
    def rate(self) -> float:
        """MB/s, start-up included."""
        return self.size / self.cost.wall / 1e6 if self.cost else 0.0

    @property
    def cpu(self) -> float:
        """Processor seconds a GB."""
        return self.cost.cpu / self.size * 1e9 if self.cost else 0.0


def relay(corpus: Corpus, rules: tuple[Written, ...], budget: float) -> Result:
    """The whole daemon over all of it; an AssertionError if it doesn't find what was planted."""
    warm([log.path for log in corpus.logs.values()])

    def run() -> daemon.Measured:
        measured = daemon.measure(corpus, rules)
        wrong = (measured.found - corpus.planted) + (corpus.planted - measured.found)
        assert not wrong, f"counted otherwise than planted: {wrong.most_common(5)}"
        return measured

    runs = [run()]
    while len(runs) < _RUNS and runs[0].cost.wall < budget / _RUNS:
        runs.append(run())
    best = min(runs, key=lambda each: each.cost.wall)
    reading = corpus.size / (best.cost.wall - best.serving)
    note = f"serving after {best.serving:.2f} s, {reading / 1e6:,.0f} MB/s from then on"
    return Result("relay", corpus.size, best.cost, note, reading)


def peer(name: str, corpus: Corpus, rules: tuple[Written, ...], budget: float) -> Result:
    """A tool over as much of the corpus as it reads in `budget` seconds, about."""
    part = cut(corpus, _FIRST)
    try:
        while True:
            cost, note = _run(name, part, rules, budget)
            if cost is None:
                return Result(name, note=note)
            larger = cut(corpus, part.size / cost.wall * budget * 0.8)
            if larger.size < 2 * part.size:
                break
            part = larger
        for _ in range(_RUNS - 1):
            if cost.wall > budget / _RUNS:
                break
            another, _ = _run(name, part, rules, budget)
            cost = min(cost, another or cost, key=lambda each: each.wall)
    except MissingError as error:
        return Result(name, note=f"skipped: {error}")
    return Result(name, part.size, cost, note)


def cut(corpus: Corpus, size: float) -> Slice:
    """About the first `size` bytes of the corpus: the same share of each log."""
    cuts = {name: log.at_most(size * log.whole.offset / corpus.size) for name, log in corpus.logs.items()}
    total = sum(each.offset for each in cuts.values())
    path = corpus.folder / f"slice-{total}.log"
    if not path.exists():
        with path.open("wb") as out:
            for name, each in cuts.items():
                _copy(corpus.logs[name].path, each.offset, out.write)
    matching = sum(sum(each.planted.values()) + each.extra for each in cuts.values())
    return Slice(path, total, matching)


def _copy(path: Path, size: int, write: Callable[[bytes], int]) -> None:
    with path.open("rb") as file:
        while size > 0:
            size -= write(file.read(min(size, 1 << 20)))


def _run(name: str, part: Slice, rules: Sequence[Written], budget: float) -> tuple[Cost | None, str]:
    """What it took, or None and why; in any case what is to be said."""
    folder = Path(tempfile.mkdtemp(prefix="relay-bench-"))
    try:
        job = PEERS[name](rules, part.path, folder)
        warm([part.path])
        run = Run(
            job.command,
            stdin=job.stdin,
            stdout=job.out,
            stderr=folder / "err",
            env=job.env,
            cwd=folder,
        )
        expected = 0 if name in FLOORS else part.matching
        cost = run.until(lambda: job.stays and job.found() >= expected, budget * 6)
        status = run.stop(5)
        return _judged(job, cost, expected, status, (folder / "err").read_text(errors="replace"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _judged(job: Job, cost: Cost | None, expected: int, status: int, errors: str) -> tuple[Cost | None, str]:
    if cost is None:
        return None, "didn't come to the end in its time"
    found = job.found()
    if abs(found - expected) > expected * _TOLERANCE:
        return None, f"found {found:,} lines of {expected:,} (status {status}): {errors.strip()[-200:]}"
    return cost, "" if found == expected else f"found {found:,} lines of {expected:,}"
