"""What keeps a source from being read: told once when it begins, and once when it is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import structlog
from msgspec import Struct
from msgspec.structs import replace

log = structlog.get_logger()


class Trouble(Struct, frozen=True):
    """One problem with one path.

    `unreadable`: the file or folder is there but can't be opened or read. `gap`: bytes were rotated or cut
    away before they were read; it is never cleared. `watch_limit`: inotify gives no more watches, relay
    polls instead. `open_files`: the process may open no more files.
    """

    kind: Literal["unreadable", "gap", "watch_limit", "open_files"]
    path: str  # safe to show
    text: str  # for people
    cleared: bool = False


class Troubles:
    """Tells of each problem once, however often it is met, and once that it is over."""

    def __init__(self, tell: Callable[[Trouble], None]) -> None:
        self._tell = tell
        self._open: dict[tuple[str, str], Trouble] = {}

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, trouble: Trouble) -> None:
        """It is so now."""
        key = (trouble.kind, trouble.path)
        if key not in self._open:
            self._open[key] = trouble
            log.warning("source_in_trouble", kind=trouble.kind, path=trouble.path, text=trouble.text)
            self._tell(trouble)

    def end(self, kind: str, path: str) -> None:
        """It is over, if it was so."""
        if trouble := self._open.pop((kind, path), None):
            log.info("source_recovered", kind=kind, path=path)
            self._tell(replace(trouble, cleared=True))

    def paths(self, kind: str) -> list[str]:
        """Where that kind of problem is."""
        return [path for each, path in self._open if each == kind]
