"""Follows log files: whatever they are called by now, every byte that still exists is read once, in order.

The files are the buffer: a full intake makes the tail wait. A position covers only what was handed over
before it, so a tail can be cancelled, or killed, at any await.
"""
# ruff: noqa: PTH116, PTH118, PTH119, PTH120 - paths are strings here, as in discover.py

from __future__ import annotations

import asyncio
import math
import os
import stat
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import structlog

from relay.clock import Clock
from relay.config.schema import TailSource
from relay.models import Json, Position
from relay.sources.content import packed
from relay.sources.discover import Patterns
from relay.sources.generation import Generation
from relay.sources.handover import Handover
from relay.sources.identity import FileId, shown
from relay.sources.intake import Intake
from relay.sources.lineage import Lineage
from relay.sources.lines import readable
from relay.sources.parse import Parser
from relay.sources.position import Mark
from relay.sources.register import Register
from relay.sources.scan.sieve import Sieves
from relay.sources.succession import Succession
from relay.sources.trouble import Trouble, Troubles
from relay.sources.turns import Turns
from relay.sources.watch import Alarm, Watch

log = structlog.get_logger()

LOOK: Final = 4.0  # seconds between looks at everything where inotify tells what happens: a safety net
SHARE: Final = 0.01  # of a core that looks at everything may take
SHARE_POLLING: Final = 0.04  # the same where nothing else tells what happens
KEEP: Final = 3600.0  # seconds that a rotated file which no pattern names is remembered
REFRESH: Final = 86400.0  # seconds after which an idle file's position is saved again, so that it isn't swept
BREATH: Final = 256  # files looked at before others get their turn


