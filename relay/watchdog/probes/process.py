"""`process:` a process runs: by its name, its pidfile, or its command line."""

from __future__ import annotations

from typing import Final

from relay.config.checks import Process
from relay.config.files import read_regular
from relay.watchdog.probes.base import holds, in_words, refused
from relay.watchdog.processes import Processes, Running
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError, UnknownError

# Programs whose command line names what they look for: who greps is not who is looked for.
_SEEKERS: Final = frozenset(
    {"grep", "egrep", "fgrep", "zgrep", "rg", "ag", "pgrep", "pkill", "pidof", "ps", "watch", "less", "more"}
    | {"tail", "cat", "vi", "vim", "nano", "strace", "gdb", "sudo", "su", "ssh", "systemctl", "journalctl"}
)
_SLACK: Final = (
    2.0  # seconds by which a pidfile may be older than its process: file times and ticks are coarse
)


_LONGEST_PIDFILE: Final = 64  # bytes that are looked at


class ProcessProbe:
    """Reads /proc."""

    def __init__(self, wanted: Process) -> None:
        self._wanted = wanted
        self._known = (0, 0.0)  # pid and start of the process that its pidfile rightly named
        self.target = f"process {wanted.name or wanted.pidfile or wanted.match}"

    async def look(self, tools: Tools) -> str:
        """As in `Probe`."""
        return await tools.of_processes(f"{self.target}#{id(self)}", self._find)

    def _find(self, processes: Processes) -> str:
        if self._wanted.pidfile:
            found = self._of_pidfile(processes)
            if not self._fits(found):
                raise FailedError(f"pid {found.pid} of the pidfile is {found.name}")
            return f"runs as pid {found.pid}"
        fitting = [each for each in processes.table() if self._fits(each)]
        if not fitting and processes.hides():
            raise UnknownError("relay may not see all processes")
        if not fitting:
            raise FailedError("doesn't run")
        return f"runs as pid {', '.join(str(each.pid) for each in fitting[:4])}"

    def _of_pidfile(self, processes: Processes) -> Running:
        path = self._wanted.pidfile
        try:
            data, status = read_regular(path, _LONGEST_PIDFILE)
        except OSError as error:
            reason = refused(error)
            raise type(reason)(f"its pidfile: {in_words(error)}") from None
        text = data.split()
        if not text or not text[0].isdigit():
            raise FailedError("its pidfile holds no number")
        running = processes.one(int(text[0][:9]))
        if running is None:
            raise FailedError(f"pid {text[0][:9].decode()} of its pidfile doesn't run")
        # A process that was once the right one stays so: a clock that is set moves all times of start.
        is_known = self._known == (running.pid, running.began)
        if not is_known and processes.booted_at() + running.began > status.st_mtime + _SLACK:
            raise FailedError(
                f"its pidfile is stale: pid {running.pid} is another program now ({running.name})"
            )
        self._known = (running.pid, running.began)
        return running

    def _fits(self, running: Running) -> bool:
        wanted = self._wanted
        if wanted.name and not running.is_called(wanted.name):
            return False
        if not wanted.match:
            return True
        return not _seeks(running) and holds(wanted.match, running.command)


def _seeks(running: Running) -> bool:
    """Whether it only speaks of what is looked for: `grep orders`, `relay watchdog check orders`."""
    if running.name in _SEEKERS or running.program in _SEEKERS:
        return True
    return running.name == "relay" and "run" not in running.command.split()
