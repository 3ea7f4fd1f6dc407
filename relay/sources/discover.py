"""Which files do the patterns name? Looked up again and again, so a look costs one `scandir` a folder.

Paths are strings: a look may pass ten thousand of them, and pathlib costs 2 us each.
"""
# ruff: noqa: PTH118 - see above

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final

_MAGIC: Final = re.compile(r"[*?\[]")
_ANY_DEPTH: Final = "**"


@lru_cache(maxsize=1024)
def _matcher(part: str) -> Callable[[str], object]:
    return re.compile(fnmatch.translate(part)).match


def _matches(part: str, name: str) -> bool:
    """One component; as in a shell, `*` doesn't match a leading dot."""
    if name.startswith(".") and not part.startswith("."):
        return False
    return _matcher(part)(name) is not None


class Patterns:
    """Globs with `*`, `?`, `[...]` within a component and `**` for any number of folders."""

    def __init__(self, patterns: Sequence[str], exclude: Sequence[str] = ()) -> None:
        self._patterns = [_parts(each) for each in patterns]
        self._exclude = [_parts(each) for each in exclude]

    def want(self, path: str) -> bool:
        """Whether a file with that path is one of them."""
        names = path.split("/")[1:]
        return any(_match(parts, names) for parts in self._patterns) and not self._excluded(names)

    def walk(self) -> Walk:
        """A look at the disk."""
        return Walk(self._patterns, self._excluded)

    def _excluded(self, names: list[str]) -> bool:
        return any(_match(parts, names) for parts in self._exclude)


class Walk:
    """One look: iterate to get paths; afterwards it knows the folders that were passed."""

    def __init__(self, patterns: list[list[str]], excluded: Callable[[list[str]], bool]) -> None:
        self.folders: set[str] = set()  # that files were looked for in
        self.parents: set[str] = set()  # that more folders may appear in
        self.closed: dict[str, str] = {}  # folders that couldn't be read, and why
        self._patterns = patterns
        self._excluded = excluded

    def __iter__(self) -> Iterator[str]:
        seen: set[str] = set()
        for parts in self._patterns:
            for path in self._below("/", parts):
                if path not in seen and not self._excluded(path.split("/")[1:]):
                    seen.add(path)
                    yield path

    def _below(self, folder: str, parts: list[str]) -> Iterator[str]:
        part, *rest = parts
        if part == _ANY_DEPTH:
            yield from self._below(folder, rest)
            self.parents.add(folder)
            for entry in self._entries(folder):
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                    yield from self._below(entry.path, parts)
        elif rest:
            yield from self._through(folder, part, rest)
        else:
            self.folders.add(folder)
            yield from self._files(folder, part)

    def _through(self, folder: str, part: str, rest: list[str]) -> Iterator[str]:
        """Folders of one component."""
        if _MAGIC.search(part):
            self.parents.add(folder)
            for entry in self._entries(folder):
                if _matches(part, entry.name) and entry.is_dir():
                    yield from self._below(entry.path, rest)
        elif os.path.isdir(inner := os.path.join(folder, part)):  # noqa: PTH112 - as above
            yield from self._below(inner, rest)
        else:
            self.parents.add(folder)

    def _files(self, folder: str, part: str) -> Iterator[str]:
        """Names of the last component."""
        if not _MAGIC.search(part):
            yield os.path.join(folder, part)
            return
        for entry in self._entries(folder):
            if _matches(part, entry.name):
                yield entry.path

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return list(entries)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self.closed[folder] = error.strerror or str(error)
            return []


def _parts(pattern: str) -> list[str]:
    """An absolute pattern's components; `**` at the end means all files below."""
    parts = [part for part in os.path.abspath(pattern).split("/") if part]  # noqa: PTH100 - no `~`, no links
    return [*parts, "*"] if parts[-1:] == [_ANY_DEPTH] else parts


def _match(parts: Sequence[str], names: Sequence[str]) -> bool:
    if not parts or not names:
        return not parts and not names
    if parts[0] == _ANY_DEPTH:
        deeper = not names[0].startswith(".") and _match(parts, names[1:])
        return deeper or _match(parts[1:], names)
    return _matches(parts[0], names[0]) and _match(parts[1:], names[1:])
