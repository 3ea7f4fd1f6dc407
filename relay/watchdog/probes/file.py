"""`file:` a file is there, fresh, of the right size and mode."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import os
import stat
import time
from pathlib import Path
from typing import Final

from relay.config.checks import File
from relay.values import format_duration
from relay.watchdog.probes.base import refused
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError, UnknownError

_AHEAD: Final = 60.0  # seconds by which a file server's clock may be ahead of ours


class FileProbe:
    """Looks at its inode; never opens it."""

    def __init__(self, wanted: File) -> None:
        self._wanted = wanted
        self.target = wanted.path

    async def look(self, tools: Tools) -> str:
        """As in `Probe`."""
        return await tools.threads.call(f"{self.target}#{id(self)}", lambda: self._judge(time.time()))

    def _judge(self, now: float) -> str:
        wanted = self._wanted
        try:
            found = _newest(Path(wanted.path))
        except OSError as error:
            raise refused(error) from None
        if wanted.age and found.st_mtime > now + _AHEAD:
            raise UnknownError("was written in a time to come: a clock was wrong")
        age = max(0.0, now - found.st_mtime)
        if wanted.age and age > wanted.age:
            raise FailedError(f"was last written {format_duration(age)} ago")
        if found.st_size < wanted.size:
            raise FailedError(f"has {found.st_size} bytes, fewer than {wanted.size}")
        if wanted.max_size and found.st_size > wanted.max_size:
            raise FailedError(f"has {found.st_size} bytes, more than {wanted.max_size}")
        mode = stat.S_IMODE(found.st_mode)
        if wanted.mode is not None and mode != int(wanted.mode, 8):
            raise FailedError(f"has mode {mode:04o}, not {wanted.mode}")
        return f"{found.st_size} bytes, written {format_duration(age)} ago"


def _newest(path: Path) -> os.stat_result:
    """Of that file; where its name is a glob, as of backups that carry their date, of the newest."""
    if not set("*?") & set(path.name):
        return path.stat()
    found = []
    with os.scandir(path.parent) as entries:
        for each in entries:
            if fnmatch.fnmatchcase(each.name, path.name):
                with contextlib.suppress(FileNotFoundError):  # it is just being cleared away
                    found.append(each.stat())
    if not found:
        raise FileNotFoundError(errno.ENOENT, "none")
    return max(found, key=lambda each: each.st_mtime)
