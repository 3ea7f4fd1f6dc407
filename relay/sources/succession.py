"""What became of a log that was rotated, and in which order its generations are to be read.

A renamed file is known by its inode. A copy (copytruncate) or a compressed one has another inode, and is known
by its content: the same first bytes, and the same bytes before the offset that was read. What remains ambiguous:
a file in the log's folder, named like a rotation of it and written since the last look, whose first 1024 bytes
and whose bytes before our offset are those of the log, is taken for its copy. Where a file can't be told from a
copy it is read whole: rather a duplicate than a loss.
"""
# ruff: noqa: PTH116, PTH118, PTH119, PTH120 - paths are strings here, as in discover.py

from __future__ import annotations

import enum
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import structlog

from relay.clock import Clock
from relay.sources.content import Content, Plain, open_content, packed
from relay.sources.generation import Generation
from relay.sources.identity import HEAD, FileId, begins_alike, shown
from relay.sources.position import TAIL, Mark
from relay.sources.register import Register
from relay.sources.rotation import Folder, Sibling, is_rotation, logs_of
from relay.sources.trouble import Trouble

log = structlog.get_logger()

SLACK: Final = 1.0  # seconds that the file system's clock may be behind ours
SETTLE: Final = (
    5.0  # seconds after which a copy that nobody goes on writing, of a log that goes on, is a file
)


class Kin(enum.Enum):
    """What a sibling is to a log."""

    REST = enum.auto()  # its copy: holds what was read so far, and perhaps more
    SHORTER = enum.auto()  # its copy, made before the last lines that were read
    STRANGER = enum.auto()  # something else


