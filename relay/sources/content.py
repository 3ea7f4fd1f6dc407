"""What a file holds, read at an offset: as it lies on disk, or unpacked from what logrotate compressed."""

from __future__ import annotations

import asyncio
import bz2
import errno
import gzip
import io
import lzma
import os
import stat
import zlib
from collections.abc import Callable
from typing import IO, Final, Protocol

from relay.sources.identity import FileId

SLICE: Final = 64 * 1024  # bytes unpacked at once
WINDOW: Final = 1024 * 1024  # unpacked bytes kept to look back at: more than an event may be long

_UNPACKERS: Final[dict[str, Callable[[IO[bytes]], io.BufferedIOBase]]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".lzma": lzma.LZMAFile,
}
PACKED: Final = (*_UNPACKERS, ".zst", ".lz4", ".zip", ".Z")  # ends of names that aren't text


class Content(Protocol):
    """Bytes at offsets. Raises OSError where the disk fails."""

    id: FileId

    def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes; fewer at the end."""
        ...

    def reaches(self, offset: int) -> bool:
        """Whether there are that many bytes."""
        ...

    async def advance(self, offset: int) -> None:
        """Get ready to read there, in slices that let others work."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class Plain:
    """A file as it is."""

    def __init__(self, fd: int, id: FileId) -> None:  # noqa: A002 - the word of the domain
        self.fd = fd
        self.id = id

    def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes at `offset`."""
        return os.pread(self.fd, count, offset)

    def reaches(self, offset: int) -> bool:
        """Whether the file is that long now."""
        return os.fstat(self.fd).st_size >= offset

    async def advance(self, offset: int) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Let go of the descriptor."""
        os.close(self.fd)


class Packed:
    """A compressed file. Goes forward; looks back as far as the window."""

    def __init__(self, fd: int, id: FileId, suffix: str) -> None:  # noqa: A002 - the word of the domain
        self.id = id
        self.damaged = ""  # why it can't be unpacked to its end
        self._file = os.fdopen(fd, "rb")
        self._suffix = suffix
        self._rewind()

    def read(self, offset: int, count: int) -> bytes:
        """Up to `count` unpacked bytes at `offset`; short at the end or where it is damaged."""
        if offset < self._start:
            self._rewind()
        while self._start + len(self._window) < offset + count and self._unpack():
            pass
        begin = offset - self._start
        return bytes(self._window[max(0, begin) : max(0, begin + count)])

    def reaches(self, offset: int) -> bool:
        """Whether it unpacks to that many bytes."""
        return offset == 0 or len(self.read(offset - 1, 1)) == 1

    async def advance(self, offset: int) -> None:
        """Unpack up to `offset`."""
        while self._start + len(self._window) < offset:
            if not self._unpack():
                return
            await asyncio.sleep(0)

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()
        self._file.close()

    def _rewind(self) -> None:
        self._file.seek(0)
        self._stream = _UNPACKERS[self._suffix](self._file)
        self._start = 0  # offset of the window's first byte
        self._window = bytearray()

    def _unpack(self) -> bool:
        """One more slice; False at the end."""
        try:
            data = self._stream.read(SLICE)
        except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
            self.damaged = str(error) or type(error).__name__
            return False
        self._window += data
        surplus = len(self._window) - WINDOW
        if surplus >= WINDOW:  # not for each slice: cutting the front off moves the rest
            del self._window[:surplus]
            self._start += surplus
        return bool(data)


def packed(path: str) -> bool:
    """Whether the name says that the file is compressed."""
    return path.endswith(PACKED)


def open_content(path: str, *, follow: bool) -> Content:
    """Open a file to read; OSError if it can't be, or isn't a regular file (ELOOP for a symlink).

    O_NONBLOCK: opening a FIFO must not wait for its writer. The type is asked of what was opened, not of the
    name: a name may change between the two.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    suffix = os.path.splitext(path)[1] if packed(path) else ""  # noqa: PTH122 - paths are strings here
    if suffix and suffix not in _UNPACKERS:
        raise OSError(errno.EOPNOTSUPP, f"relay can't unpack {suffix}", path)
    fd = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return Packed(fd, FileId.of(found), suffix) if suffix else Plain(fd, FileId.of(found))
