"""A progress bar for what takes over a second; on a terminal only."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, TextIO

_AFTER: Final = 1.0  # seconds before it shows
_EVERY: Final = 0.1  # seconds
_LOOK: Final = 256  # lines between looks at the clock
_WIDTH: Final = 30  # characters of the bar


class Progress:
    """Reads a file's lines, without their ends, and shows how far it is; a pipe has no end to be seen."""

    def __init__(self, file: BinaryIO, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._stream = stream
        self._clock = clock
        self._total = _size(file)
        self._shown = False

    def lines(self) -> Iterator[bytes]:
        """The lines. The bar is taken away at the end."""
        if not self._stream.isatty():
            yield from (_without_end(line) for line in self._file)
            return
        due = self._clock() + _AFTER
        read = 0
        try:
            for number, line in enumerate(self._file, 1):
                read += len(line)
                yield _without_end(line)
                if number % _LOOK == 0 and (now := self._clock()) >= due:
                    due = now + _EVERY
                    self._show(read, number)
        finally:
            if self._shown:
                self._write("\r\x1b[K")

    def _show(self, read: int, number: int) -> None:
        self._shown = True
        if self._total:
            share = min(1.0, read / self._total)
            done = "#" * int(share * _WIDTH)
            self._write(f"\r[{done:-<{_WIDTH}}] {share:4.0%}  {number:,} lines\x1b[K")
        else:
            self._write(f"\r{number:,} lines\x1b[K")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _size(file: BinaryIO) -> int:
    """Bytes of a regular file; 0 for anything else."""
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _without_end(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")
