"""`process:` a process runs: by its name, its pidfile, or its command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from relay.config.checks import Process
from relay.watchdog.probes.base import holds, in_words
from relay.watchdog.processes import Processes, Running
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError, UnknownError

# Programs whose command line names what they look for: who greps is not who is looked for.
_SEEKERS: Final = frozenset(
    {"grep", "egrep", "fgrep", "zgrep", "rg", "ag", "pgrep", "pkill", "pidof", "ps", "watch", "less", "more"}
    | {"tail", "vi", "vim", "nano", "strace", "gdb", "sudo"}
)
_SLACK: Final = (
    2.0  # seconds by which a pidfile may be older than its process: file times and ticks are coarse
)


class ProcessProbe:
    """Reads /proc."""

    def __init__(self, wanted: Process) -> None:
        self._wanted = wanted
        self.target = f"process {wanted.name or wanted.pidfile or wanted.match}"

    async def look(self, tools: Tools) -> str:
        """As in `Probe`."""
        return await tools.threads.call(f"{self.target}#{id(self)}", lambda: self._find(tools.processes))

    def _find(self, processes: Processes) -> str:
        if self._wanted.pidfile:
            found = self._of_pidfile(processes)
            if not self._fits(found):
                raise FailedError(f"pid {found.pid} of the pidfile is {found.name}")
            return f"runs as pid {found.pid}"
        fitting = [each for each in processes.table() if self._fits(each)]
        if not fitting:
            raise FailedError("doesn't run")
        return f"runs as pid {', '.join(str(each.pid) for each in fitting[:4])}"

    def _of_pidfile(self, processes: Processes) -> Running:
        path = self._wanted.pidfile
        try:
            with Path(path).open("rb") as file:
                written_at = os.fstat(file.fileno()).st_mtime
                text = file.read(64).split()
        except PermissionError:
            raise UnknownError(f"relay may not read {path}") from None
        except OSError as error:
            raise FailedError(f"its pidfile: {in_words(error)}") from None
        if not text or not text[0].isdigit():
            raise FailedError("its pidfile holds no number")
        running = processes.one(int(text[0][:9]))
        if running is None:
            raise FailedError(f"pid {text[0][:9].decode()} of its pidfile doesn't run")
        if running.started_at > written_at + _SLACK:
            raise FailedError(
                f"its pidfile is stale: pid {running.pid} is another program now ({running.name})"
            )
        return running

    def _fits(self, running: Running) -> bool:
        wanted = self._wanted
        if wanted.name and not running.is_called(wanted.name):
            return False
        if not wanted.match:
            return True
        seeks = running.name in _SEEKERS or running.program in _SEEKERS
        return not seeks and holds(wanted.match, running.command)
