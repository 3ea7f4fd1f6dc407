"""One generation of a log: a content from its first byte to its last, whatever its name is by now."""

from __future__ import annotations

import errno
import os

import structlog

from relay.config.schema import TailSource
from relay.models import Position
from relay.sources.content import Content, Packed, open_content
from relay.sources.identity import HEAD, FileId, shown
from relay.sources.parse import Parser
from relay.sources.position import Mark
from relay.sources.reader import Reader

log = structlog.get_logger()


class Generation:
    """What is known of one generation, and how far it was read.

    Its order: it waits until the generation `after` it follows is exhausted, and then lets `then` go.
    """

    __slots__ = (
        "after",
        "content",
        "exhausted",
        "id",
        "kin_changed",
        "log",
        "mark",
        "moved_at",
        "noticed",
        "path",
        "place",
        "quiet_since",
        "reader",
        "row",
        "seen",
        "seen_at",
        "then",
        "told",
        "told_at",
    )

    def __init__(self, path: str, place: str, id: FileId, mark: Mark, *, seen_at: float) -> None:  # noqa: A002 - the word of the domain
        self.path = path  # what it is called in events and positions: the latest name that a pattern names
        self.log = path  # what it was called when it was live: its rotations are named after that
        self.place = place  # where its bytes are now; "" where nobody knows, or only its descriptor is left
        self.id = id
        self.row = id  # whose saved position tells how far it was read: a copy goes on for its original
        self.mark = mark  # handed over up to here
        self.content: Content | None = None  # open, or not now
        self.reader: Reader | None = None  # from the first read until it is closed with nothing unfinished
        self.after: Generation | None = None
        self.then: Generation | None = None
        self.exhausted = False  # read to its end, and it isn't live any more
        self.noticed = (-1, -1)  # size and time of the last write of what is at its place
        self.seen = (-1, -1)  # the same, once it was verified that this is still the same content
        self.seen_at = seen_at  # wall clock of the last time that was verified of the live log
        self.moved_at: float | None = None  # monotonic, when it was found not to be live any more
        self.quiet_since = 0.0  # monotonic, when bytes last came
        self.kin_changed = False  # something beside it may be its copy: compare before reading on
        self.told = -1  # offset in the last position handed over
        self.told_at = 0.0  # monotonic

    @property
    def read(self) -> int:
        """Offset of the next byte to read."""
        return self.mark.offset if self.reader is None else self.reader.read

    @property
    def behind(self) -> int:
        """Bytes that are known to be there and not read yet."""
        return max(0, self.seen[0] - self.read)

    @property
    def looked(self) -> bool:
        """Whether it was seen at all since relay started."""
        return self.seen[0] >= 0

    def verify(self, now: float) -> None:
        """What was noticed at its place is its own content, as of that wall clock."""
        if self.noticed[0] >= 0:
            self.seen = self.noticed
        if self.moved_at is None:
            self.seen_at = now

    @property
    def reachable(self) -> bool:
        """Whether its bytes can be read."""
        return bool(self.place) or self.content is not None

    def open(self, *, follow: bool) -> Content:
        """Its content, ready to read; OSError, with ESTALE if another file is at its place now."""
        if self.content is None:
            content = open_content(self.place, follow=follow)
            if content.id != self.id:
                content.close()
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), self.place)
            self.content = content
        if not self.mark.head:
            self.mark = Mark.at(self.content, self.mark.offset)
        return self.content

    def intact(self) -> bool:
        """Whether the content, which is open, still is what was read so far."""
        content = self.content
        assert content is not None
        if isinstance(content, Packed):
            return True  # verified when it was found; nobody writes to it
        return self.mark.fits(content) and content.reaches(self.read)

    def reading(self, settings: TailSource, parser: Parser) -> Reader:
        """Its reader, with the content open."""
        if self.reader is None:
            assert self.content is not None
            self.reader = Reader(settings, parser, self.content.read(0, HEAD), self.mark.offset)
        return self.reader

    def settle(self) -> None:
        """Note how far everything was handed over."""
        if self.reader is not None and self.content is not None:
            self.mark = Mark.at(self.content, self.reader.safe, self.mark.head)

    def close(self) -> None:
        """Let go of the descriptor; what is unfinished stays in memory."""
        if self.content is not None:
            self.content.close()
            self.content = None
        if self.reader is not None and self.reader.read == self.mark.offset:
            self.reader = None

    def position(self, source: str) -> Position:
        """What to save with the events up to its mark.

        `seen_at` is when it was last seen live, not when it was last read: a log's latest generation is the
        one with the latest time, though the writer may still add a line to an older one.
        """
        self.told = self.mark.offset
        return Position(
            source=source,
            path=self.path,
            dev=self.row.dev,
            inode=self.row.inode,
            offset=self.mark.offset,
            head=self.mark.head,
            tail=self.mark.tail,
            seen_at=self.seen_at,
        )

    def successor(self) -> Generation:
        """The next generation in the same file, which was truncated: from its beginning."""
        new = Generation(self.path, self.place, self.id, Mark(0, "", ""), seen_at=self.seen_at)
        new.content, self.content, self.place = self.content, None, ""
        new.log, new.noticed, new.moved_at = self.log, self.noticed, self.moved_at
        return new

    def __repr__(self) -> str:
        return f"<Generation {shown(self.path)} at {shown(self.place)} {self.id} {self.mark.offset}>"
