"""`file:` a file is there, fresh, of the right size and mode."""

from __future__ import annotations

import stat
import time
from pathlib import Path

from relay.config.checks import File
from relay.values import format_duration
from relay.watchdog.probes.base import in_words
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError, UnknownError


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
            found = Path(wanted.path).stat()
        except PermissionError:
            raise UnknownError("relay may not look there") from None
        except OSError as error:
            raise FailedError(in_words(error)) from None
        age = max(0.0, now - found.st_mtime)
        if wanted.age and age > wanted.age:
            raise FailedError(f"was last written {format_duration(age)} ago")
        if found.st_size < wanted.size:
            raise FailedError(f"has {found.st_size} bytes, not {wanted.size}")
        if wanted.max_size and found.st_size > wanted.max_size:
            raise FailedError(f"has {found.st_size} bytes, more than {wanted.max_size}")
        mode = stat.S_IMODE(found.st_mode)
        if wanted.mode is not None and mode != int(wanted.mode, 8):
            raise FailedError(f"has mode {mode:04o}, not {wanted.mode}")
        return f"{found.st_size} bytes, written {format_duration(age)} ago"
