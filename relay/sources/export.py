"""The journal's export format, bytes to entries.

https://systemd.io/JOURNAL_EXPORT_FORMATS/ - unlike its JSON it says how long a value is before it comes,
and needs no arrays of numbers for bytes that aren't UTF-8: an entry can be kept in bounds while it is read.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct, field

MOST_NAME: Final = 256  # bytes of a field's name; the journal itself takes 64
_SIZE: Final = 8  # bytes of the length before a binary value, little-endian


class Fields(Struct):
    """One entry: its fields, of one name the last; and how many bytes were cut away."""

    values: dict[str, bytes] = field(default_factory=dict)
    cut: int = 0

    def text(self, name: str) -> str:
        """A field as text; "" if it isn't there."""
        return self.values.get(name, b"").decode("utf-8", "replace")


class Export:
    """Splits a stream. Holds one unfinished entry, of each value at most `most` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._buffer = bytearray()
        self._entry = Fields()
        self._name = ""  # of the value that is being read
        self._kept = bytearray()
        self._left: int | None = None  # bytes of a binary value still to come, its newline too; None: a text

    def feed(self, data: bytes) -> list[Fields]:
        """The entries that these next bytes complete."""
        self._buffer += data
        done: list[Fields] = []
        at = 0
        while (after := self._step(at, done)) > at:
            at = after
        del self._buffer[:at]
        return done

    def _step(self, at: int, done: list[Fields]) -> int:
        """Read on from `at`; the place after what was read, `at` itself where more bytes are needed."""
        if not self._name:
            return self._begin(at, done)
        if self._left is None:
            return self._text(at)
        return self._binary(at)

    def _begin(self, at: int, done: list[Fields]) -> int:
        """A line: the end of an entry, a text, or the name of a binary value."""
        end = self._buffer.find(b"\n", at)
        if end < 0:
            return self._begin_long(at)
        if end == at:
            if self._entry.values:
                done.append(self._entry)
            self._entry = Fields()
            return end + 1
        equals = self._buffer.find(b"=", at, end)
        if equals >= 0:
            self._put(_name(self._buffer[at:equals]), bytes(self._buffer[equals + 1 : end]))
            return end + 1
        size = self._buffer[end + 1 : end + 1 + _SIZE]
        if len(size) < _SIZE:
            return at
        self._name, self._left = _name(self._buffer[at:end]), int.from_bytes(size, "little") + 1
        return end + 1 + _SIZE

    def _begin_long(self, at: int) -> int:
        """A text that is longer than what is kept: read piece by piece."""
        equals = self._buffer.find(b"=", at, at + MOST_NAME)
        if equals < 0 or len(self._buffer) - equals <= self._most:
            return at
        self._name = _name(self._buffer[at:equals])
        return equals + 1

    def _text(self, at: int) -> int:
        end = self._buffer.find(b"\n", at)
        self._keep(at, len(self._buffer) if end < 0 else end)
        if end < 0:
            return len(self._buffer)
        self._finish()
        return end + 1

    def _binary(self, at: int) -> int:
        assert self._left is not None
        end = min(len(self._buffer), at + self._left)
        self._left -= end - at
        if self._left:
            self._keep(at, end)
            return end
        self._keep(at, end - 1)  # without its newline
        self._finish()
        return end

    def _keep(self, begin: int, end: int) -> None:
        room = max(0, self._most - len(self._kept))
        self._kept += self._buffer[begin : min(end, begin + room)]
        self._entry.cut += max(0, end - begin - room)

    def _finish(self) -> None:
        self._put(self._name, bytes(self._kept))
        self._name, self._left = "", None
        self._kept.clear()

    def _put(self, name: str, value: bytes) -> None:
        self._entry.cut += max(0, len(value) - self._most)
        self._entry.values[name] = value[: self._most]


def _name(raw: bytearray) -> str:
    return raw.decode("ascii", "replace")
