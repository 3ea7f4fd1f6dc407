"""What runs on this host, and who holds which port: read from /proc, at most once a second.

Field numbers: proc(5). A zombie doesn't run. What relay may not see it can't judge.
"""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

FRESH: Final = 1.0  # seconds that a reading may be used again
_LISTEN: Final = "0A"  # TCP_LISTEN in /proc/net/tcp
_DEAD: Final = frozenset("ZXx")


class Running(Struct, frozen=True):
    """A process."""

    pid: int
    name: str  # /proc/PID/comm, at most 15 characters
    program: str  # the name of its program's file; "" if hidden
    command: str  # its words, with spaces between
    started_at: float  # seconds since the epoch

    def is_called(self, name: str) -> bool:
        """By its own name, its program's, or that of the script it runs."""
        words = self.command.split()[:2]
        called = {self.name, self.program, *(Path(word).name for word in words[:1])}
        return name in called or (len(name) > 15 and self.name == name[:15] and not self.program)


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
        """What runs, without relay itself."""
        now = time.monotonic()
        if now - self._read_at >= FRESH:
            self._table = list(self._read())
            self._read_at = now
        return self._table

    def one(self, pid: int) -> Running | None:
        """That process, as it is now; None if it doesn't run."""
        return _running(self._root / str(pid), self._booted_at())

    def listening(self, port: int) -> list[Listening]:
        """The listening sockets of that port, IPv4 and IPv6."""
        found = []
        for name in ("tcp", "tcp6"):
            try:
                lines = (self._root / "net" / name).read_text().splitlines()[1:]
            except OSError:
                continue
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
            except OSError:
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
        booted, own = self._booted_at(), os.getpid()
        for folder in self._folders():
            if int(folder.name) != own and (found := _running(folder, booted)):
                yield found

    def _booted_at(self) -> float:
        """From the two clocks: /proc/stat's btime is cut to seconds."""
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def user_of(uid: int) -> str:
    """Its name, or its number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _running(folder: Path, booted_at: float) -> Running | None:
    try:
        stat = (folder / "stat").read_text("utf-8", "replace")
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return None
    head, _, rest = stat.rpartition(")")
    fields = rest.split()
    if fields[0] in _DEAD:
        return None
    try:
        program = (folder / "exe").readlink().name.removesuffix(" (deleted)")
    except OSError:
        program = ""
    ticks = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return Running(int(folder.name), head.partition("(")[2], program, command, booted_at + ticks)


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""
