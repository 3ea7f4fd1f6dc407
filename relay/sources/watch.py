"""Noticing that something changed: inotify on folders, and an alarm for what time brings.

inotify sees what this host's processes do. Folders that it can't serve (no watches left, network file
systems, whose other clients it doesn't see) are the poll's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final, Self

import structlog
from inotify_simple import INotify, flags
from msgspec import Struct, field

from relay.clock import Clock

log = structlog.get_logger()

_NAMES: Final = flags.CREATE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE
_SELF: Final = flags.DELETE_SELF | flags.MOVE_SELF
_FILES: Final = _NAMES | _SELF | flags.MODIFY | flags.ATTRIB | flags.ONLYDIR | flags.MASK_ADD
_FOLDERS: Final = flags.CREATE | flags.MOVED_TO | flags.ATTRIB | _SELF | flags.ONLYDIR | flags.MASK_ADD
_REMOTE: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "afs", "lustre"}
)


class Stir(Struct):
    """What happened since it was last asked."""

    paths: set[str] = field(default_factory=set)  # names in watched folders
    everything: bool = False  # folders came or went, or events were lost: look everywhere


class Watch:
    """inotify on folders. `wake` is called in the event loop when something may have happened."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self.refused = ""  # why folders are polled instead; "" if none is
        self._wake = wake
        self._inotify: INotify | None = None
        self._folders: dict[int, str] = {}  # by watch
        self._watches: dict[str, tuple[int, int]] = {}  # folder -> watch, mask
        self._polled: set[str] = set()

    def __enter__(self) -> Self:
        try:
            self._inotify = INotify(nonblocking=True)
        except OSError as error:
            self.refused = f"no inotify: {error.strerror}"
        else:
            asyncio.get_running_loop().add_reader(self._inotify.fileno(), self._wake)
        return self

    def __exit__(self, *_: object) -> None:
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.fileno())
            self._inotify.close()
        self._inotify = None

    @property
    def polling(self) -> bool:
        """Whether some folder must be polled."""
        return self._inotify is None or bool(self._polled)

    def follow(self, folders: set[str], parents: set[str]) -> bool:
        """Watch exactly these: the files in `folders`, new folders in `parents`; True if some are new.

        What happened in a new one before it was watched must be looked for once more.
        """
        if self._inotify is None:
            return False
        kinds = _kinds()
        self._polled = {each for each in folders | parents if kinds.get(_device(each)) in _REMOTE}
        wanted = dict.fromkeys(parents, _FOLDERS) | dict.fromkeys(folders, _FILES)
        for folder in [each for each in self._watches if each not in wanted]:
            self._forget(folder)
        self.refused = ""
        added = [self._add(folder, mask) for folder, mask in wanted.items() if folder not in self._polled]
        return any(added)

    def take(self) -> Stir:
        """What has happened; doesn't wait."""
        stir = Stir()
        if self._inotify is not None:
            for event in self._inotify.read(timeout=0):
                self._note(event.wd, event.mask, event.name, stir)
        return stir

    def _add(self, folder: str, mask: int) -> bool:
        assert self._inotify is not None
        if self._watches.get(folder, (0, 0))[1] == mask:
            return False
        try:
            watch = self._inotify.add_watch(folder, mask)
        except FileNotFoundError:
            return False  # gone again; the look that finds that out comes by the watch above it
        except OSError as error:
            self._polled.add(folder)
            self.refused = f"can't watch {folder!r}: {error.strerror}"
            return False
        if self._folders.setdefault(watch, folder) != folder:
            self._polled.add(folder)  # one folder by two paths has one watch
            return False
        self._watches[folder] = (watch, mask)
        return True

    def _forget(self, folder: str) -> None:
        assert self._inotify is not None
        watch, _ = self._watches.pop(folder)
        if self._folders.get(watch) == folder:
            del self._folders[watch]
            try:
                self._inotify.rm_watch(watch)
            except OSError:
                log.debug("watch_was_gone", folder=folder)

    def _note(self, watch: int, mask: int, name: str, stir: Stir) -> None:
        if mask & flags.Q_OVERFLOW:
            log.warning("inotify_overflowed")
            stir.everything = True
            return
        folder = self._folders.get(watch)
        if folder is None:
            return
        if mask & (_SELF | flags.IGNORED):
            self._lose(folder, mask)
            stir.everything = True
        elif mask & flags.ISDIR:
            stir.everything = True
        elif name:
            stir.paths.add(os.path.join(folder, name))  # noqa: PTH118 - on the path of every line

    def _lose(self, folder: str, mask: int) -> None:
        """The folder is gone or has another name now: its watch tells nothing about this path any more."""
        if folder not in self._watches:
            return
        if mask & flags.IGNORED:
            watch, _ = self._watches.pop(folder)
            self._folders.pop(watch, None)
        else:
            self._forget(folder)


class Alarm:
    """Calls `wake` at a time. One task, replaced only by an earlier time: lines don't each cost a timer."""

    def __init__(self, clock: Clock, group: asyncio.TaskGroup, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._group = group
        self._wake = wake
        self._at = 0.0
        self._task: asyncio.Task[None] | None = None

    def set(self, at: float) -> None:
        """Wake at that monotonic time at the latest; perhaps earlier."""
        if self._task is not None and not self._task.done():
            if self._at <= at:
                return
            self._task.cancel()
        self._at = at
        self._task = self._group.create_task(self._run(at))

    async def _run(self, at: float) -> None:
        await self._clock.sleep(max(0.0, at - self._clock.monotonic()))
        self._wake()


def _device(folder: str) -> int:
    try:
        return os.stat(folder).st_dev  # noqa: PTH116 - as above
    except OSError:
        return 0


def _kinds() -> dict[int, str]:
    """File system types by device; see proc(5), /proc/pid/mountinfo."""
    kinds: dict[int, str] = {}
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:  # noqa: PTH123 - as above
            for line in mounts:
                mount, _, rest = line.partition(" - ")
                major, minor = mount.split()[2].split(":")
                kinds[os.makedev(int(major), int(minor))] = rest.split()[0]
    except (OSError, ValueError, IndexError):
        log.debug("mounts_unknown")
    return kinds
