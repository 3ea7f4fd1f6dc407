"""What became of a log that was rotated: renamed, truncated after a copy was made, compressed, or deleted.

A renamed file is known by its inode. A copy or a compressed file has another inode, and is known by its
content (see kinship.py).
"""
# ruff: noqa: PTH118 - paths are strings here, as in discover.py

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Final

import structlog

from relay.clock import Clock
from relay.sources.content import Content, packed
from relay.sources.generation import Generation
from relay.sources.identity import HEAD, FileId, shown
from relay.sources.kinship import Kin, has_its_place, holds_only, is_at, is_intact, kin_of
from relay.sources.lineage import Lineage
from relay.sources.position import Mark
from relay.sources.register import Register
from relay.sources.rotation import Sibling, are_related, logs_of

log = structlog.get_logger()

# Seconds after which a copy that nobody goes on writing, of a log that wasn't truncated, is any other file.
SETTLE: Final = 5.0
RECENT: Final = 3600.0  # seconds for which a rotated file's writer may not have left it


class Succession:
    """Decides what a change of names, sizes and inodes means; keeps the register true."""

    def __init__(
        self,
        register: Register,
        lineage: Lineage,
        clock: Clock,
        *,
        follow: bool,
        wanted: Callable[[str], bool],
        queue: Callable[[Generation], None],
    ) -> None:
        # Wall clock of the last look at everything: what is older was seen, or is to be skipped.
        self.looked_at = math.inf
        self._register = register
        self._lineage = lineage
        self._clock = clock
        self._follow = follow
        self._wanted = wanted
        self._queue = queue
        self._copies: dict[str, tuple[int, float]] = {}  # path -> size, since when: copies being made

    async def displaced(self, generation: Generation) -> None:
        """Another file, or none, is at its place now: find it by its inode, or its rest by its content."""
        lineage, was_live = self._lineage, generation.moved_at is None
        place = self._whereabouts(generation)
        self._register.leave(generation)
        generation.moved_at = generation.moved_at or self._clock.monotonic()
        await self._settle(generation)
        if place is not None:
            await self._move(generation, place)
        elif generation.content is not None:
            lineage.find_packed(generation)
        else:
            await self._seek(generation)
        self._queue(generation)
        if generation.reachable and not is_intact(generation, follow=self._follow):
            await self.replaced(generation)
        elif was_live and not self.logs_beside(generation.log):
            await lineage.chain(generation, lineage.strangers(generation), generation.log)

    async def replaced(self, old: Generation) -> None:
        """Its file was truncated or rewritten, or a new one has got its inode: a new generation.

        What stands at the place of a rotated file is no generation of it: it is looked at as unknown.
        """
        if self._is_rotated(old):
            await self._dispossessed(old)
            return
        log.info("file_truncated", path=shown(old.path), offset=old.mark.offset)
        new = old.successor()
        self._register.replace(old, new)
        await self._settle(new)
        if not await self._lineage.find_rest(old, truncated=True):
            self._lineage.miss(old, rotated=True)
        if not new.place:
            self._lineage.find_packed(new)
        await self._lineage.line_up(old, new)
        new.seen_at = self._clock.now()

    async def compare(self, generation: Generation, content: Content) -> bool:
        """Something rotated has appeared beside a log: it may have been replaced, though it looks untouched.

        A log of which nothing was read looks so, and one whose new generation begins like the old one. True
        if there is something to be read before it.
        """
        generation.kin_changed = False
        if generation.moved_at is not None:
            return False
        await self._settle(generation)
        strangers = [each for each in self._lineage.strangers(generation) if not holds_only(each, content)]
        if not generation.mark.known:
            if strangers:
                await self._lineage.line_up(generation.after, generation, strangers)
            return generation.after is not None
        for sibling in strangers:
            if packed(sibling.path):
                continue  # of this log as it is now, more likely than of one that began like it
            if await kin_of(generation, sibling.path) is Kin.REST:
                await self.replaced(generation)
                return True
        return False

    async def appeared(self, path: str, id: FileId, size: int) -> None:  # noqa: A002 - the word of the domain
        """A pattern names that path: a known generation that was renamed, a copy being made, or a new one."""
        known = self._register.files.get(id)
        if known is not None and known.place == path:
            return  # found while another was looked for
        if known is not None and is_at(known, path, follow=self._follow):
            if not has_its_place(known):  # else this is a hard link of it
                await self._move(known, path)
                self._queue(known)
            return
        if known is not None:  # its inode was given to this file
            if known.place:
                await self.displaced(known)
            self._register.drop(known)
        if not await self._is_copy(path, id, size):
            await self._begin(path, id)

    async def reunite(self, generation: Generation) -> None:
        """Find a generation that was restored, and isn't the latest of its log."""
        place = self._lineage.folder(generation.place).find(generation.id)
        generation.place = ""
        if place is not None and is_at(generation, place, follow=self._follow):
            await self._move(generation, place)
        elif generation.mark.known and generation.seen_at >= self.looked_at - RECENT:
            await self._lineage.find_rest(
                generation
            )  # its writer may have added lines before it was compressed

    def vanished(self, path: str) -> None:
        """Nothing is at that path."""
        self._copies.pop(path, None)

    def logs_beside(self, path: str) -> list[Generation]:
        """The logs that a file of that name may be a rotation of."""
        folder, name = os.path.split(path)
        logs = [self._register.live.get(os.path.join(folder, each)) for each in logs_of(name)]
        return [each for each in logs if each is not None]

    # --- steps ---

    def _whereabouts(self, generation: Generation) -> str | None:
        """Where its file is now, by its inode."""
        place = self._lineage.folder(generation.place).find(generation.id)
        if place is None or packed(place) != packed(generation.place):
            return None
        # Its inode under the name of a rotation, with other content: truncated, then renamed. An empty
        # file is known by nothing but the two.
        renamed = not packed(place) and are_related(place, generation.log)
        known = generation.mark.known or generation.content is not None
        if not renamed and not (known and is_at(generation, place, follow=self._follow)):
            return None
        log.info("file_moved", path=shown(generation.place), to=shown(place))
        return place

    async def _move(self, generation: Generation, place: str) -> None:
        """It is at that place now, and whoever was thought to be there is not."""
        other = self._register.at.get(place)
        self._register.move(generation, place)
        generation.moved_at = generation.moved_at or self._clock.monotonic()
        if self._wanted(place):
            generation.path, generation.told = place, -1
            self._register.live[place] = generation
            if not self.logs_beside(place):
                generation.moved_at = None  # not rotated: it got its name at last
                self._register.rename(generation, place)
        if other is not None and other is not generation:
            other.place = place
            await self.displaced(other)

    async def _begin(self, path: str, id: FileId) -> None:  # noqa: A002 - the word of the domain
        """A new generation: it comes after the one that was there, and after what was rotated in between."""
        before = self._register.live.get(path)
        if before is not None and before.reachable and not is_intact(before, follow=self._follow):
            await self.replaced(before)  # it was truncated first, and moved then
            before = self._register.live.get(path)
        new = Generation(path, path, id, Mark(0, "", ""), seen_at=self.looked_at)
        self._register.add(new)
        if before is not None and not before.reachable and not await self._lineage.find_rest(before):
            self._lineage.miss(before, rotated=True)
        await self._settle(new)
        # A name like app.log.1 has no past of its own, where app.log is a log.
        await self._lineage.line_up(before, new, [] if self.logs_beside(path) else None)
        new.seen_at = self._clock.now()

    async def _is_copy(self, path: str, id: FileId, size: int) -> bool:  # noqa: A002 - the word of the domain
        """Whether an unknown file is a copy of a log beside it, which isn't to be read again."""
        sibling = Sibling(path, id, size, 0, 0)
        for generation in self.logs_beside(path):
            await self._check(generation)
            if id in self._register.files:
                return True
            content = generation.content
            if generation.place and content is not None and holds_only(sibling, content):
                return self._is_being_made(generation, sibling)
        self._copies.pop(path, None)
        return False

    async def _settle(self, generation: Generation) -> None:
        """Where the rotated files beside a log are is known then: all others are strangers."""
        for relative in self._register.relatives(generation.log):
            if relative is generation or not relative.place or not self._is_rotated(relative):
                continue
            if not has_its_place(relative):
                await self.displaced(relative)
            elif not is_intact(relative, follow=self._follow):
                await self._dispossessed(relative)

    def _is_rotated(self, generation: Generation) -> bool:
        """Whether it is a log's past."""
        return generation.moved_at is not None or bool(self.logs_beside(generation.log))

    async def _dispossessed(self, generation: Generation) -> None:
        """Another file has the inode of a rotated one: find what has become of that."""
        generation.close()
        self._register.drop(generation)
        generation.moved_at = generation.moved_at or self._clock.monotonic()
        await self._seek(generation)
        self._queue(generation)

    async def _seek(self, generation: Generation) -> None:
        """Find the rest of a generation whose file is gone."""
        if generation.exhausted and self._lineage.find_packed(generation):
            return
        if not await self._lineage.find_rest(generation):
            self._lineage.miss(generation, rotated=bool(self._lineage.strangers(generation)))

    async def _check(self, generation: Generation) -> None:
        """Whatever has happened to a log, it is known then."""
        if not has_its_place(generation):
            if generation.place:
                await self.displaced(generation)
        elif not is_intact(generation, follow=self._follow):
            await self.replaced(generation)
        elif generation.content is not None:
            self._queue(generation)
            await self.compare(generation, generation.content)

    def _is_being_made(self, generation: Generation, copy: Sibling) -> bool:
        """Whether to wait for what becomes of a copy. If that is nothing, a short one is read after all."""
        now = self._clock.monotonic()
        size, since = self._copies.get(copy.path, (-1, now))
        if size != copy.size:
            self._copies[copy.path] = (copy.size, now)
        elif now - since >= SETTLE:
            del self._copies[copy.path]
            if size < HEAD:
                return False
            self._lineage.remember(generation, copy)
        return True
