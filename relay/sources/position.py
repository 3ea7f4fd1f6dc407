"""How far was it read? An offset, and enough of the bytes before it to notice that they were replaced."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from relay.models import Position
from relay.sources.content import Content
from relay.sources.identity import HEAD, begins_alike, count_of, digest

TAIL: Final = 256  # bytes at most before the offset


class Mark(Struct, frozen=True, gc=False):
    """A place in a content, by which the content is known again: after a restart, or in a copy of it."""

    offset: int
    head: str  # digest of the first bytes; "" while nobody has looked
    tail: str  # digest of the bytes just before `offset`; "" where they aren't known

    @classmethod
    def at(cls, content: Content, offset: int, head: str = "") -> Mark:
        """The mark of that offset; `head`, if it is known, is kept or widened as the file has grown."""
        if count_of(head) < HEAD:
            head = digest(content.read(0, HEAD))
        count = min(TAIL, offset)
        before = content.read(offset - count, count)
        # Shorter: it is being truncated just now, and the next look will tell.
        return cls(offset, head, digest(before) if len(before) == count else "")

    @classmethod
    def of(cls, position: Position) -> Mark:
        """The mark in a saved position."""
        return cls(position.offset, position.head, position.tail)

    def fits(self, content: Content) -> bool:
        """Whether `content` holds what was read so far, and reaches that far."""
        if not begins_alike(self.head, content.read(0, HEAD)):
            return False
        if not self.tail:
            return content.reaches(self.offset)
        count = count_of(self.tail)
        return digest(content.read(self.offset - count, count)) == self.tail

    @property
    def known(self) -> bool:
        """Whether there is anything to know the content by."""
        return count_of(self.head) > 0
