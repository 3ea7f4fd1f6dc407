"""Bytes of a socket to lines, whatever chunks they arrive in, in bounded memory."""

from __future__ import annotations

from typing import Final

_NEWLINE: Final = b"\n"


class TooLong:
    """Stands for a line that passed the limit: its bytes are gone."""


TOO_LONG: Final = TooLong()


class Framer:
    """Splits a stream into lines of at most `most` bytes. A NUL ends a line too: some writers send that."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._partial = bytearray()  # the line that has begun; at most `most` bytes
        self._discarding = False  # until the newline: a line that was too long

    @property
    def partial(self) -> bool:
        """Whether a line has begun and not ended."""
        return bool(self._partial)

    def feed(self, chunk: bytes) -> list[bytes | TooLong]:
        """The lines that this chunk ends; `TOO_LONG` as soon as one passes the limit."""
        lines: list[bytes | TooLong] = []
        *ended, rest = chunk.replace(b"\0", _NEWLINE).split(_NEWLINE)
        for line in ended:
            if self._partial or self._discarding:
                self._extend(line, lines)
                self._end(lines)
            else:
                lines.append(line if len(line) <= self._most else TOO_LONG)
        self._extend(rest, lines)
        return lines

    def end(self) -> list[bytes | TooLong]:
        """The last line, if the stream ended without a newline."""
        lines: list[bytes | TooLong] = []
        if self._partial:
            self._end(lines)
        return lines

    def _extend(self, part: bytes, lines: list[bytes | TooLong]) -> None:
        if self._discarding:
            return
        if len(self._partial) + len(part) > self._most:
            self._partial.clear()
            self._discarding = True
            lines.append(TOO_LONG)
        else:
            self._partial += part

    def _end(self, lines: list[bytes | TooLong]) -> None:
        if not self._discarding:
            lines.append(bytes(self._partial))
            self._partial.clear()
        self._discarding = False
