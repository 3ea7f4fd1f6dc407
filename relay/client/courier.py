"""A thread that brings lines to relay: kept until relay has them, spooled while it can't be reached."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Final

from relay.client.spool import Spool
from relay.client.wire import Link, RelayUnavailable, encode_line

_BATCH: Final = 256  # lines sent before their answers are read
_FIRST_RETRY: Final = 0.2  # seconds until relay is tried again, doubled each time
_LAST_RETRY: Final = 5.0

_couriers: weakref.WeakSet[Courier] = weakref.WeakSet()


class Courier:
    """Takes lines from any thread without waiting for relay.

    A line leaves memory when relay has answered for it, or when it is in the spool. Lines carry ids, so one
    that is sent twice is stored once.
    """

    def __init__(self, path: str, spool: Spool, *, most: int, timeout: float) -> None:
        self._path = path
        self._spool = spool
        self._most = most  # lines in memory
        self._timeout = timeout
        self._reset()
        _couriers.add(self)
        if spool.waiting():  # an earlier process left something
            self._start()

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[bytes] = deque()
        self._sending: list[bytes] = []  # taken from the queue, not answered
        self._thread: threading.Thread | None = None
        self._closing = False
        self._link: Link | None = None
        self._retry_at = 0.0  # monotonic; relay isn't tried before
        self._retry_after = _FIRST_RETRY
        self._lost = 0  # lines that neither relay nor the spool took
        self._refused = 0  # lines that relay found something wrong with
        self._refusal = ""  # its latest reason

    def put(self, line: bytes) -> None:
        """Take a line; with the queue full it goes to the spool at once."""
        with self._changed:
            if not self._closing and len(self._queue) < self._most:
                self._queue.append(line)
                if self._thread is None:
                    self._start()
                self._changed.notify_all()
                return
        self._keep([line])

    def flush(self, timeout: float) -> bool:
        """Wait until relay or the spool has every line; False if that took too long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._sending, timeout)

    def close(self, timeout: float) -> None:
        """Bring what can be brought in that time; the rest goes to the spool."""
        self.flush(timeout)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            left = [*self._sending, *self._queue]
            self._queue.clear()
        self._keep(left)

    def after_fork(self) -> None:
        """In a child: what waits is the parent's to send, the connection and the thread too."""
        link = self._link
        self._reset()
        if link is not None:
            link.close()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="relay-courier", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while self._wait():
            if not self._connect():
                self._keep(self._take(self._most))
                self._settled()
                continue
            try:
                self._empty_spool()
                self._deliver(self._take(_BATCH))
                self._settled()
                self._report()
            except RelayUnavailable:
                self._disconnect()
                self._keep(self._sending)
            self._settled()
        self._disconnect()

    def _wait(self) -> bool:
        """Until there is something to do; False when closing."""
        with self._changed:
            while not self._queue and not self._closing:
                pause = None
                if self._spool.waiting() or self._lost:
                    pause = self._retry_at - time.monotonic()
                    if pause <= 0:
                        break
                self._changed.wait(pause)
            return not self._closing

    def _take(self, most: int) -> list[bytes]:
        with self._changed:
            self._sending = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
            return self._sending

    def _settled(self) -> None:
        with self._changed:
            self._sending = []
            self._changed.notify_all()

    def _connect(self) -> bool:
        if self._link is not None:
            return True
        if time.monotonic() < self._retry_at:
            return False
        try:
            self._link = Link(self._path, self._timeout)
        except RelayUnavailable:
            self._disconnect()
            return False
        return True

    def _disconnect(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
        self._retry_at = time.monotonic() + self._retry_after
        self._retry_after = min(self._retry_after * 2, _LAST_RETRY)

    def _deliver(self, lines: Sequence[bytes]) -> None:
        """Send lines and read an answer for each. Raises RelayUnavailable."""
        if not lines:
            return
        assert self._link is not None
        self._link.renew()
        self._link.write(b"".join(lines))
        for _ in lines:
            answer = self._link.answer()
            if answer.retry:
                raise RelayUnavailable(answer.error)
            if not answer.ok:
                self._refused += 1
                self._refusal = answer.error
        self._retry_after = _FIRST_RETRY

    def _empty_spool(self) -> None:
        """Send what waits there, if no other process is doing so."""
        try:
            if not self._spool.waiting():
                return
            self._retry_at = time.monotonic() + _LAST_RETRY  # if another process has its turn
            with self._spool.turn() as ours:
                while ours and (waiting := self._spool.peek()).size:
                    for start in range(0, len(waiting.lines), _BATCH):
                        self._deliver(waiting.lines[start : start + _BATCH])
                    self._spool.drop(waiting.size)
                if ours and (lost := self._spool.lost()):
                    self._tell(f"{lost} log lines were lost: the spool {self._spool.path} was full")
                    self._spool.told(lost)
        except RelayUnavailable:
            raise
        except OSError:
            return  # the file can't be used; what is new still goes out

    def _report(self) -> None:
        """Tell relay what was lost on the way to it."""
        if self._lost:
            lost = self._lost
            self._tell(
                f"{lost} log lines were lost: relay and the spool {self._spool.path} were out of reach"
            )
            self._lost -= lost
        if self._refused:
            count, self._refused = self._refused, 0
            self._tell(f"relay refused {count} log lines: {self._refusal}")
            self._refused = 0  # a refused report isn't reported again

    def _tell(self, message: str) -> None:
        self._deliver(
            [encode_line(message, module="relay.client", time=time.time(), id=os.urandom(12).hex())]
        )

    def _keep(self, lines: Sequence[bytes]) -> None:
        """To the spool; a line it can't take is counted, and reported once relay is back."""
        if not lines:
            return
        try:
            self._spool.add(lines)
        except OSError:
            self._lost += len(lines)


def _after_fork() -> None:
    for courier in list(_couriers):
        courier.after_fork()


os.register_at_fork(after_in_child=_after_fork)
