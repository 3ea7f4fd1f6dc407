"""Which file is it? Its device and inode say so while it exists, its first bytes when it was copied.

An inode alone is not enough: ext4 gives the inode of a deleted file to the next one at once. A digest of the
first bytes alone isn't either: every generation of a log may begin with the same banner.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import Final, NamedTuple

HEAD: Final = 1024  # bytes at most that a file is known by


class FileId(NamedTuple):
    """A file of this host, whatever its name is."""

    dev: int
    inode: int

    @classmethod
    def of(cls, stat: os.stat_result) -> FileId:
        """The id in what `stat` told."""
        return cls(stat.st_dev, stat.st_ino)


def digest(data: bytes) -> str:
    """`data` as `COUNT:HEX`: the count says how many bytes of another file to compare."""
    return f"{len(data)}:{blake2b(data, digest_size=12).hexdigest()}"


def count_of(text: str) -> int:
    """How many bytes a digest covers; 0 for an empty text."""
    return int(text.partition(":")[0] or 0)


def begins_alike(head: str, first: bytes) -> bool:
    """Whether a file that begins with `first` (its first `HEAD` bytes, or all of it) has that head."""
    count = count_of(head)
    return len(first) >= count and (not head or digest(first[:count]) == head)


def shown(path: str) -> str:
    r"""A path as text that can be shown and stored: bytes that aren't UTF-8 and controls as `\xNN`."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
