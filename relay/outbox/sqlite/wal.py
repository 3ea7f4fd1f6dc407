"""The write-ahead log as a file, to notice what SQLite passes over in silence.

SQLite takes the log up to the first frame that doesn't fit and ignores the rest: right after a crash, when
only the last, unfinished transaction can be torn, but wrong for a log that was overwritten, whose lost
transactions had been acknowledged. Format: https://www.sqlite.org/fileformat2.html#walformat
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final

_HEADER: Final = struct.Struct(">8I")  # magic, version, page size, sequence, two salts, checksum
_FRAME: Final = struct.Struct(">6I")  # page, size after a commit (else 0), two salts, checksum
_RECOVERED: Final = struct.Struct("=16xI")  # of the log's index: the frames that are taken as good
_MAGIC: Final = 0x377F0682  # its last bit set: checksums over big-endian words
_MASK: Final = 0xFFFFFFFF


class Wal:
    """A log file, looked at before SQLite is let at it."""

    def __init__(self, file: BinaryIO | None) -> None:
        self._file = file
        self.size = 0 if file is None else os.fstat(file.fileno()).st_size
        self._page_size = 0
        self._salts: tuple[int, int] = (0, 0)
        self.damage = self._read_header() if self.size > _HEADER.size else ""

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Wal]:
        """The log at that path; one that doesn't exist is empty."""
        try:
            file = path.open("rb")
        except FileNotFoundError:
            yield cls(None)
            return
        with file:
            yield cls(file)

    def lost_after(self, recovered: int) -> bool:
        """Whether a transaction that had been committed lies beyond the frames that SQLite recovered.

        One commit mark there may be the last, torn transaction. A second that follows the first by an
        unbroken chain of checksums was begun after the first was durable.
        """
        if not self._page_size:
            return False
        beyond = range(recovered, (self.size - _HEADER.size) // (_FRAME.size + self._page_size))
        commits = [index for index in beyond if self._is_current(index) and self._frame(index)[1]]
        return any(
            all(self._follows(index) for index in range(first + 1, second + 1))
            for first, second in pairwise(commits)
        )

    def _read_header(self) -> str:
        """Learn page size and salts; what is wrong, or ""."""
        header = self._read(0, _HEADER.size)
        magic, _, page_size, _, salt_1, salt_2, *checksum = _HEADER.unpack(header)
        self._order = ">" if magic & 1 else "<"
        if magic & ~1 != _MAGIC or checksum != list(self._checksum(header[:24], (0, 0))):
            return "the write-ahead log was overwritten"
        self._page_size, self._salts = page_size, (salt_1, salt_2)
        return ""

    def _read(self, offset: int, size: int) -> bytes:
        return b"" if self._file is None else os.pread(self._file.fileno(), size, offset)

    def _offset(self, index: int) -> int:
        return _HEADER.size + index * (_FRAME.size + self._page_size)

    def _frame(self, index: int) -> tuple[int, ...]:
        return _FRAME.unpack(self._read(self._offset(index), _FRAME.size))

    def _is_current(self, index: int) -> bool:
        """Whether the frame was written since the log was last begun afresh."""
        return self._frame(index)[2:4] == self._salts

    def _follows(self, index: int) -> bool:
        """Whether the frame's checksum continues that of the frame before."""
        start = self._offset(index)
        page = self._read(start + _FRAME.size, self._page_size)
        before = self._frame(index - 1)[4:6]
        named = self._checksum(self._read(start, 8), (before[0], before[1]))
        whole = self._checksum(page, named)
        return self._is_current(index) and self._frame(index)[4:6] == whole

    def _checksum(self, data: bytes, start: tuple[int, int]) -> tuple[int, int]:
        """SQLite's running checksum."""
        first, second = start
        for one, two in struct.iter_unpack(f"{self._order}2I", data):
            first = (first + one + second) & _MASK
            second = (second + two + first) & _MASK
        return first, second


def recovered_frames(store: Path) -> int:
    """How many frames of its log SQLite takes as good, while a connection to that store is open.

    Read from the log's index: https://www.sqlite.org/walformat.html#the_wal_index_header
    """
    try:
        with store.with_name(f"{store.name}-shm").open("rb") as index:
            return int(_RECOVERED.unpack(index.read(_RECOVERED.size))[0])
    except (FileNotFoundError, struct.error):
        return 0
