"""What has a rotation moved where? Names of rotated logs, and what is in their folder.

Age is told by the time of the last write, which gzip and logrotate keep; where two are equal, by the number
or date in the name. Only what is named like a rotation of a log is taken for one: `app-debug.log` is not.
"""
# ruff: noqa: PTH116, PTH118, PTH122 - paths are strings here, as in discover.py

from __future__ import annotations

import os
import re
import time
from typing import Final

from msgspec import Struct

from relay.sources.content import packed
from relay.sources.identity import FileId

# What follows a log's name (app.log.1, app.log-20260301, app.log.old), or stands before its end
# (app.1.log, app-2026-03-01.log; logrotate's `extension` and `dateext`).
_COUNT: Final = r"[-_.](?P<count>\d[\dTZ_:.+-]*)"
_AFTER: Final = re.compile(
    rf"(?P<log>.+?)(?:{_COUNT}|[-_.](?:old|bak|backup|orig|prev|previous|save|copy)|~)", re.DOTALL
)
_WITHIN: Final = re.compile(rf"(?P<stem>.+?){_COUNT}(?P<end>\.[A-Za-z][A-Za-z0-9]*)", re.DOTALL)
_DATES: Final = (
    1_000_000  # from here on a number is a date or a time: it grows, while counters say how long ago
)


_TICK_NS: Final = 20_000_000  # more than a tick of any kernel


class Sibling(Struct, frozen=True):
    """A rotated relative of a log."""

    path: str
    id: FileId
    size: int
    mtime_ns: int
    order: int  # among those of one time


def logs_of(name: str) -> list[str]:
    """The names of which `name` may be a rotation: `app.log.2.gz` of `app.log`, and of `app.log.2`."""
    plain = _unpacked(name)
    found = [plain] if plain != name else []
    name = plain
    if after := _AFTER.fullmatch(name):
        found.append(after["log"])
    if within := _WITHIN.fullmatch(name):
        found.append(within["stem"] + within["end"])
    return found


def are_related(path: str, log: str) -> bool:
    """Whether a file of that path is named like a rotation of the log, or of what that is a rotation of."""
    folder, name = os.path.split(log)
    beside, other = os.path.split(path)
    return folder == beside and not {name, *logs_of(name)}.isdisjoint(logs_of(other))


def _unpacked(name: str) -> str:
    return os.path.splitext(name)[0] if packed(name) else name


def order_of(name: str) -> int:
    """Larger is younger, among rotations with the same time of the last write."""
    name = _unpacked(name)
    found = _AFTER.fullmatch(name) or _WITHIN.fullmatch(name)
    digits = re.sub(r"\D", "", found["count"] or "") if found else ""
    if not digits:
        return 0
    number = int(digits)
    return number if number >= _DATES else -number


class Folder:
    """The names in one folder, read again only when the folder has changed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._changed_ns = -1  # the folder's own time when it was read
        self._names: dict[int, str] = {}  # by inode
        self._rotated: dict[str, list[str]] = {}  # by the log's name
        self._told: set[tuple[str, tuple[int, int]]] = set()  # name and state of what `news` has told of

    def refresh(self) -> bool:
        """Look again if something was created, renamed or deleted; whether that was so. Raises OSError."""
        try:
            changed_ns = os.stat(self.path).st_mtime_ns
            if changed_ns == self._changed_ns:
                return False
            self._scan()
            # What changes in the same tick of the file system's clock leaves the same time: look again then.
            settled = time.time_ns() - changed_ns > _TICK_NS
            self._changed_ns = changed_ns if settled else -1
        except (FileNotFoundError, NotADirectoryError):
            self._changed_ns, self._names, self._rotated = -1, {}, {}
        return True

    def news(self) -> set[str]:
        """The logs, as paths, beside which something rotated is that this hasn't told of yet."""
        if not self.refresh():
            return set()
        names = {name for each in self._rotated.values() for name in each}
        now = {(name, _state(os.path.join(self.path, name))) for name in names}
        new, self._told = now - self._told, now
        return {os.path.join(self.path, log) for name, _ in new for log in logs_of(name)}

    def find(self, id: FileId) -> str | None:  # noqa: A002 - the word of the domain
        """Where that file is now, if it is still in this folder."""
        self.refresh()
        name = self._names.get(id.inode)
        path = os.path.join(self.path, name) if name is not None else ""
        return path if path and _id(path) == id else None

    def siblings(self, log: str) -> list[Sibling]:
        """What was rotated away from the log of that name, oldest first.

        A compressed file beside which the plain one still stands is being written: the plain one counts.
        """
        self.refresh()
        found = []
        names = self._rotated.get(log, ())
        for name in names:
            if packed(name) and _unpacked(name) in names:
                continue
            path = os.path.join(self.path, name)
            try:
                stat = os.lstat(path)
            except OSError:
                continue
            found.append(Sibling(path, FileId.of(stat), stat.st_size, stat.st_mtime_ns, order_of(name)))
        return sorted(found, key=lambda each: (each.mtime_ns, each.order))

    def _scan(self) -> None:
        self._names, self._rotated = {}, {}
        with os.scandir(self.path) as entries:
            for entry in entries:
                self._names[entry.inode()] = entry.name
                for log in logs_of(entry.name):
                    self._rotated.setdefault(log, []).append(entry.name)


def _id(path: str) -> FileId | None:
    try:
        return FileId.of(os.lstat(path))
    except OSError:
        return None


def _state(path: str) -> tuple[int, int]:
    """The inode, and when it was last changed or renamed: another file may have got the inode since."""
    try:
        found = os.lstat(path)
    except OSError:
        return (0, 0)
    return (found.st_ino, found.st_ctime_ns)
