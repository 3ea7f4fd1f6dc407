"""One writer on the stream socket: lines in, events to the intake, answers out once the events are durable.

Sockets are read and written here and not by an asyncio transport: a transport closes when a write fails, and
would throw away what a writer that is gone has sent before it went.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Literal

import msgspec
from msgspec import Struct, field

from relay.clock import Clock
from relay.models import Batch
from relay.sources.framing import Framer, TooLong
from relay.sources.intake import Intake
from relay.sources.peer import Peer
from relay.sources.wire import Answer, Lines

RECEIVE: Final = 64 * 1024  # bytes at a time, then the others have their turn
OWED: Final = 1024 * 1024  # bytes of lines that aren't durable yet, above which a writer waits
UNSENT: Final = 256 * 1024  # bytes of answers that a writer hasn't taken, above which it waits
PATIENCE: Final = 60.0  # seconds that a line may take to arrive

_encode_lines: Final = msgspec.json.Encoder().encode_lines


class Counts(Struct, kw_only=True):
    """What came in through one source, since the start."""

    accepted: int = 0  # connections
    refused: int = 0  # connections over a limit
    events: int = 0
    datagrams: int = 0
    bad: dict[str, int] = field(default_factory=dict)  # lines, by what is wrong with them

    def fault(self, kind: str) -> None:
        """Count a bad line."""
        self.bad[kind] = self.bad.get(kind, 0) + 1


class Door(Struct, frozen=True, kw_only=True):
    """What every conversation of one source shares."""

    intake: Intake
    clock: Clock
    lines: Lines
    counts: Counts


class _Owed(Struct):
    """The answers to one chunk; they wait for its events, and for the chunks before."""

    answers: list[Answer]
    size: int
    settled: bool = False


class Conversation:
    """Reads one connection until the writer ends it, then answers what is owed, and closes."""

    def __init__(
        self, sock: socket.socket, peer: Peer, door: Door, on_close: Callable[[Conversation], None]
    ) -> None:
        self.peer = peer
        self._sock = sock
        self._door = door
        self._on_close = on_close
        self._loop = asyncio.get_running_loop()
        self._framer = Framer(door.lines.max_line)
        self._owed: deque[_Owed] = deque()
        self._owed_bytes = 0
        self._unsent = bytearray()
        self._waits: set[Literal["intake", "owed", "unsent"]] = set()  # why nothing is read now
        self._begun: float | None = None  # when the line that is still arriving began, monotonic
        self._ended = False  # nothing more will be read
        self._deaf = False  # the writer takes no more answers
        self._closed = False

    def start(self) -> None:
        """Begin to read."""
        self._loop.add_reader(self._sock.fileno(), self.read)

    def read(self) -> None:
        """Take one chunk of what has arrived."""
        if self._ended or self._waits:
            return
        try:
            chunk = self._sock.recv(RECEIVE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # reset by the writer: what came before it has been read
            chunk = b""
        if chunk:
            self._take(self._framer.feed(chunk), len(chunk))
        else:
            self._take(self._framer.end(), 0)
            self.stop()

    def stop(self) -> None:
        """Read no more; what is owed still goes out, then the connection closes."""
        if not self._ended:
            self._ended = True
            self._loop.remove_reader(self._sock.fileno())
        self._close_when_done()

    def expire(self) -> None:
        """Close a connection whose line doesn't arrive: it holds a seat, and perhaps never will."""
        if self._begun is None or self._waits or self._ended:
            return
        if self._door.clock.monotonic() - self._begun > PATIENCE:
            self._door.counts.fault("unfinished")
            answer = Answer(False, None, f"no end of the line within {PATIENCE:.0f} s")
            self._owed.append(_Owed([answer], 0, settled=True))
            self._answer()
            self.stop()

    def close(self) -> None:
        """Let go now."""
        if self._closed:
            return
        self._closed = self._ended = True
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        self._on_close(self)

    def _take(self, lines: Sequence[bytes | TooLong], size: int) -> None:
        """Hand over one chunk's events; its answers wait until they are durable."""
        self._note_partial(bool(lines))
        now = self._door.clock.now()
        events = []
        answers = []
        for line in lines:
            taken = self._door.lines.take(line, self.peer, now)
            if taken.event is not None:
                events.append(taken.event)
            if taken.answer is not None:
                answers.append(taken.answer)
            if taken.fault:
                self._door.counts.fault(taken.fault)
        if events or answers:
            owed = _Owed(answers, size, settled=not events)
            self._owed.append(owed)
            if events:
                self._hand_over(Batch(events=events, done=partial(self._settle, owed), size=size))
        self._answer()

    def _hand_over(self, batch: Batch) -> None:
        self._door.counts.events += len(batch.events)
        self._owed_bytes += batch.size
        if self._owed_bytes > OWED:
            self._wait("owed")
        if not self._door.intake.put_nowait(batch):
            self._wait("intake")
            self._door.intake.on_room(partial(self._go_on, "intake"))

    def _note_partial(self, ended: bool) -> None:  # noqa: FBT001 - a fact, not a mode
        if not self._framer.partial:
            self._begun = None
        elif ended or self._begun is None:
            self._begun = self._door.clock.monotonic()

    def _settle(self, owed: _Owed, error: Exception | None) -> None:
        """The store has a chunk's events, or gave up on them."""
        owed.settled = True
        if error is not None:
            why = f"not stored ({error}): send it again"
            owed.answers = [
                Answer(False, each.id, why, retry=True) if each.ok else each for each in owed.answers
            ]
        self._owed_bytes -= owed.size
        if self._owed_bytes <= OWED // 2:
            self._go_on("owed")
        self._answer()

    def _answer(self) -> None:
        """Send the answers whose turn has come, in one write."""
        answers: list[Answer] = []
        while self._owed and self._owed[0].settled:
            answers += self._owed.popleft().answers
        if answers and not self._deaf and not self._closed:
            self._unsent += _encode_lines(answers)
            self._send()
        self._close_when_done()

    def _send(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._sock.send(self._unsent)]
        except (BlockingIOError, InterruptedError):
            self._loop.add_writer(self._sock.fileno(), self._send_rest)
            if len(self._unsent) > UNSENT:
                self._wait("unsent")
        except OSError:  # the writer left without its answers; what it wrote is still to be read
            self._deaf = True
            self._unsent.clear()

    def _send_rest(self) -> None:
        self._loop.remove_writer(self._sock.fileno())
        self._send()
        if len(self._unsent) <= UNSENT // 2:
            self._go_on("unsent")
        self._close_when_done()

    def _wait(self, why: Literal["intake", "owed", "unsent"]) -> None:
        if not self._waits and not self._ended:
            self._loop.remove_reader(self._sock.fileno())
        self._waits.add(why)

    def _go_on(self, why: Literal["intake", "owed", "unsent"]) -> None:
        if why not in self._waits:
            return
        self._waits.discard(why)
        if self._waits or self._ended:
            return
        if self._begun is not None:  # relay made the writer wait, not the other way round
            self._begun = self._door.clock.monotonic()
        self._loop.add_reader(self._sock.fileno(), self.read)

    def _close_when_done(self) -> None:
        if self._ended and not self._owed and not self._unsent:
            self.close()