class Succession:
    """Finds generations of logs. Changes the register, reads only what it must compare."""

    def __init__(
        self,
        register: Register,
        clock: Clock,
        *,
        follow: bool,
        wanted: Callable[[str], bool],
        queue: Callable[[Generation], None],
        report: Callable[[Trouble], None],
    ) -> None:
        self._register = register
        self._clock = clock
        self._follow = follow
        self._wanted = wanted
        self._queue = queue
        self._report = report
        self.looked_at = math.inf  # wall clock of the last look at everything; what is older was seen, or skipped
        self._folders: dict[str, Folder] = {}
        self._copies: dict[str, tuple[int, float]] = {}  # path -> size, since when: copies being made

    # --- what may have happened to a known generation ---

    async def displaced(self, generation: Generation) -> None:
        """Another file, or none, is at its place now: find it by its inode, or its rest by its content."""
        place, was_live = generation.place, generation.moved_at is None
        self._register.leave(generation)
        now_at = self.folder(place).find(generation.id)
        # Its inode under the name of a rotation, with other content: it was truncated first. Its turn will tell.
        truncated = now_at is not None and not packed(now_at) and is_rotation(now_at, generation.log)
        moved = now_at is not None and (truncated or self._is_at(generation, now_at))
        if was_live:
            generation.moved_at = self._clock.monotonic()
        if now_at is not None and moved:
            log.info("file_moved", path=shown(place), to=shown(now_at))
            await self._move(generation, now_at)
        elif generation.exhausted or generation.content is not None:
            self._find_packed(generation)
        elif was_live and not await self._find_rest(generation):
            self._miss(generation, rotated=any(True for _ in self._strangers(generation)))
        self._queue(generation)
        if generation.reachable and not self._is_intact(generation):
            await self.replaced(generation)
        elif was_live:
            await self._chain(generation, self._strangers(generation), generation.log)

    async def replaced(self, old: Generation) -> None:
        """Its file was truncated or rewritten, or a new one has got its inode: a new generation."""
        log.info("file_truncated", path=shown(old.path), offset=old.mark.offset)
        new = old.successor()
        self._register.replace(old, new)
        if not await self._find_rest(old, truncated=True):
            self._miss(old, rotated=True)
        if not new.place:
            new.open(follow=self._follow)
            self._find_packed(new)
        await self._line_up(old, new)

    async def compare(self, generation: Generation, content: Content) -> bool:
        """Something rotated has appeared beside a log that looks untouched: was it, after all?

        That can't be seen of a log of which nothing was read, nor of one whose new generation begins like the
        old one. True if there is something to be read before it.
        """
        generation.kin_changed = False
        if generation.moved_at is not None:
            return False
        strangers = [each for each in self._strangers(generation) if not self._holds_same(each, content)]
        if not generation.mark.known:
            _link(await self._chain(generation.after, strangers, generation.log), generation)
            self._register.live[generation.log] = generation
            return generation.after is not None
        for sibling in strangers:
            if await self._kin(generation, sibling) is Kin.REST:
                await self.replaced(generation)
                return True
        return False

    # --- what may be at a path that a pattern names ---

    async def appeared(self, path: str, id: FileId, size: int) -> None:  # noqa: A002 - the word of the domain
        """Who is at that path now: a known generation that was renamed, a copy being made, or a new one."""
        known = self._register.files.get(id)
        if known is not None and self._is_at(known, path):
            if not self._linked(known):
                await self._move(known, path)
                self._queue(known)
            return
        if known is not None:
            self._register.drop(known)  # its inode was given to this file
        if await self._is_copy(path, id, size):
            return
        before = self._register.live.get(path)
        if before is not None and before.reachable and not self._is_intact(before):
            await self.replaced(before)  # it was truncated first, and moved then
            before = self._register.live.get(path)
        new = Generation(path, path, id, Mark(0, "", ""), seen_at=self._clock.now())
        self._register.add(new)
        if before is None:
            new.seen_at, seen_at = self.looked_at, new.seen_at
            _link(await self._chain(None, self._strangers(new), new.log), new)
            new.seen_at = seen_at
            self._register.add(new)
            self._queue(new)
            return
        if not before.reachable and not await self._find_rest(before):
            self._miss(before, rotated=True)
        await self._line_up(before, new)

    async def reunite(self) -> None:
        """Find generations that were restored, and aren't the latest of their log."""
        for generation in self._register.lost():
            path, generation.place = generation.place, ""
            place = self.folder(path).find(generation.id)
            if place is not None and self._is_at(generation, place):
                await self._move(generation, place)

    def vanished(self, path: str) -> None:
        """Nothing is at that path."""
        self._copies.pop(path, None)

    def folder(self, path: str) -> Folder:
        """The folder in which the file of that path is."""
        name = os.path.dirname(os.path.realpath(path) if self._follow else path)
        if name not in self._folders:
            self._folders[name] = Folder(name)
        return self._folders[name]

    def logs_beside(self, path: str) -> list[Generation]:
        """The logs that a file of that name may be a rotation of."""
        folder, name = os.path.split(path)
        logs = [self._register.live.get(os.path.join(folder, each)) for each in logs_of(name)]
        return [each for each in logs if each is not None]

    @property
    def copying(self) -> list[str]:
        """Paths of copies that are being made: to be looked at again."""
        return list(self._copies)

    # --- steps ---

    async def _move(self, generation: Generation, place: str) -> None:
        """It is at that place now, and whoever was thought to be there is not."""
        other = self._register.at.get(place)
        self._register.move(generation, place)
        if generation.moved_at is None:
            generation.moved_at = self._clock.monotonic()
        if self._wanted(place):
            generation.path, generation.told = place, -1
            self._register.live[place] = generation
            if not self.logs_beside(place):
                generation.moved_at, generation.log = None, place  # not rotated: it got its name at last
        if other is not None and other is not generation:
            other.place = place
            await self.displaced(other)

    def _is_at(self, generation: Generation, path: str) -> bool:
        """Whether the file at that path, which has its inode, has its content too."""
        if generation.content is not None:
            return True  # an open file's inode isn't given away
        if not generation.mark.known and generation.moved_at is not None:
            return False  # it was empty: if this isn't, the inode may have been given away, and nothing was read
        if packed(path):
            return self._begins_alike(generation, path)  # more would mean to unpack it
        try:
            content = open_content(path, follow=self._follow)
        except OSError:
            return True  # can't be known now; its turn will tell
        try:
            return content.id == generation.id and generation.mark.fits(content)
        finally:
            content.close()

    def _is_intact(self, generation: Generation) -> bool:
        """Whether its file still holds what was read so far; also if that can't be known now."""
        try:
            generation.open(follow=self._follow)
        except OSError:
            return True
        self._queue(generation)
        return generation.intact()

    def _linked(self, generation: Generation) -> bool:
        """Whether it still is at its own place: then the other one is a hard link."""
        try:
            return bool(generation.place) and FileId.of(os.stat(generation.place)) == generation.id
        except OSError:
            return False

    async def _find_rest(self, old: Generation, *, truncated: bool = False) -> bool:
        """Where the content goes on of a generation that lost its file; False if it isn't found."""
        if not old.mark.known:  # nothing was read: what was rotated first is its content
            first = next(self._strangers(old), None)
            if first is not None:
                self._continue(old, first)
            return first is not None
        for sibling in self._candidates(old):
            kin = await self._kin(old, sibling)
            if kin is Kin.REST:
                log.info("copy_found", path=shown(old.path), copy=shown(sibling.path), offset=old.read)
                self._continue(old, sibling)
                return True
            if kin is Kin.SHORTER and truncated and sibling.mtime_ns >= _since(old):
                self._remember(old, sibling)
                return True
        return False

    async def _line_up(self, old: Generation, new: Generation) -> None:
        """Between `old` and `new` come the generations that nobody has seen."""
        strangers = [each for each in self._strangers(old, path=new.log) if each.id != new.id]
        _link(await self._chain(old, strangers, new.log), new)
        self._register.live[new.log] = new
        self._queue(old)
        self._queue(new)

    async def _chain(
        self, last: Generation | None, strangers: Iterable[Sibling], log_path: str
    ) -> Generation | None:
        """Have generations of that log that were missed be read, each after the one before; the youngest."""
        for sibling in list(strangers):
            if await self._claim(log_path, sibling):
                continue
            log.info("generation_found", path=shown(log_path), at=shown(sibling.path))
            missed = self._missed(log_path, sibling)
            _link(last, missed)
            self._register.live[log_path] = last = missed
            self._queue(missed)
        return last

    async def _claim(self, log_path: str, sibling: Sibling) -> bool:
        """Whether it is a known generation of that log, compressed or copied; what is left of it is read."""
        for generation in self._register.relatives(log_path):
            if not generation.mark.known or self._linked(generation):
                continue  # it has its own file
            if await self._kin(generation, sibling) is Kin.REST:
                if generation.content is None:
                    generation.exhausted = False
                    self._continue(generation, sibling)
                    self._queue(generation)
                else:
                    self._remember(generation, sibling)
                return True
        return False

    def _find_packed(self, generation: Generation) -> None:
        """The compressed form of a file that was read, or is held open: it keeps the time of the last write."""
        content = generation.content
        if content is not None and not generation.mark.known:
            generation.mark = Mark.at(content, generation.mark.offset)
        if not generation.mark.known:
            return
        written = os.fstat(content.fd).st_mtime_ns if isinstance(content, Plain) else generation.seen[1]
        for sibling in self._candidates(generation):
            same_time = sibling.mtime_ns // 10**9 == written // 10**9
            if same_time and packed(sibling.path) and self._begins_alike(generation, sibling.path):
                self._remember(generation, sibling)
                return

    def _begins_alike(self, generation: Generation, path: str) -> bool:
        try:
            content = open_content(path, follow=False)
        except OSError:
            return False
        try:
            return begins_alike(generation.mark.head, content.read(0, HEAD))
        finally:
            content.close()

    def _strangers(self, of: Generation, *, path: str = "") -> Iterator[Sibling]:
        """Rotated files beside a log that aren't known, oldest first: those written since its last look."""
        path = path or of.log
        for sibling in self.folder(path).siblings(os.path.basename(path)):
            if sibling.mtime_ns >= _since(of) and sibling.id != of.id and not self._is_known(sibling):
                yield sibling

    def _candidates(self, of: Generation) -> Iterator[Sibling]:
        """Files that may hold the content of a generation: also as a later rotation than the one it was."""
        name = os.path.basename(of.log)
        for log_name in (name, *logs_of(name)):
            for sibling in self.folder(of.log).siblings(log_name):
                if sibling.id != of.id and not self._is_known(sibling):
                    yield sibling

    def _is_known(self, sibling: Sibling) -> bool:
        """Whether that file has been read, or is being read, for what it is."""
        known = self._register.files.get(sibling.id)
        if known is None:
            return self._register.bystanders.get(sibling.id) == sibling.mtime_ns
        if known.seen == (sibling.size, sibling.mtime_ns) or self._is_at(known, sibling.path):
            return True
        self._register.drop(known)
        return False

    async def _kin(self, old: Generation, sibling: Sibling) -> Kin:
        """What a file is to a generation whose own file has other content by now."""
        try:
            content = open_content(sibling.path, follow=False)
        except OSError:
            return Kin.STRANGER
        try:
            if not begins_alike(old.mark.head, content.read(0, HEAD)):
                return Kin.STRANGER
            await content.advance(old.read)
            if not content.reaches(old.read):
                return Kin.SHORTER
            return Kin.REST if old.mark.fits(content) else Kin.STRANGER
        except OSError:
            return Kin.STRANGER
        finally:
            content.close()

    def _holds_same(self, sibling: Sibling, content: Content) -> bool:
        """Whether a file holds what `content` begins with, and nothing else: a copy being made."""
        if packed(sibling.path):
            return False
        try:
            copy = open_content(sibling.path, follow=False)
        except OSError:
            return False
        try:
            count = min(TAIL, sibling.size)
            return all(
                copy.read(offset, length) == content.read(offset, length)
                for offset, length in ((0, min(HEAD, sibling.size)), (sibling.size - count, count))
            )
        finally:
            copy.close()

    async def _is_copy(self, path: str, id: FileId, size: int) -> bool:  # noqa: A002 - the word of the domain
        """Whether an unknown file is a copy of a log beside it, which isn't to be read again."""
        sibling = Sibling(path, id, size, 0, 0)
        for generation in self.logs_beside(path):
            if not self._linked(generation):
                if generation.place:
                    await self.displaced(generation)
            elif not self._is_intact(generation):
                await self.replaced(generation)
            elif generation.content is not None:
                await self.compare(generation, generation.content)
            if id in self._register.files:
                return True
            if generation.place and generation.content is not None and self._holds_same(sibling, generation.content):
                return self._is_being_made(generation, sibling)
        self._copies.pop(path, None)
        return False

    def _is_being_made(self, generation: Generation, copy: Sibling) -> bool:
        """Whether to wait for what becomes of a copy; when nothing does, a short one is read for its own sake."""
        now = self._clock.monotonic()
        size, since = self._copies.get(copy.path, (-1, now))
        if size != copy.size:
            self._copies[copy.path] = (copy.size, now)
        elif now - since >= SETTLE:
            del self._copies[copy.path]
            if size < HEAD:
                return False
            self._remember(generation, copy)
        return True

    # --- changes of the register ---

    def _continue(self, old: Generation, sibling: Sibling) -> None:
        """The rest of `old` is read from that file."""
        if self._register.files.get(old.id) is old:
            self._register.drop(old)
        old.id, old.place = sibling.id, sibling.path
        old.noticed = old.seen = (sibling.size, sibling.mtime_ns)
        old.moved_at = old.moved_at or self._clock.monotonic()
        self._register.file(old)

    def _missed(self, log_path: str, sibling: Sibling) -> Generation:
        """A generation of that log that was rotated before anyone saw it: to be read whole."""
        named = sibling.path if self._wanted(sibling.path) else log_path
        missed = Generation(named, sibling.path, sibling.id, Mark(0, "", ""), seen_at=self._clock.now())
        missed.log = log_path
        missed.noticed = missed.seen = (sibling.size, sibling.mtime_ns)
        missed.moved_at = self._clock.monotonic()
        self._register.file(missed)
        return missed

    def _remember(self, original: Generation, copy: Sibling) -> None:
        """That file holds what `original` was read from: only what is added to it would be new."""
        known = self._missed(original.log, copy)
        if packed(copy.path):
            known.path, known.mark, known.exhausted = copy.path, original.mark, True
        else:
            known.mark = Mark(copy.size, "", "")
        self._queue(known)

    def _miss(self, old: Generation, *, rotated: bool) -> None:
        """Nothing that is left holds the rest of `old`: say so, unless nothing is known to be missing."""
        if old.exhausted:
            return
        if old.behind:
            text = f"bytes {old.read} to {old.seen[0]} were rotated away before they were read"
        elif not old.looked and rotated:
            text = f"what was written after byte {old.read} while relay was not running was rotated away"
        else:
            log.info("file_gone", path=shown(old.path), offset=old.read)
            return
        log.error("bytes_missed", path=shown(old.path), offset=old.read, until=old.seen[0])
        self._report(Trouble("gap", shown(old.path), f"{shown(old.path)}: {text}"))
        old.seen = (old.read, old.seen[1])  # told


def _since(generation: Generation) -> int:
    """What was written after this (in ns) may be news to whoever has read that generation."""
    if generation.seen_at == math.inf:
        return sys.maxsize
    looked = int((generation.seen_at - SLACK) * 1e9)
    return looked if generation.seen[1] < 0 else min(looked, generation.seen[1])


def _link(first: Generation | None, second: Generation) -> None:
    if first is not None and not first.exhausted:
        first.then, second.after = second, first
