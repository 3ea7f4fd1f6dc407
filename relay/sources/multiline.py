"""Lines to events: a stack trace is joined to its first line.

A logger writes a record and its trace in one write, so a line that stays alone for 10 ms is whole. A trace
that an interpreter prints line by line may take longer: once one has begun, 200 ms of quiet end it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal

from relay.config.schema import TailSource
from relay.sources.lines import RawEvent, RawLine
from relay.sources.parse import reader_of
from relay.sources.shapes import HEAD, starts_event
from relay.text import clean

ALONE: Final = 0.010  # seconds that a first line waits for a second
JOINED: Final = 0.200  # seconds that a trace waits for its next line

_TRACEBACK: Final = "Traceback (most recent call last):"
_CHAINED: Final = ("During handling of the above exception,", "The above exception was the direct cause")
_OF_A_TRACE: Final = re.compile(
    r"at |Caused by: |Suppressed: |\.\.\. \d+ |Traceback \(most recent call last\):|\[?Stack trace|#\d+ "
    r"|During handling of the above exception,|The above exception was the direct cause"
)
_EXCEPTION: Final = re.compile(
    r"[A-Za-z_][\w.$]*(?:Exception|Error|Throwable|Warning|Interrupt|Exit)(?:: |$)"
)
# java.util.logging writes two lines: `Mar 01, 2026 10:00:00 AM com.x.Pay refund`, then `SEVERE: timeout`.
_JUL_FIRST: Final = re.compile(r"[A-Z][a-z]{2} \d\d?, \d{4} \d\d?:\d\d:\d\d [AP]M \S+ \S+$")
_JUL_SECOND: Final = re.compile(r"[A-Z]+: ")


class Joiner:
    """Joins the lines of one file. Pure: time comes in, nothing is written but its own state."""

    def __init__(self, settings: TailSource) -> None:
        self._settings = settings
        by_format = settings.format in {"python", "java"}
        self.holds = by_format if settings.multiline is None else settings.multiline
        self._starts = _start_of(settings)
        # Where every event has a header, a line without one continues the event before it.
        self._headers = settings.format != "plain"
        self._reset()

    def _reset(self) -> None:
        self._lines: list[bytes] = []
        self._offset = self._end = self._size = self._cut = 0
        self._headed = False  # the pending event began with a header
        self._jul = False  # ... of java.util.logging's, which its level is still to follow
        self._trace: Literal["", "open", "closed"] = ""  # a Python traceback before or after its exception
        self._due: float | None = None

    @property
    def pending_offset(self) -> int | None:
        """Where in the file the pending event starts; None without one."""
        return self._offset if self._lines else None

    def due(self) -> float | None:
        """The monotonic time at which the pending event should be flushed; None without one."""
        return self._due

    def feed(self, line: RawLine, now: float) -> list[RawEvent]:
        """The events that this line completes, at monotonic time `now`; a blank line is none."""
        blank = not line.data.strip()
        if not self.holds:
            return [] if blank else [RawEvent([line.data], line.offset, line.end, line.cut)]
        if blank:
            if self._lines:
                self._keep(line)
            return []
        head = self._head(line.data)
        if self._lines and self._continues(head):
            self._follow(line, head, now)
            return []
        whole = self.flush()
        self._begin(line, head, now)
        return [] if whole is None else [whole]

    def forget(self) -> None:
        """Drop the pending event: its lines will be fed again."""
        self._reset()

    @property
    def headed(self) -> bool:
        """Whether an event is pending that began with a header, whatever came before it."""
        return bool(self._lines) and self._headed

    def begins(self, line: bytes, before: bytes) -> bool:
        """Whether a line begins an event with a header, whatever came earlier than the line `before` it."""
        head = self._head(line)
        if not head or not self._starts(head):
            return False
        return _JUL_SECOND.match(head) is None or _JUL_FIRST.match(self._head(before)) is None

    def flush(self) -> RawEvent | None:
        """The pending event, whole or not."""
        if not self._lines:
            return None
        event = RawEvent(self._lines, self._offset, self._end, self._cut, self._headed)
        self._reset()
        return event

    def _head(self, data: bytes) -> str:
        return clean(data[:HEAD].decode(self._settings.encoding, "replace"))

    def _begin(self, line: RawLine, head: str, now: float) -> None:
        self._offset = line.offset
        self._headed = self._starts(head)
        self._jul = _JUL_FIRST.match(head) is not None
        self._keep(line)
        self._note(head)
        self._due = now + self._wait(ALONE)

    def _follow(self, line: RawLine, head: str, now: float) -> None:
        self._jul = False
        self._keep(line)
        self._note(head)
        self._due = now + self._wait(JOINED)

    def _wait(self, usual: float) -> float:
        return usual if self._settings.flush_after is None else self._settings.flush_after

    def _continues(self, head: str) -> bool:
        """Whether a line belongs to the pending event."""
        if self._starts(head):
            return self._jul and _JUL_SECOND.match(head) is not None
        if self._trace == "closed" and head.startswith(_TRACEBACK):
            return False  # another trace, of its own
        if self._headed and self._headers:
            return True
        if head.startswith((" ", "\t")) or self._trace == "open" or _OF_A_TRACE.match(head):
            return True
        return self._headed and len(self._lines) == 1 and _EXCEPTION.match(head) is not None

    def _note(self, head: str) -> None:
        """Follow a Python traceback: indented lines up to the exception, then perhaps a chained one."""
        if head.endswith(_TRACEBACK):
            self._trace = "open"
        elif head.startswith(_CHAINED):
            self._trace = ""
        elif self._trace == "open" and not head.startswith((" ", "\t")):
            self._trace = "closed"

    def _keep(self, line: RawLine) -> None:
        room = max(0, self._settings.max_event - self._size)
        data = line.data if len(line.data) <= room else line.data[:room]
        self._cut += line.cut + len(line.data) - len(data)
        self._size += len(data) + 1
        if data or room:
            self._lines.append(data)
        self._end = line.end


def _start_of(settings: TailSource) -> Callable[[str], bool]:
    """How to tell a line that begins an event, in that source's format."""
    if settings.format == "json":
        return lambda head: head.startswith("{")
    if settings.format in {"syslog", "nginx", "regex"}:
        read = reader_of(settings)
        return lambda head: read(head, 0.0) is not None
    return starts_event
