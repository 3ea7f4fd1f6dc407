"""The socket that programs write events to: each connection, within limits, becomes a conversation."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from relay.clock import Clock
from relay.config.schema import SocketSource
from relay.models import Json
from relay.sources import peer, socketfile
from relay.sources.conversation import Conversation, Counts, Door
from relay.sources.datagrams import Datagrams
from relay.sources.intake import Intake
from relay.sources.socketfile import BoundSocket
from relay.sources.wire import Answer, Lines

log = structlog.get_logger()

_ACCEPTS: Final = 64  # connections at a time, then the others have their turn
_SWEEP: Final = 5.0  # seconds between looks for unfinished lines
_NO_ROOM: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_PAUSE: Final = 0.2  # seconds without accepting, when the process has no descriptor left
_GRACE: Final = 3.0  # seconds that `close` waits for the store
_TELL_AGAIN: Final = 60.0  # seconds between log lines about refused connections


class Listener:
    """One socket source: a stream socket, and a datagram socket beside it.

    `open` makes the sockets (or takes the inherited ones), `run` serves until it is cancelled. `close` waits
    for the answers owed then, as the pipeline commits, and ends it all.
    """

    def __init__(
        self,
        name: str,
        settings: SocketSource,
        intake: Intake,
        clock: Clock,
        *,
        inherited: Sequence[socket.socket] = (),
    ) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._inherited = inherited
        self._counts = Counts()
        lines = Lines(source=name, max_line=settings.max_line, labels=settings.labels)
        self._door = Door(intake=intake, clock=clock, lines=lines, counts=self._counts)
        self._conversations: set[Conversation] = set()
        self._by_uid: Counter[int] = Counter()
        self._stream: BoundSocket | None = None
        self._datagram: BoundSocket | None = None
        self._datagrams: Datagrams | None = None
        self._resume: asyncio.TimerHandle | None = None  # when accepting goes on after a lack of descriptors
        self._idle = asyncio.Event()  # no connection is open
        self._idle.set()
        self._told_at = float("-inf")

    async def open(self) -> None:
        """Make the sockets. Raises SocketInUseError, or OSError naming the path."""
        path = Path(self._settings.socket)
        self._stream = self._bound(path, socket.SOCK_STREAM)
        try:
            self._datagram = self._bound(datagram_path(path), socket.SOCK_DGRAM)
        except BaseException:
            self._stream.close()
            raise

    async def run(self) -> None:
        """Serve until cancelled; then look once more at what has arrived, and read no more."""
        assert self._stream is not None, "open() comes first"
        assert self._datagram is not None, "open() comes first"
        self._datagrams = Datagrams(self._datagram.sock, self._door)
        self._datagrams.start()
        self._start_accepting()
        try:
            while True:
                await self._clock.sleep(_SWEEP)
                for conversation in list(self._conversations):
                    conversation.expire()
        finally:
            self._stop()

    async def close(self) -> None:
        """Close connections, once their answers are out, and sockets; remove the files that `open` made."""
        for conversation in list(self._conversations):
            conversation.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), _GRACE)
        for conversation in list(self._conversations):
            conversation.close()
        for bound in (self._stream, self._datagram):
            if bound is not None:
                bound.close()

    def status(self) -> Json:
        """For `relay status`."""
        counts: Json = msgspec.to_builtins(self._counts)
        return {"socket": self._settings.socket, "connections": len(self._conversations), **counts}

    def _bound(self, path: Path, kind: socket.SocketKind) -> BoundSocket:
        handed_over = socketfile.inherited(path, kind, self._inherited)
        if handed_over is not None:
            return handed_over
        return socketfile.bind(path, kind, int(self._settings.mode, 8), self._settings.group)

    def _stop(self) -> None:
        assert self._stream is not None
        assert self._datagrams is not None
        self._accept()
        self._stop_accepting()
        self._datagrams.read()
        self._datagrams.stop()
        for conversation in list(self._conversations):
            conversation.read()
            conversation.stop()

    def _start_accepting(self) -> None:
        assert self._stream is not None
        self._resume = None
        asyncio.get_running_loop().add_reader(self._stream.sock.fileno(), self._accept)

    def _stop_accepting(self) -> None:
        assert self._stream is not None
        asyncio.get_running_loop().remove_reader(self._stream.sock.fileno())
        if self._resume is not None:
            self._resume.cancel()
            self._resume = None

    def _accept(self) -> None:
        assert self._stream is not None
        for _ in range(_ACCEPTS):
            try:
                sock, _address = self._stream.sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    raise
                self._pause_accepting(error)
                return
            self._admit(sock)

    def _pause_accepting(self, error: OSError) -> None:
        """The writers wait in the backlog; trying at once would spin, since the socket stays readable."""
        self._stop_accepting()
        self._resume = asyncio.get_running_loop().call_later(_PAUSE, self._start_accepting)
        self._tell("accepting_paused", error=error.strerror)

    def _admit(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        writer = peer.of_connection(sock)
        full = self._refusal(writer.uid)
        if full:
            self._counts.refused += 1
            self._tell("connection_refused", error=full, uid=writer.uid, program=writer.name)
            _refuse(sock, full)
            return
        self._counts.accepted += 1
        conversation = Conversation(sock, writer, self._door, self._forget)
        self._conversations.add(conversation)
        self._idle.clear()
        self._by_uid[writer.uid] += 1
        conversation.start()

    def _refusal(self, uid: int) -> str:
        """Why another connection of that user is refused; "" if it isn't."""
        if len(self._conversations) >= self._settings.max_connections:
            return f"too many connections: at most {self._settings.max_connections}"
        if self._by_uid[uid] >= self._settings.max_connections_per_uid:
            return f"too many connections of uid {uid}: at most {self._settings.max_connections_per_uid}"
        return ""

    def _forget(self, conversation: Conversation) -> None:
        self._conversations.discard(conversation)
        if not self._conversations:
            self._idle.set()
        self._by_uid[conversation.peer.uid] -= 1
        if not self._by_uid[conversation.peer.uid]:
            del self._by_uid[conversation.peer.uid]

    def _tell(self, event: str, **fields: object) -> None:
        """Log a lack of room, once in a while."""
        now = self._clock.monotonic()
        if now - self._told_at >= _TELL_AGAIN:
            self._told_at = now
            log.warning(event, source=self._name, connections=len(self._conversations), **fields)


def datagram_path(path: Path) -> Path:
    """The datagram socket beside a stream socket: relay.sock -> relay.dgram."""
    return path.with_suffix(".dgram") if path.suffix == ".sock" else path.with_name(path.name + ".dgram")


def _refuse(sock: socket.socket, why: str) -> None:
    """Say why, as far as the socket takes it at once, and close."""
    with sock:
        try:
            sock.send(msgspec.json.encode(Answer(False, None, why)) + b"\n")
        except OSError:
            return
