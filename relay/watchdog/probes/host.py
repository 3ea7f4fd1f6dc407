"""`disk: memory: load:` the host has room and breath."""

from __future__ import annotations

import os
from pathlib import Path

from relay.config.checks import Disk
from relay.values import parse_size
from relay.watchdog.probes.base import in_words
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError, UnknownError


class DiskProbe:
    """Asks the file system, as an ordinary user sees it."""

    def __init__(self, wanted: Disk) -> None:
        self._wanted = wanted
        self.target = f"disk {wanted.path}"

    async def look(self, tools: Tools) -> str:
        """As in `Probe`."""
        return await tools.threads.call(f"{self.target}#{id(self)}", self._judge)

    def _judge(self) -> str:
        try:
            found = os.statvfs(self._wanted.path)
        except OSError as error:
            raise UnknownError(f"it can't be asked: {in_words(error)}") from None
        free, total = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
        words = f"{_bytes(free)} of {_bytes(total)} free"
        if free < part(self._wanted.free, total):
            raise FailedError(f"only {words}, less than {self._wanted.free}")
        if found.f_files and found.f_favail < part(self._wanted.inodes, found.f_files):  # btrfs counts none
            words = f"{found.f_favail} of {found.f_files} inodes free"
            raise FailedError(f"only {words}, less than {self._wanted.inodes}")
        return words


class MemoryProbe:
    """What the kernel says programs can still get without swapping."""

    def __init__(self, least: str, meminfo: str = "/proc/meminfo") -> None:
        self._least = least
        self._meminfo = meminfo
        self.target = "memory"

    async def look(self, tools: Tools) -> str:
        """As in `Probe`."""
        del tools
        available, total = memory(self._meminfo)
        words = f"{_bytes(available)} of {_bytes(total)} available"
        if available < part(self._least, total):
            raise FailedError(f"only {words}, less than {self._least}")
        return words


class LoadProbe:
    """The load average of 5 minutes."""

    def __init__(self, most: float) -> None:
        self._most = most
        self.target = "load"

    async def look(self, tools: Tools) -> str:
        """As in `Probe`."""
        del tools
        load = os.getloadavg()[1]
        if load > self._most:
            raise FailedError(f"{load:.1f} over 5 minutes, more than {self._most:g}")
        return f"{load:.1f} over 5 minutes"


def memory(meminfo: str = "/proc/meminfo") -> tuple[int, int]:
    """Bytes available and in all; `UnknownError` if the kernel doesn't say."""
    try:
        lines = Path(meminfo).read_text().splitlines()
        found = {line.partition(":")[0]: int(line.split()[1]) * 1024 for line in lines if ":" in line}
        return found["MemAvailable"], found["MemTotal"]
    except (OSError, KeyError, ValueError, IndexError):
        raise UnknownError("the kernel doesn't say") from None


def part(share: str, total: int) -> float:
    """What a share of `total` is: 10%, or an amount of its own."""
    return total * float(share[:-1]) / 100 if share.endswith("%") else parse_size(share)


def _bytes(count: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count // 1024} KiB"
