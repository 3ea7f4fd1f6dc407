"""The generations that are known, by file, by place and by log."""

from __future__ import annotations

from collections.abc import Iterable

from relay.models import Position
from relay.sources.content import packed
from relay.sources.generation import Generation
from relay.sources.identity import FileId
from relay.sources.position import Mark
from relay.sources.rotation import is_rotation


class Register:
    """Indices over one set of generations, kept in step."""

    def __init__(self) -> None:
        self.files: dict[FileId, Generation] = {}  # who reads that file
        self.at: dict[str, Generation] = {}  # who is at that path
        self.live: dict[str, Generation] = {}  # who was the log of that name at the last look
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
        self.files[generation.id] = generation
        self.at[generation.place] = generation
        self.live[generation.path] = generation

    def file(self, generation: Generation) -> None:
        """A generation that isn't live: known by its file, and by its place."""
        self.files[generation.id] = generation
        self.at[generation.place] = generation

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
        self.files[new.id] = new
        self.at[new.place] = new
        for path in (old.path, old.log):
            if self.live.get(path) is old:
                self.live[path] = new

    def drop(self, generation: Generation) -> None:
        """Forget it, but for being a log's last known generation."""
        if self.files.get(generation.id) is generation:
            del self.files[generation.id]
        self.leave(generation)

    def relatives(self, log_path: str) -> list[Generation]:
        """Generations of that log, and of logs that are named like its rotations."""
        return [
            each for each in self.files.values() if log_path == each.log or is_rotation(each.log, log_path)
        ]

    def lost(self) -> list[Generation]:
        """Those whose place another one has taken."""
        return [each for each in self.files.values() if each.place and self.at.get(each.place) is not each]
