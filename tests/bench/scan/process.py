"""A program run on one core of its own, with what it took: wall time, processor time, peak memory."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from msgspec import Struct

_EVERY: Final = 0.002  # seconds between looks


class Cost(Struct, frozen=True):
    """What a run took."""

    wall: float  # seconds
    cpu: float  # seconds, user and system, finished children included
    rss: float  # MiB at its peak


class Run:
    """A child process on the last core there is; this process keeps to the others."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: Path | None = None,
        stdout: Path | None = None,
        stderr: Path | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        core = max(_CORES)
        files: list[IO[bytes]] = [(stdin or Path(os.devnull)).open("rb")]
        files += [(path or Path(os.devnull)).open("wb") for path in (stdout, stderr)]
        os.sched_setaffinity(0, {core})  # what is started inherits it
        self.began = time.monotonic()
        self._rss = 0.0  # MiB, the most that was seen
        self._cpu: float | None = None  # seconds, once it has ended
        self.process = subprocess.Popen(
            command,
            stdin=files[0],
            stdout=files[1],
            stderr=files[2],
            env=None if env is None else {**os.environ, **env},
            cwd=cwd,
        )
        os.sched_setaffinity(0, _CORES - {core} or _CORES)
        for file in files:
            file.close()

    def ended(self) -> bool:
        """Whether it has; its memory is noted on the way."""
        self._note()
        if self.process.returncode is None:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.process.returncode = os.waitstatus_to_exitcode(status)
                self._cpu = usage.ru_utime + usage.ru_stime
        return self.process.returncode is not None

    def until(self, done: Callable[[], bool], patience: float) -> Cost | None:
        """What it took until `done` or its own end; None if that takes over `patience` seconds."""
        end = time.monotonic() + patience
        while True:
            over = done() or self.ended()
            now = time.monotonic()
            if over:
                self._note()
                cpu = _cpu_seconds(self.process.pid) if self._cpu is None else self._cpu
                return Cost(now - self.began, cpu, self._rss)
            if now > end:
                return None
            time.sleep(_EVERY)

    def stop(self, patience: float = 60.0) -> int:
        """Ask it to end, and insist if it doesn't."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def _note(self) -> None:
        """Peak memory so far. Not of `wait4`: that counts what the process was before its `exec`."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                self._rss = max(self._rss, int(line.split()[1]) / 1024)


def _cpu_seconds(pid: int) -> float:
    """Of a process that runs, with its own finished children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(each) for each in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def warm(paths: Sequence[Path]) -> None:
    """Have the files in memory."""
    for path in paths:
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass


_CORES: Final = os.sched_getaffinity(0)
