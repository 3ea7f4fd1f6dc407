"""A relay as its clients see it: a thread that takes lines and answers them; it can die and come back."""

from __future__ import annotations

import json
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Answering = Callable[[dict[str, Any]], dict[str, Any] | None]


def accept(line: dict[str, Any]) -> dict[str, Any]:
    return {"ok": True, "id": line["id"]}


class FakeRelay:
    """Keeps what it acknowledged in `stored`, an id once, and every line that came in `seen`."""

    def __init__(self, path: Path, answer: Answering = accept) -> None:
        self.path = path
        self.answer = answer
        self.seen: list[dict[str, Any]] = []
        self.stored: dict[str, dict[str, Any]] = {}
        self._thread: threading.Thread | None = None
        self._stop, self._stopped = socket.socketpair()

    def start(self) -> None:
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen()
        self._thread = threading.Thread(target=self._serve, args=(listener,))
        self._thread.start()

    def kill(self) -> None:
        """Drop the socket and every connection."""
        if self._thread is not None:
            self._stop.send(b"x")
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        self.kill()
        self._stop.close()
        self._stopped.close()

    def messages(self, count: int) -> list[str]:
        """Wait until so many are stored; their messages in order."""
        until = time.monotonic() + 10
        while len(self.stored) < count and time.monotonic() < until:
            time.sleep(0.002)
        return [line["message"] for line in list(self.stored.values())]

    def _serve(self, listener: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(self._stopped, selectors.EVENT_READ)
            buffers: dict[socket.socket, bytearray] = {}
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._stopped in ready:
                    break
                for sock in ready:
                    assert isinstance(sock, socket.socket)
                    if sock is listener:
                        accepted = listener.accept()[0]
                        selector.register(accepted, selectors.EVENT_READ)
                        buffers[accepted] = bytearray()
                    elif not self._talk(sock, buffers[sock]):
                        selector.unregister(sock)
                        buffers.pop(sock)
                        sock.close()
            self._stopped.recv(1)
            for sock in [listener, *buffers]:
                sock.close()

    def _talk(self, sock: socket.socket, buffer: bytearray) -> bool:
        try:
            data = sock.recv(65536)
            buffer += data
            while (end := buffer.find(b"\n")) >= 0:
                line = bytes(buffer[:end])
                del buffer[: end + 1]
                self._take(sock, line)
        except OSError:
            return False
        return bool(data)

    def _take(self, sock: socket.socket, line: bytes) -> None:
        try:
            members = json.loads(line)
        except ValueError:
            sock.sendall(b'{"ok":false,"id":null,"error":"not a JSON object"}\n')
            return
        self.seen.append(members)
        answer = self.answer(members)
        if answer is None:
            return
        if answer["ok"]:
            self.stored.setdefault(members["id"], members)
        if members.get("id") is not None:
            sock.sendall(json.dumps(answer).encode() + b"\n")


@contextmanager
def fake_relay(folder: Path, answer: Answering = accept, *, up: bool = True) -> Iterator[FakeRelay]:
    relay = FakeRelay(folder / "relay.sock", answer)
    if up:
        relay.start()
    try:
        yield relay
    finally:
        relay.close()
