"""What runs on this host, and who holds which port: read from /proc, at most once a second.

Field numbers: proc(5). A zombie doesn't run. What relay may not see it can't judge.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

FRESH: Final = 1.0  # seconds that a reading may be used again
_GONE: Final = (FileNotFoundError, ProcessLookupError)
_LISTEN: Final = "0A"  # TCP_LISTEN in /proc/net/tcp
_DEAD: Final = frozenset("ZXx")
STARTED: Final = 19  # of the fields of `stat_of`: when it began, in ticks after the host's start
_LONGEST_NAME: Final = 15  # characters of /proc/PID/comm


class Running(Struct, frozen=True):
    """A process."""

    pid: int
    name: str  # /proc/PID/comm, at most 15 characters
    program: str  # the name of its program's file; "" if hidden
    command: str  # its words, with spaces between
    began: float  # seconds after the host's start: no clock that is set moves it

    def is_called(self, name: str) -> bool:
        """By its own name, its program's, or that of the script which it was started as."""
        words = [Path(word).name for word in self.command.split()[:2]]
        if name in {self.name, self.program, *words[:1]}:
            return True
        is_cut = len(name) > _LONGEST_NAME and self.name == name[:_LONGEST_NAME]
        return is_cut and (name in words or not self.program)


class Listening(Struct, frozen=True):
    """A listening TCP socket."""

    port: int
    inode: str
    uid: int


class Processes:
    """The table of processes, read anew when it is older than a second. For threads: it blocks."""

    def __init__(self, root: str = "/proc") -> None:
        self._root = Path(root)
        self._read_at = 0.0
        self._table: list[Running] = []

    def table(self) -> list[Running]:
        """What runs and can be seen, without relay itself and what it has just started."""
        now = time.monotonic()
        if now - self._read_at >= FRESH:
            self._table = list(self._read())
            self._read_at = now
        return self._table

    def hides(self) -> bool:
        """Whether others' processes are hidden (hidepid=, ProtectProc=): the first is always another's."""
        return not os.access(self._root / "1" / "stat", os.R_OK)

    def one(self, pid: int) -> Running | None:
        """That process, as it is now; None if it doesn't run. PermissionError if it is hidden."""
        found = _running(self._root / str(pid))
        if found is None and pid and not (self._root / str(pid)).exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 0)  # PermissionError: it runs, though /proc doesn't show it
        return found

    def listening(self, port: int) -> list[Listening]:
        """The listening sockets of that port, IPv4 and IPv6. OSError if the kernel doesn't say."""
        found = []
        for name in ("tcp", "tcp6"):
            try:
                lines = (self._root / "net" / name).read_text().splitlines()[1:]
            except FileNotFoundError:
                if name == "tcp":
                    raise
                continue  # a host without IPv6
            for line in lines:
                fields = line.split()
                if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    found.append(Listening(port, fields[9], int(fields[7])))
        return found

    def holders(self, inode: str) -> tuple[list[int], bool]:
        """Who has that socket open, and whether some processes could not be looked into."""
        wanted, found, hidden = f"socket:[{inode}]", [], False
        for folder in self._folders():
            try:
                with os.scandir(folder / "fd") as descriptors:
                    held = any(_link(each.path) == wanted for each in descriptors)
            except PermissionError:
                hidden = True
                continue
            except _GONE:
                continue
            if held:
                found.append(int(folder.name))
        return found, hidden

    def unit(self, pid: int) -> str:
        """The systemd unit that it belongs to; "" if none is known."""
        try:
            lines = (self._root / str(pid) / "cgroup").read_text().splitlines()
        except OSError:
            return ""
        parts = [part for line in lines for part in line.split("/")]
        return next((part for part in reversed(parts) if part.endswith((".service", ".socket"))), "")

    def _folders(self) -> Iterator[Path]:
        return (folder for folder in self._root.iterdir() if folder.name.isdigit())

    def _read(self) -> Iterator[Running]:
        own = os.getpid()
        parent = own if own != 1 else -1  # to the first process of a container, whatever is orphaned falls
        for folder in self._folders():
            with contextlib.suppress(PermissionError):  # see `hides`
                if int(folder.name) != own and (found := _running(folder, but_of=parent)):
                    yield found

    def booted_at(self) -> float:
        """Seconds since the epoch. From the two clocks: /proc/stat's btime is cut to seconds."""
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def user_of(uid: int) -> str:
    """Its name, or its number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def stat_of(folder: Path) -> tuple[str, list[str]]:
    """The name in /proc/PID/stat, which may hold anything, and the fields behind it. OSError."""
    head, _, rest = (folder / "stat").read_text("utf-8", "replace").rpartition(")")
    return head.partition("(")[2], rest.split()


def _running(folder: Path, but_of: int = -1) -> Running | None:
    """None if it doesn't run, or if `but_of` has started it. OSError if that can't be known."""
    try:
        name, fields = stat_of(folder)
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except _GONE:
        return None
    if fields[0] in _DEAD or int(fields[1]) == but_of:
        return None
    try:
        program = (folder / "exe").readlink().name.removesuffix(" (deleted)")
    except OSError:
        program = ""
    ticks = int(fields[STARTED]) / os.sysconf("SC_CLK_TCK")
    return Running(int(folder.name), name, program, command, ticks)


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