class Tail:
    """One source of rules.yaml: the files that its patterns name."""

    def __init__(
        self,
        name: str,
        settings: TailSource,
        intake: Intake,
        clock: Clock,
        positions: Sequence[Position],
        *,
        first_start: bool,
        report: Callable[[Trouble], None],
    ) -> None:
        """`first_start`: relay never ran with this source, so `start` says where existing files begin."""
        self._settings = settings
        self._clock = clock
        self._first_start = first_start
        self._patterns = Patterns(settings.tail, settings.exclude)
        self._register = Register()
        self._troubles = Troubles(report)
        self._handover = Handover(name, intake, clock)
        self._ready: dict[Generation, None] = {}  # who may have something to read, in order
        follow = settings.follow_symlinks
        self._lineage = Lineage(
            self._register, clock, follow=follow, wanted=self._wants, queue=self._queue, report=report
        )
        self._succession = Succession(
            self._register, self._lineage, clock, follow=follow, wanted=self._wants, queue=self._queue
        )
        self._turns = Turns(
            settings,
            Parser(name, readable(settings)),
            clock,
            ready=self._ready,
            register=self._register,
            succession=self._succession,
            handover=self._handover,
            troubles=self._troubles,
        )
        self._stirred = asyncio.Event()
        self._watch = Watch(self._stirred.set)
        self._aliases: dict[str, str] = {}  # where followed symlinks lead -> the path that is a pattern's
        self._closed: set[str] = set()  # folders that couldn't be read
        self._look_at = 0.0  # monotonic, when to look at everything again
        self._register.restore(positions, clock.monotonic())
        self._succession.looked_at = max((each.seen_at for each in positions), default=math.inf)

    async def run(self) -> None:
        """Until cancelled. What was begun and not handed over then is read again at the next start."""
        try:
            async with asyncio.TaskGroup() as group:
                with self._watch:
                    await self._follow(Alarm(self._clock, group, self._stirred.set))
        finally:
            self._handover.pay()
            self._turns.close()

    def scan_for(self, sieves: Sieves | None) -> None:
        """From now on let only those events through that these sieves want; None: all."""
        self._turns.sieves = sieves

    async def run_once(self) -> int:
        """One look at everything, read to the end; the number of events handed over."""
        before = self._handover.events
        await self._look_everywhere()
        self._turns.tick()
        while self._ready:
            await self._turns.take()
            self._turns.tick()
        return self._handover.events - before

    def status(self) -> Json:
        """For `relay status`."""
        live = [each for each in self._register.live.values() if each.moved_at is None]
        behind = sum(each.behind for each in self._register.files.values() if not packed(each.place))
        return {
            "files": len(live),
            "open": self._turns.open_files,
            "behind": behind,
            "unreadable": self._troubles.paths("unreadable"),
            "polling": self._watch.polling,
            "every_line_for": [each.rule for each in self._turns.sieves.costly] if self._turns.sieves else [],
        }

    # --- the loop ---

    async def _follow(self, alarm: Alarm) -> None:
        while True:
            self._stirred.clear()
            await self._attend()
            self._turns.tick()
            if self._ready:
                await self._turns.take()
            else:
                alarm.set(min(self._look_at, self._turns.next_time()))
                await self._stirred.wait()

    async def _attend(self) -> None:
        """What has happened since, and what it is time for."""
        stir = self._watch.take()
        if stir.everything or self._clock.monotonic() >= self._look_at:
            await self._look_everywhere()
            return
        known = stir.paths & self._register.at.keys()
        new = sorted(stir.paths - known, key=_written_at)
        for path in new:
            self._compare(self._succession.logs_beside(path))
        for path in [*known, *new]:
            await self._look(path)

    # --- looking ---

    async def _look_everywhere(self) -> None:
        """At every file that a pattern names or that is known."""
        began, now = self._clock.monotonic(), self._clock.now()
        found = await self._walk()
        if self._first_start:
            self._first_start = False
            await self._meet(found)
        for generation in self._register.lost():
            await self._guarded(generation.place, self._succession.reunite(generation))
        known = list(self._register.at)
        new = sorted(set(found) - set(known), key=_written_at)
        self._stir_kin(found)
        for number, path in enumerate([*known, *new]):
            await self._look(path)
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)
        self._succession.looked_at = now
        self._refresh()
        self._turns.close_idle()
        took = self._clock.monotonic() - began
        polling = self._watch.polling
        pause = max(self._settings.poll, took / SHARE_POLLING) if polling else max(LOOK, took / SHARE)
        self._look_at = began + pause

    async def _walk(self) -> list[str]:
        """The paths that the patterns name, their folders watched."""
        while True:
            walk, paths = self._patterns.walk(), []
            for path in walk:
                paths.append(path)
                if len(paths) % BREATH == 0:
                    await asyncio.sleep(0)
            # Once more for what was created in a folder before it was watched.
            if not self._watch.follow(walk.folders | self._places(), walk.parents):
                break
        self._tell_closed(walk.closed)
        return [path for path in paths if not packed(path)]

    async def _look(self, path: str) -> None:
        """At what is at that path now."""
        path = self._aliases.get(path, path)
        await self._guarded(path, self._look_at_path(path))

    async def _guarded(self, path: str, look: Awaitable[None]) -> None:
        """A look that may find a folder it can't read: then nothing is known to have changed."""
        try:
            await look
        except OSError as error:
            self._turns.tell(path, error)

    async def _look_at_path(self, path: str) -> None:
        found = self._stat(path)
        generation = self._register.at.get(path)
        if generation is not None:
            if (
                found is not None
                and FileId.of(found) == generation.id
                and self._turns.note(generation, found)
            ):
                return
            await self._succession.displaced(generation)
        if found is None:
            self._succession.vanished(path)
        elif self._wants(path):
            await self._succession.appeared(path, FileId.of(found), found.st_size)
            if generation := self._register.files.get(FileId.of(found)):
                self._turns.note(generation, found)

    async def _meet(self, paths: Iterable[str]) -> None:
        """The first look ever: what is there already begins where `start` says."""
        for number, path in enumerate(paths):
            folder = self._lineage.folder(path)
            siblings = folder.siblings(os.path.basename(path))
            self._register.bystanders.update({each.id: each.mtime_ns for each in siblings})
            if self._settings.start == "end" and (found := self._stat(path)):
                self._meet_at_end(path, found)
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)
        self._handover.pay()

    def _meet_at_end(self, path: str, found: os.stat_result) -> None:
        id_, size = FileId.of(found), found.st_size
        if id_ not in self._register.files:
            generation = Generation(path, path, id_, Mark(size, "", ""), seen_at=self._clock.now())
            self._register.add(generation)
            self._turns.begin_at_end(generation, size)

    def _stir_kin(self, found: Iterable[str]) -> None:
        """Have logs compared beside which something rotated has appeared."""
        for folder in {os.path.dirname(path) for path in found}:
            try:
                news = self._lineage.folder(os.path.join(folder, "")).news()
            except OSError as error:
                self._turns.tell(folder, error)
            else:
                self._compare(self._register.live[path] for path in news if path in self._register.live)

    def _compare(self, logs: Iterable[Generation]) -> None:
        for generation in logs:
            generation.kin_changed = True
            self._queue(generation)

    def _refresh(self) -> None:
        """Forget what was rotated long ago; keep the positions of idle files young."""
        now = self._clock.monotonic()
        for generation in list(self._register.files.values()):
            if generation.moved_at is None:
                if now - generation.told_at >= REFRESH:
                    generation.told = -1
                    self._handover.owe(generation)
            elif generation.exhausted and now - max(generation.moved_at, generation.quiet_since) >= KEEP:
                self._turns.forget(generation, unless=self._wants)

    def _places(self) -> set[str]:
        """The folders of known files; where symlinks are followed, those they lead to."""
        places = list(self._register.at)
        if self._settings.follow_symlinks:
            self._aliases = {real: path for path in places if (real := os.path.realpath(path)) != path}
            places += self._aliases
        return {os.path.dirname(path) for path in places}

    def _tell_closed(self, closed: dict[str, str]) -> None:
        """Folders that can't be read are trouble, and those that can be again aren't."""
        for folder in self._closed - closed.keys():
            self._troubles.end("unreadable", shown(folder))
        for folder, why in closed.items():
            self._troubles.begin(Trouble("unreadable", shown(folder), f"{shown(folder)}: {why}"))
        self._closed = set(closed)
        if self._watch.refused:
            self._troubles.begin(Trouble("watch_limit", "", f"{self._watch.refused}; relay polls instead"))
        else:
            self._troubles.end("watch_limit", "")

    def _stat(self, path: str) -> os.stat_result | None:
        """What is at that path, if it is a regular file."""
        try:
            found = os.stat(path, follow_symlinks=self._settings.follow_symlinks)
        except (OSError, ValueError):
            return None
        return found if stat.S_ISREG(found.st_mode) else None

    def _wants(self, path: str) -> bool:
        """Whether a pattern names that path, and it is text."""
        return self._patterns.want(path) and not packed(path)

    def _queue(self, generation: Generation) -> None:
        """Give it a turn."""
        self._ready[generation] = None


def _written_at(path: str) -> tuple[int, str]:
    try:
        return os.stat(path, follow_symlinks=False).st_mtime_ns, path
    except OSError:
        return 0, path
