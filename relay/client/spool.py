"""A bounded file of events that could not be sent yet, shared by all processes of one user.

The file begins with a header of fixed length: how far it has been sent, and how many events were lost because
it was full (the oldest events are kept: they tell how the trouble began). JSON lines follow. Changes are made
under a lock (flock), so a process may be killed at any instant: at worst its last line is torn, and skipped.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

_HEADER: Final = "{:020d} {:020d}\n"
_START: Final = len(_HEADER.format(0, 0))
_READ: Final = 512 * 1024  # bytes: more than any line


class Slice(NamedTuple):
    """The oldest lines that wait, and how many bytes of the file they are."""

    lines: list[bytes]
    size: int


class Spool:
    """Raises OSError where the file can't be used. Not fsynced: it outlives processes, not power cuts."""

    def __init__(self, path: str, most: int) -> None:
        self.path = path
        self.most = most  # bytes

    def waiting(self) -> bool:
        """Whether there is anything to send or to tell; cheap."""
        try:
            return os.stat(self.path).st_size > _START or self.lost() > 0  # noqa: PTH116 - pathlib is slow to import
        except OSError:
            return False

    def add(self, lines: Sequence[bytes]) -> None:
        """Keep lines, as far as there is room; the others are counted as lost."""
        with self._open(self.path) as file:
            sent, lost = _header(file)
            size = max(os.fstat(file).st_size, _START)
            kept = bytearray()
            if size > _START and os.pread(file, 1, size - 1) != b"\n":
                kept += b"\n"  # a process was killed while it wrote its last line
            for line in lines:
                if size + len(kept) + len(line) <= self.most:
                    kept += line
                else:
                    lost += 1
            _write_header(file, sent, lost)
            _write(file, kept, size)

    def peek(self) -> Slice:
        """The next lines to send."""
        with self._open(self.path) as file:
            sent, _ = _header(file)
            data = os.pread(file, _READ, sent)
        end = data.rfind(b"\n") + 1 or len(data)
        return Slice([line + b"\n" for line in data[:end].split(b"\n") if line.strip()], end)

    def drop(self, size: int) -> None:
        """Those were sent."""
        with self._open(self.path) as file:
            sent, lost = _header(file)
            if sent + size >= os.fstat(file).st_size:
                os.ftruncate(file, _START)
                _write_header(file, _START, lost)
            else:
                _write_header(file, sent + size, lost)

    def lost(self) -> int:
        """How many were lost since it was last told."""
        with self._open(self.path) as file:
            return _header(file)[1]

    def told(self, count: int) -> None:
        """So many lost ones have been reported."""
        with self._open(self.path) as file:
            sent, lost = _header(file)
            _write_header(file, sent, max(0, lost - count))

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """The right to send from this spool; False if another process has it."""
        try:
            with self._open(self.path + ".lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
                yield True
        except BlockingIOError:
            yield False

    @contextmanager
    def _open(self, path: str, lock: int = fcntl.LOCK_EX) -> Iterator[int]:
        """The file, made if missing, locked. Refuses one that somebody else laid in our way."""
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
                raise PermissionError(f"{path} is not a file of our own")
            fcntl.flock(file, lock)
            yield file
        finally:
            os.close(file)


def default_path() -> str:
    """Under $XDG_STATE_HOME, else in /var/tmp with the user's number in its name."""
    if state := os.environ.get("XDG_STATE_HOME"):
        try:
            os.makedirs(f"{state}/relay", mode=0o700, exist_ok=True)  # noqa: PTH103 - pathlib is slow to import
        except OSError:
            pass
        else:
            return f"{state}/relay/spool.jsonl"
    return f"/var/tmp/relay-spool-{os.geteuid()}.jsonl"  # noqa: S108 - `_open` looks whose it is


def _header(file: int) -> tuple[int, int]:
    """(offset of the first line not sent, events lost)."""
    parts = os.pread(file, _START, 0).split()
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        return _START, 0
    return max(int(parts[0]), _START), int(parts[1])


def _write_header(file: int, sent: int, lost: int) -> None:
    os.pwrite(file, _HEADER.format(sent, lost).encode(), 0)


def _write(file: int, data: bytearray, at: int) -> None:
    """All of it or nothing: a full disk must not leave half a line."""
    try:
        done = 0
        while done < len(data):
            done += os.pwrite(file, data[done:], at + done)
    except OSError:
        os.ftruncate(file, at)
        raise
