"""Is that file what a log was read from? Told by content, where names and inodes have changed.

What remains ambiguous: a file named like a rotation of the log, unknown till now, whose first 1024 bytes and
whose bytes before our offset are those of the log, is taken for its copy. Whatever else can't be told from a
copy is read whole: rather a duplicate than a loss.
"""
# ruff: noqa: PTH116 - paths are strings here, as in discover.py

from __future__ import annotations

import contextlib
import enum
import os
from collections.abc import Iterator

from relay.sources.content import Content, open_content, packed
from relay.sources.generation import Generation
from relay.sources.identity import HEAD, FileId, begins_alike
from relay.sources.position import TAIL
from relay.sources.rotation import Sibling


class Kin(enum.Enum):
    """What a rotated file is to a generation that lost its own file."""

    REST = enum.auto()  # its copy: holds what was read so far, and perhaps more
    SHORTER = enum.auto()  # its copy, made before the last lines that were read
    STRANGER = enum.auto()  # something else


async def kin_of(generation: Generation, path: str) -> Kin:
    """What the file at that path is to a generation. A compressed one is unpacked as far as was read."""
    try:
        with _opened(path) as content:
            if not begins_alike(generation.mark.head, content.read(0, HEAD)):
                return Kin.STRANGER
            await content.advance(generation.read)
            if not content.reaches(generation.read):
                return Kin.SHORTER
            return Kin.REST if generation.mark.fits(content) else Kin.STRANGER
    except OSError:
        return Kin.STRANGER


def has_head_of(generation: Generation, path: str) -> bool:
    """Whether the file at that path begins like the generation."""
    try:
        with _opened(path) as content:
            return begins_alike(generation.mark.head, content.read(0, HEAD))
    except OSError:
        return False


def holds_only(sibling: Sibling, content: Content) -> bool:
    """Whether a file holds what `content` begins with, and nothing else: a copy of it that is being made."""
    if packed(sibling.path):
        return False
    tail = min(TAIL, sibling.size)
    parts = ((0, min(HEAD, sibling.size)), (sibling.size - tail, tail))
    try:
        with _opened(sibling.path) as copy:
            return all(copy.read(offset, count) == content.read(offset, count) for offset, count in parts)
    except OSError:
        return False


def is_at(generation: Generation, path: str, *, follow: bool) -> bool:
    """Whether the file at that path, which has the generation's inode, has its content too."""
    if generation.content is not None:
        return True  # an open file's inode isn't given away
    if not generation.mark.known and generation.moved_at is not None:
        return False  # nothing was read of it, so nothing is known: the inode may be another file's by now
    if packed(path):
        return has_head_of(generation, path)  # more would mean to unpack it
    try:
        with _opened(path, follow=follow) as content:
            return content.id == generation.id and generation.mark.fits(content)
    except OSError:
        return True  # can't be known now; its turn will tell


def has_its_place(generation: Generation) -> bool:
    """Whether its file is where it was last seen."""
    try:
        return bool(generation.place) and FileId.of(os.stat(generation.place)) == generation.id
    except OSError:
        return False


def is_intact(generation: Generation, *, follow: bool) -> bool:
    """Whether its file still holds what was read so far; also if that can't be known now. Leaves it open."""
    if packed(generation.place):
        return True
    try:
        generation.open(follow=follow)
    except OSError:
        return True
    return generation.intact()


@contextlib.contextmanager
def _opened(path: str, *, follow: bool = False) -> Iterator[Content]:
    content = open_content(path, follow=follow)
    try:
        yield content
    finally:
        content.close()
