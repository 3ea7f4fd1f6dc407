"""The datagram socket beside the stream: the same lines, no answers; a full intake makes the senders wait."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from relay.models import Batch, Event
from relay.sources.conversation import Door
from relay.sources.framing import TOO_LONG, Framer, TooLong
from relay.sources.peer import CREDENTIALS, Peer, of_datagram

_SLICE: Final = 128  # datagrams at a time, then the others have their turn
_ANCILLARY: Final = socket.CMSG_SPACE(CREDENTIALS.size)


class Datagrams:
    """Reads one datagram socket; each datagram carries its sender's credentials."""

    def __init__(self, sock: socket.socket, door: Door) -> None:
        self._sock = sock
        self._door = door
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray(door.lines.max_line + 1)  # one more than allowed shows what is too long
        self._stopped = False
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)

    def start(self) -> None:
        """Begin to read."""
        if not self._stopped:
            self._loop.add_reader(self._sock.fileno(), self.read)

    def stop(self) -> None:
        """Read no more."""
        self._stopped = True
        self._loop.remove_reader(self._sock.fileno())

    def read(self) -> None:
        """Take one slice of what has arrived."""
        events: list[Event] = []
        size = 0
        names: dict[int, str] = {}  # a process keeps its name for one slice
        now = self._door.clock.now()
        for _ in range(_SLICE):
            try:
                length, ancillary, _flags, _from = self._sock.recvmsg_into([self._buffer], _ANCILLARY)
            except (BlockingIOError, InterruptedError):
                break
            peer = of_datagram(ancillary, names)
            size += length
            self._door.counts.datagrams += 1
            events += self._take(length, peer, now)
        if events:
            self._hand_over(Batch(events=events, size=size))

    def _take(self, length: int, peer: Peer, now: float) -> list[Event]:
        """The events of the datagram that is in the buffer."""
        lines = [TOO_LONG] if length > self._door.lines.max_line else _lines(bytes(self._buffer[:length]))
        events: list[Event] = []
        for line in lines:
            taken = self._door.lines.take(line, peer, now)
            if taken.event is not None:
                events.append(taken.event)
            if taken.fault:
                self._door.counts.fault(taken.fault)
        return events

    def _hand_over(self, batch: Batch) -> None:
        self._door.counts.events += len(batch.events)
        if not self._door.intake.put_nowait(batch):
            self._loop.remove_reader(self._sock.fileno())
            self._door.intake.on_room(self.start)


def _lines(data: bytes) -> list[bytes | TooLong]:
    """A syslog datagram is one event, newlines and all (a stack trace); any other holds lines."""
    if data[:1] == b"<":
        return [data]
    framer = Framer(len(data))
    return framer.feed(data) + framer.end()
