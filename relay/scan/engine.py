"""What searches a block of bytes for many patterns at once, behind one small adapter.

Hyperscan (or Vectorscan, by the package `hyperscan`) where there is a wheel for the platform; else RE2. Both
only say near which bytes something was found, so results never differ: what is near is matched exactly
afterwards.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import re2
import structlog


def _hyperscan() -> Any:
    """The binding; None where there is no wheel for the platform: RE2 does the same, slower."""
    try:
        return importlib.import_module("hyperscan")
    except ImportError:
        return None


log = structlog.get_logger()

_MOST_MEMORY: Final = 256 << 20  # bytes that RE2's automaton may take
MANY: Final = 3000  # rules from which on their patterns should be coarse (see `widen`)
KEPT: Final = 16  # databases kept beside the store: those of files' own modules and of the latest edits

hyperscan: Any = _hyperscan()


class EngineError(ValueError):
    """Some patterns aren't taken; `refused` are their places in the list."""

    def __init__(self, refused: Sequence[int]) -> None:
        super().__init__(f"{len(refused)} patterns are not taken")
        self.refused = tuple(refused)


class Engine(Protocol):
    """Many patterns compiled."""

    def ends(self, data: bytes) -> list[int]:
        """Offsets behind a byte in each line where something begins or ends that was found.

        Ascending; there may be several for a line.
        """
        ...

    def which(self, data: bytes) -> Collection[int]:
        """The places in the list of the patterns that may match somewhere in `data`."""
        ...


class Hyperscan:
    """One database, for whole blocks.

    https://intel.github.io/hyperscan/dev-reference/
    """

    def __init__(self, patterns: Sequence[str], cache: Path | None = None) -> None:
        """`cache`: a folder in which compiled databases are kept."""
        self._database = _cached(patterns, cache) or _compiled(patterns)
        if cache is not None:
            _keep(self._database, patterns, cache)
        self._scratch = hyperscan.Scratch(self._database)

    def ends(self, data: bytes) -> list[int]:
        """As `Engine.ends`."""
        found: list[int] = []
        add = found.append

        def on_match(_id: int, _start: int, end: int, _flags: int, _context: Any) -> None:
            add(end)

        self._database.scan(data, match_event_handler=on_match, scratch=self._scratch)
        return found

    def which(self, data: bytes) -> Collection[int]:
        """As `Engine.which`."""
        found: set[int] = set()
        add = found.add

        def on_match(number: int, _start: int, _end: int, _flags: int, _context: Any) -> None:
            add(number)

        self._database.scan(data, match_event_handler=on_match, scratch=self._scratch)
        return found


class Re2:
    """The same by one RE2 pattern, searched again behind each line in which it was found."""

    def __init__(self, patterns: Sequence[str]) -> None:
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.never_capture = True
        options.log_errors = False
        options.max_mem = _MOST_MEMORY
        each_refused = [number for number, text in enumerate(patterns) if not _taken(text, options)]
        if each_refused:
            raise EngineError(each_refused)
        self._all = range(len(patterns))
        try:
            self._search = re2.compile(f"(?m:{'|'.join(patterns)})".encode(), options).search
        except re2.error:  # each alone is fine, all together are too large
            raise EngineError(range(len(patterns))) from None

    def ends(self, data: bytes) -> list[int]:
        """As `Engine.ends`."""
        found, at = [], 0
        while at < len(data) and (match := self._search(data, at)):
            # By the line where it begins: the next one may begin before this one ends.
            found.append(match.start() + 1)
            at = data.find(b"\n", match.start()) + 1 or len(data)
        return found

    def which(self, data: bytes) -> Collection[int]:
        """As `Engine.which`: all of them if there is any.

        Not by `re2.Set`: that gives up silently when its automaton outgrows its memory, and loses the match.
        """
        return self._all if self._search(data) else ()


def name() -> str:
    """Which engine scans, for the log and `relay status`."""
    if hyperscan is None:
        return "re2 (slower: there is no hyperscan package here)"
    return f"hyperscan {importlib.metadata.version('hyperscan')}"


def build(patterns: Sequence[str], cache: Path | None = None) -> Engine:
    """The best engine there is for these patterns; `EngineError`."""
    return Re2(patterns) if hyperscan is None else Hyperscan(patterns, cache)


def _taken(text: str, options: Any) -> bool:
    try:
        re2.compile(f"(?m:{text})".encode(), options)
    except re2.error:
        return False
    return True


# --- Hyperscan's databases ---


def _compiled(patterns: Sequence[str]) -> Any:
    """A database of all patterns; `EngineError` names those that can't be compiled."""
    try:
        return _database(patterns)
    except hyperscan.error:
        refused = [number for number, text in enumerate(patterns) if not _compiles(text)]
        raise EngineError(refused or range(len(patterns))) from None


def _compiles(text: str) -> bool:
    try:
        _database([text])
    except hyperscan.error:
        return False
    return True


def _database(patterns: Sequence[str]) -> Any:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[text.encode() for text in patterns],
        ids=list(range(len(patterns))),
        elements=len(patterns),
        flags=[hyperscan.HS_FLAG_MULTILINE] * len(patterns),
    )
    return database


def _file(patterns: Sequence[str], cache: Path) -> Path:
    """Named by all that the database depends on."""
    about = "\n".join((name(), os.uname().machine, *patterns))
    return cache / f"scan-{hashlib.sha256(about.encode()).hexdigest()[:32]}.hsdb"


def _cached(patterns: Sequence[str], cache: Path | None) -> Any:
    """The database kept beside the store; None if there is none, or it can't be used here."""
    if cache is None:
        return None
    try:
        kept = _file(patterns, cache).read_bytes()
        return hyperscan.loadb(kept, hyperscan.HS_MODE_BLOCK)  # it has a checksum and its CPU's features
    except (OSError, hyperscan.error, ValueError):
        return None


def _keep(database: Any, patterns: Sequence[str], cache: Path) -> None:
    """Keep it for the next start; whatever goes wrong costs only time then."""
    file = _file(patterns, cache)
    try:
        if file.exists():
            os.utime(file)
            return
        new = file.with_suffix(f".{os.getpid()}")
        new.write_bytes(hyperscan.dumpb(database))
        new.replace(file)
        for old in sorted(cache.glob("scan-*.hsdb"), key=lambda each: each.stat().st_mtime)[:-KEPT]:
            old.unlink(missing_ok=True)
    except (OSError, hyperscan.error) as error:
        log.debug("scan_not_cached", error=str(error))
