"""The generations that are known, by file, by place and by log."""

# ruff: noqa: PTH118 - paths are strings here, as in discover.py

from __future__ import annotations

import os
from collections.abc import Iterable

from relay.models import Position
from relay.sources.content import packed
from relay.sources.generation import Generation
from relay.sources.identity import FileId
from relay.sources.position import Mark
from relay.sources.rotation import logs_of


class Register:
    """Indices over one set of generations, kept in step."""

    def __init__(self) -> None:
        self.files: dict[FileId, Generation] = {}  # who reads that file
        self.at: dict[str, Generation] = {}  # who is at that path
        self.live: dict[str, Generation] = {}  # who was the log of that name at the last look
        self._kin: dict[str, dict[Generation, None]] = {}  # of each log: its generations, and its rotations'
        # Rotated files that were there before relay first started, and when they were last written: not ours.
        self.bystanders: dict[FileId, int] = {}

    def restore(self, positions: Iterable[Position], monotonic: float) -> None:
        """Generations as they were saved; the latest of each log is taken for live until it is looked for."""
        for position in sorted(positions, key=lambda each: each.seen_at):
            generation = Generation(
                position.path,
                position.path,
                FileId(position.dev, position.inode),
                Mark.of(position),
                seen_at=position.seen_at,
            )
            generation.told, generation.told_at = position.offset, monotonic
            if packed(position.path):  # a rotated file that was read to its end
                generation.moved_at, generation.exhausted = monotonic, True
            if older := self.live.get(position.path):
                older.moved_at, older.exhausted = monotonic, True
            self.add(generation)

    def add(self, generation: Generation) -> None:
        """A generation at its place, live there."""
        self.file(generation)
        self.live[generation.path] = generation

    def file(self, generation: Generation) -> None:
        """A generation that isn't live: known by its file, and by its place."""
        self._enter(generation)
        self.at[generation.place] = generation

    def rename(self, generation: Generation, log: str) -> None:
        """It turned out to be a log of that name."""
        self._forget(generation)
        generation.log = log
        self._enter(generation)

    def leave(self, generation: Generation) -> None:
        """It isn't at its place any more."""
        if self.at.get(generation.place) is generation:
            del self.at[generation.place]
        generation.place = ""

    def move(self, generation: Generation, place: str) -> Generation | None:
        """It is at that place now; who was thought to be there, and isn't."""
        self.leave(generation)
        before = self.at.get(place)
        if before is not None:
            self.leave(before)
        generation.place = place
        self.at[place] = generation
        return before

    def replace(self, old: Generation, new: Generation) -> None:
        """`new` has the file of `old`, which was truncated."""
        self._enter(new)
        self.at[new.place] = new
        for path in (old.path, old.log):
            if self.live.get(path) is old:
                self.live[path] = new

    def drop(self, generation: Generation) -> None:
        """Forget it, but for being a log's last known generation."""
        if self.files.get(generation.id) is generation:
            self._forget(generation)
            del self.files[generation.id]
        self.leave(generation)

    def relatives(self, log_path: str) -> list[Generation]:
        """Generations of that log, and of logs that are named like its rotations."""
        return list(self._kin.get(log_path, ()))

    def lost(self) -> list[Generation]:
        """Those whose place another one has taken."""
        return [each for each in self.files.values() if each.place and self.at.get(each.place) is not each]

    def _enter(self, generation: Generation) -> None:
        """It has its file now, whoever had it before."""
        before = self.files.get(generation.id)
        if before is not None:
            self._forget(before)
        self.files[generation.id] = generation
        for log in _named(generation):
            self._kin.setdefault(log, {})[generation] = None

    def _forget(self, generation: Generation) -> None:
        for log in _named(generation):
            kin = self._kin.get(log, {})
            kin.pop(generation, None)
            if not kin:
                self._kin.pop(log, None)


def _named(generation: Generation) -> list[str]:
    """The logs whose generation it is, or whose rotation it may be by its name."""
    folder, name = os.path.split(generation.log)
    return [generation.log, *(os.path.join(folder, log) for log in logs_of(name))]
