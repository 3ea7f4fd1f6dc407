"""Generations that lost their file, and those that nobody has seen: found beside their log, and lined up.

The generations of a log are read in the order in which they were written: each waits for the one before.
"""
# ruff: noqa: PTH119, PTH120 - paths are strings here, as in discover.py

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import structlog

from relay.clock import Clock
from relay.sources.content import Plain, packed
from relay.sources.generation import Generation
from relay.sources.identity import shown
from relay.sources.kinship import Kin, has_head_of, has_its_place, is_at, kin_of
from relay.sources.position import Mark
from relay.sources.register import Register
from relay.sources.rotation import Folder, Sibling, logs_of
from relay.sources.trouble import Trouble

log = structlog.get_logger()

SLACK: Final = 1.0  # seconds that the file system's clock may be behind ours


class Lineage:
    """Where generations are, and who follows whom. Changes the register, reads only what it must compare."""

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
        self._folders: dict[str, Folder] = {}

    def folder(self, path: str) -> Folder:
        """The folder in which the file of that path is."""
        name = os.path.dirname(os.path.realpath(path) if self._follow else path)
        if name not in self._folders:
            self._folders[name] = Folder(name)
        return self._folders[name]

    def strangers(self, of: Generation, *, log_path: str = "") -> list[Sibling]:
        """Rotated files beside a log that nobody has read, written since its last look; oldest first."""
        path = log_path or of.log
        siblings = self.folder(path).siblings(os.path.basename(path))
        since = _since(of)
        return [each for each in siblings if each.mtime_ns >= since and self._is_new(each, of)]

    async def find_rest(self, old: Generation, *, truncated: bool = False) -> bool:
        """Find the file in which a generation goes on that lost its own; it is there then."""
        if not old.mark.known:  # nothing was read: what was rotated first is its content
            past = old.exhausted or logs_of(os.path.basename(old.log))
            for first in [] if past else self.strangers(old)[:1]:
                self._continue(old, first)
                return True
            return False
        for sibling in self._candidates(old):
            kin = await kin_of(old, sibling.path)
            if kin is Kin.REST:
                log.info("copy_found", path=shown(old.path), copy=shown(sibling.path), offset=old.read)
                self._continue(old, sibling)
                return True
            if kin is Kin.SHORTER and truncated and sibling.mtime_ns >= _since(old):
                self.remember(old, sibling)
                return True
        return False

    def find_packed(self, generation: Generation) -> bool:
        """Find the compressed form of a file that was read, or is held open.

        It keeps the time of the last write: the same time means that there is nothing more in it.
        """
        content = generation.content
        if content is not None and not generation.mark.known:
            generation.mark = Mark.at(content, generation.mark.offset)
        if not generation.mark.known:
            return False
        written = os.fstat(content.fd).st_mtime_ns if isinstance(content, Plain) else generation.seen[1]
        for sibling in self._candidates(generation):
            same_time = sibling.mtime_ns // 10**9 == written // 10**9
            if same_time and packed(sibling.path) and has_head_of(generation, sibling.path):
                self.remember(generation, sibling)
                return True
        return False

    async def line_up(
        self, old: Generation | None, new: Generation, strangers: Iterable[Sibling] | None = None
    ) -> None:
        """Between `old` and `new`, the live one, come the generations that nobody has seen."""
        if strangers is None:
            strangers = self.strangers(old or new, log_path=new.log)
        last = await self.chain(old, [each for each in strangers if each.id != new.id], new.log)
        _link(last, new)
        self._register.live[new.log] = new
        self._queue(new)
        if old is not None:
            self._queue(old)

    async def chain(
        self, last: Generation | None, strangers: Iterable[Sibling], log_path: str
    ) -> Generation | None:
        """Have missed generations of that log read, each after the one before; the youngest of them."""
        for sibling in strangers:
            if await self._claim(log_path, sibling):
                continue
            log.info("generation_found", path=shown(log_path), at=shown(sibling.path))
            missed = self._missed(log_path, sibling)
            _link(last, missed)
            self._register.live[log_path] = last = missed
            self._queue(missed)
        return last

    def remember(self, original: Generation, copy: Sibling) -> None:
        """That file holds what `original` was read from: only what is added to it would be new."""
        known = self._missed(original.log, copy)
        if packed(copy.path):
            known.path, known.mark, known.exhausted = copy.path, original.mark, True
        else:
            known.mark = Mark(copy.size, "", "")
        self._queue(known)

    def miss(self, old: Generation, *, rotated: bool) -> None:
        """Nothing that is left holds the rest of `old`: say so, unless nothing is known to be missing."""
        if old.exhausted or self._is_read_elsewhere(old):
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

    # --- steps ---

    def _is_read_elsewhere(self, old: Generation) -> bool:
        """Whether a copy stands for it by now: compressed, and known for itself, before relay was stopped."""
        return any(each is not old and each.mark == old.mark for each in self._register.files.values())

    def _candidates(self, of: Generation) -> Iterator[Sibling]:
        """Files that may hold a generation's content: as a later rotation than the one it was, too."""
        name = os.path.basename(of.log)
        for log_name in (name, *logs_of(name)):
            for sibling in self.folder(of.log).siblings(log_name):
                if self._is_new(sibling, of):
                    yield sibling

    def _is_new(self, sibling: Sibling, of: Generation) -> bool:
        """Whether that file has neither been read, nor is being read, for what it is."""
        if sibling.id == of.id and of.reachable:
            return False
        known = self._register.files.get(sibling.id)
        if known is None:
            return self._register.bystanders.get(sibling.id) != sibling.mtime_ns
        if known.seen == (sibling.size, sibling.mtime_ns) or is_at(known, sibling.path, follow=False):
            return False
        self._register.drop(known)  # its inode was given to this file
        return True

    async def _claim(self, log_path: str, sibling: Sibling) -> bool:
        """Whether it is a known generation of that log, compressed or copied; what is left of it is read."""
        for generation in self._register.relatives(log_path):
            if not generation.mark.known or has_its_place(generation):
                continue
            if await kin_of(generation, sibling.path) is Kin.REST:
                if generation.content is None:
                    self._continue(generation, sibling)
                else:
                    self.remember(generation, sibling)
                return True
        return False

    def _continue(self, old: Generation, sibling: Sibling) -> None:
        """The rest of `old` is read from that file."""
        if self._register.files.get(old.id) is old:
            self._register.drop(old)
        old.id, old.place, old.exhausted = sibling.id, sibling.path, False
        old.noticed = old.seen = (sibling.size, sibling.mtime_ns)
        old.moved_at = old.moved_at or self._clock.monotonic()
        self._register.file(old)
        self._queue(old)

    def _missed(self, log_path: str, sibling: Sibling) -> Generation:
        """A generation of that log that was rotated before anyone saw it: to be read whole."""
        path = sibling.path if self._wanted(sibling.path) else log_path
        # Seen when it was last written, not now: after a crash those written since are still to be found.
        written = min(sibling.mtime_ns / 1e9, self._clock.now())
        missed = Generation(path, sibling.path, sibling.id, Mark(0, "", ""), seen_at=written)
        missed.log = log_path
        missed.noticed = missed.seen = (sibling.size, sibling.mtime_ns)
        missed.moved_at = self._clock.monotonic()
        self._register.file(missed)
        return missed


def _since(generation: Generation) -> int:
    """What was written after this (in ns) may be news to whoever has read that generation."""
    if generation.seen_at == math.inf:
        return sys.maxsize
    looked = int((generation.seen_at - SLACK) * 1e9)
    return looked if not generation.looked else min(looked, generation.seen[1])


def _link(first: Generation | None, second: Generation) -> None:
    if first is not None and not first.exhausted:
        first.then, second.after = second, first
