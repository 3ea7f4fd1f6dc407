"""Bytes to lines: where a line begins and ends in a file, whatever slices it was read in."""

from __future__ import annotations

import codecs
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from relay.config.schema import TailSource

# Encodings that a byte order mark decides, by their name without it.
_MARKED: Final = {
    "utf-16": ((codecs.BOM_UTF16_BE, "utf-16-be"), (codecs.BOM_UTF16_LE, "utf-16-le")),
    "utf-32": ((codecs.BOM_UTF32_BE, "utf-32-be"), (codecs.BOM_UTF32_LE, "utf-32-le")),
}


class RawLine(Struct, frozen=True, gc=False):
    """One line as it stands in the file."""

    data: bytes  # without the line end
    offset: int  # where it starts in the file
    end: int  # the offset after its newline
    cut: int = 0  # bytes cut away because the line was too long


class RawEvent(Struct, frozen=True, gc=False):
    """The lines of one event: one line, or a stack trace with its first line."""

    lines: list[bytes]
    offset: int  # where its first line starts in the file
    end: int  # the offset after its last line
    cut: int = 0  # bytes cut away
    headed: bool = True  # it began with a header, or needs none to be an event of its own


class Script(Struct, frozen=True, gc=False):
    """What lines look like in an encoding: how newlines are written, and in units of how many bytes.

    Wide lines (UTF-16, UTF-32) are handed on as UTF-8, so that nobody after this has to care for alignment.
    """

    newline: bytes
    carriage: bytes
    wide: str = ""  # the codec to turn into UTF-8; "" for what contains newlines as single bytes

    @classmethod
    def of(cls, encoding: str, first: bytes = b"") -> Script:
        """The script of an encoding; `first` are the file's first bytes, which may hold a byte order mark."""
        codec = codecs.lookup(encoding).name
        for mark, name in _MARKED.get(codec, ()):
            if first.startswith(mark):
                codec = name
                break
        else:
            codec = f"{codec}-le" if codec in _MARKED else codec
        newline = "\n".encode(codec)
        return cls(newline, "\r".encode(codec), codec if len(newline) > 1 else "")

    def text(self, data: bytes) -> bytes:
        """A line's bytes without the carriage return that may stand before its newline."""
        if data.endswith(self.carriage) and (not self.wide or len(data) % len(self.carriage) == 0):
            data = data[: -len(self.carriage)]
        if self.wide:
            data = data.decode(self.wide, "replace").removeprefix("\ufeff").encode()
        return data


def readable(settings: TailSource) -> TailSource:
    """The settings by which lines are to be read once this module has split them."""
    return replace(settings, encoding="utf-8") if Script.of(settings.encoding).wide else settings


class Lines:
    """Splits the bytes of one file. Holds one unfinished line, of which at most `max_line` bytes are kept."""

    def __init__(self, script: Script, max_line: int, offset: int = 0) -> None:
        self.start = offset  # where the unfinished line starts
        self.read = offset  # where the next byte to feed stands in the file
        self._script = script
        self._unit = len(script.newline)
        self._most = max(self._unit, max_line - max_line % self._unit)
        self._kept = b""  # the unfinished line, as far as it is kept
        self._odd = b""  # a unit of which not all bytes have come yet
        self._skipped = 0  # bytes of the unfinished line that aren't kept

    @property
    def wide(self) -> bool:
        """Whether newlines are more than one byte."""
        return self._unit > 1

    @property
    def most(self) -> int:
        """Bytes that are kept of a line."""
        return self._most

    @property
    def unfinished(self) -> bool:
        """Whether a line has begun that has no newline yet."""
        return self.read > self.start

    def seek(self, offset: int) -> None:
        """The next byte to feed stands there, and begins a line; no line may be unfinished."""
        self.start = self.read = offset

    def alone(self, data: bytes, offset: int) -> RawLine:
        """One whole line, with its newline, that stands there; no line may be unfinished."""
        self.start = offset
        line = self._line(data[: -self._unit])
        self.read = self.start
        return line

    def feed(self, data: bytes) -> list[RawLine]:
        """The lines that these next bytes complete."""
        self.read += len(data)
        data = self._aligned(data)
        first, *others = self._split(data)
        if not others:
            self._keep(first)
            return []
        *whole, rest = others
        self._keep(first)
        lines = [self._complete()]
        lines += [self._line(each) for each in whole]
        self._keep(rest)
        return lines

    def finish(self) -> RawLine | None:
        """The unfinished line, as the file has come to its end without a newline."""
        if not self.unfinished:
            return None
        line = self._complete(ended=self.read)
        self._odd = b""
        return line

    def _aligned(self, data: bytes) -> bytes:
        """Whole units only; what is left over waits for its other bytes."""
        if self._unit == 1:
            return data
        data = self._odd + data
        whole = len(data) - len(data) % self._unit
        self._odd = data[whole:]
        return data[:whole]

    def _split(self, data: bytes) -> list[bytes]:
        if self._unit == 1:
            return data.split(self._script.newline)
        parts, begin, at = [], 0, data.find(self._script.newline)
        while at >= 0:
            if at % self._unit:  # the end of one character and the start of the next
                at = data.find(self._script.newline, at + 1)
                continue
            parts.append(data[begin:at])
            begin = at + self._unit
            at = data.find(self._script.newline, begin)
        return [*parts, data[begin:]]

    def _keep(self, data: bytes) -> None:
        """More of the unfinished line."""
        hollow = self._unit == 1 and self._kept.startswith(b"\0")  # see below
        if len(self._kept) == self._most and not hollow:
            self._skipped += len(data)
            return
        self._kept += data
        if len(self._kept) <= self._most:
            return
        if self._unit == 1:
            # A writer that goes on at its old offset after copytruncate leaves a hole in front of its next
            # line: NULs, up to gigabytes. They must not push the line's text over the limit.
            text = self._kept.lstrip(b"\0")
            self.start += len(self._kept) - len(text)
            self._kept = text
        self._skipped += max(0, len(self._kept) - self._most)
        self._kept = self._kept[: self._most]

    def _complete(self, ended: int | None = None) -> RawLine:
        """The unfinished line: its newline has come, or the file `ended` there."""
        end = self.start + len(self._kept) + self._skipped + self._unit if ended is None else ended
        line = RawLine(self._script.text(self._kept), self.start, end, self._skipped)
        self.start = end
        self._kept, self._skipped = b"", 0
        return line

    def _line(self, data: bytes) -> RawLine:
        """A line that came whole."""
        if len(data) > self._most:
            self._keep(data)
            return self._complete()
        offset = self.start
        self.start = offset + len(data) + self._unit
        return RawLine(self._script.text(data), offset, self.start)
