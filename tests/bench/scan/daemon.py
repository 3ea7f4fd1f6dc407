"""The whole daemon over a corpus: from a cold start to the last alert stored."""

from __future__ import annotations

import compileall
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

import relay
from tests.bench.scan.corpus import Corpus
from tests.bench.scan.process import Cost, Run
from tests.bench.scan.rules import Written, sources, yaml

_STALLED: Final = 60.0  # seconds without a byte read that end a run


class Measured(Struct, frozen=True):
    """One run of the daemon."""

    cost: Cost
    serving: float  # seconds until it began to read: imports, rules compiled, store made
    found: Counter[str]  # events that the alerts of each rule count


def measure(corpus: Corpus, rules: tuple[Written, ...]) -> Measured:
    """Run the daemon until both logs are settled to their ends; each ends with a line that is an alert's."""
    with _folder() as folder:
        config = folder / "rules.yaml"
        config.write_text(yaml(rules, sources(str(corpus.folder)), str(folder)))
        config.chmod(0o600)
        log = folder / "relay.log"
        compileall.compile_dir(Path(relay.__file__).parent, quiet=1)  # as an installed package is
        run = Run([sys.executable, "-m", "relay", "run", "-c", str(config)], stderr=log)
        try:
            progress = _Progress(folder / "relay.db", corpus, log)
            cost = run.until(progress.over, _STALLED + corpus.size / 100_000)
            if cost is None or run.ended() or progress.stalled:
                raise AssertionError(f"the daemon didn't come to the end:\n{log.read_text()[-3000:]}")
        finally:
            run.stop()
        return Measured(cost, progress.serving - run.began, _found(folder / "relay.db"))


class _Progress:
    """How far the store says that the logs were read."""

    def __init__(self, store: Path, corpus: Corpus, log: Path) -> None:
        self.serving = 0.0  # monotonic
        self._log = log
        self.stalled = False
        self._store = store
        self._left = {str(log.path): log.whole.offset for log in corpus.logs.values()}
        self._sum = 0
        self._moved = time.monotonic()

    def over(self) -> bool:
        """Whether both are settled to their ends, or nothing moves."""
        now = time.monotonic()
        if not self.serving:
            if b'"event":"started"' not in self._log.read_bytes():
                return now - self._moved > _STALLED
            self.serving = now
        offsets = self._offsets()
        if sum(offsets.values()) > self._sum:
            self._sum = sum(offsets.values())
            self._moved = now
        self.stalled = now - self._moved > _STALLED
        return self.stalled or all(offsets.get(path, 0) >= size for path, size in self._left.items())

    def _offsets(self) -> dict[str, int]:
        if not self._store.exists():
            return {}
        with closing(_opened(self._store)) as db:
            try:
                rows = db.execute("SELECT path, offset FROM positions").fetchall()
            except sqlite3.OperationalError:  # it is being made
                return {}
        return {bytes(path).decode(): offset for path, offset in rows}


def _found(store: Path) -> Counter[str]:
    with closing(_opened(store)) as db:
        return Counter(dict(db.execute("SELECT rule, sum(count) FROM alerts GROUP BY rule")))


def _opened(store: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=5)


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="relay-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
