"""The client's side of the socket: one JSON line an event, one answer line for each that carries an id."""

from __future__ import annotations

import json
import os
import socket
import time as clock
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

DEFAULT_SOCKET: Final = "/run/relay/relay.sock"
MAX_LINE: Final = 256 * 1024  # bytes: relay's own default limit
_MARK: Final = " … [cut]"
_PAUSE: Final = 0.01  # seconds between tries while relay's backlog is full


class RelayUnavailable(ConnectionError):  # noqa: N818 - a state of relay, not a fault of the caller
    """Relay can't be reached, gave no answer in time, or could not store the event: send it again later."""


class RelayRefused(ValueError):  # noqa: N818 - as above
    """Relay's answer says what is wrong with the event."""


class Answer(NamedTuple):
    """What relay says about one line."""

    ok: bool
    error: str
    retry: bool


def socket_of(path: str | None) -> str:
    """The socket to write to."""
    return path or os.environ.get("RELAY_SOCKET") or DEFAULT_SOCKET


def encode_line(
    message: str,
    *,
    module: str = "",
    level: str = "error",
    labels: Mapping[str, object] | None = None,
    time: float | None = None,
    id: str | None = None,  # noqa: A002 - the name on the wire
) -> bytes:
    """One event as a line; a message that would make it too long is cut and marked."""
    members: dict[str, Any] = {"message": message, "level": level}
    optional = {"module": module or None, "labels": dict(labels) if labels else None, "time": time, "id": id}
    members |= {name: value for name, value in optional.items() if value is not None}
    line = _dump(members)
    while len(line) > MAX_LINE and len(message) > len(_MARK):
        message = message[: len(message) * 3 // 4]
        line = _dump(members | {"message": message + _MARK})
    return line


def _dump(members: Mapping[str, Any]) -> bytes:
    text = json.dumps(members, ensure_ascii=False, separators=(",", ":"), default=str)
    return text.encode("utf-8", "replace") + b"\n"


class Link:
    """A connection to relay. Any OSError becomes RelayUnavailable; `timeout` is for all of it."""

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._deadline = clock.monotonic() + timeout
        self._received = bytearray()
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._connect()
        except OSError as error:
            self._sock.close()
            raise self._unavailable(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go."""
        self._sock.close()

    def renew(self) -> None:
        """Start the timeout again."""
        self._deadline = clock.monotonic() + self._timeout

    def write(self, data: bytes) -> None:
        """Send lines."""
        try:
            self._sock.settimeout(self._left())
            self._sock.sendall(data)
        except OSError as error:
            raise self._unavailable(error) from error

    def answer(self) -> Answer:
        """The next answer."""
        while (end := self._received.find(b"\n")) < 0:
            try:
                self._sock.settimeout(self._left())
                chunk = self._sock.recv(65536)
            except OSError as error:
                raise self._unavailable(error) from error
            if not chunk:
                raise RelayUnavailable(f"relay at {self._path} closed the connection before it answered")
            self._received += chunk
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        try:
            said = json.loads(line)
            return Answer(bool(said["ok"]), str(said.get("error", "")), bool(said.get("retry")))
        except (ValueError, LookupError, TypeError) as error:
            raise RelayUnavailable(f"what answers at {self._path} is not relay") from error

    def _connect(self) -> None:
        while True:
            self._sock.settimeout(self._left())
            try:
                self._sock.connect(self._path)
            except BlockingIOError:  # relay's backlog is full
                clock.sleep(_PAUSE)
            else:
                return

    def _left(self) -> float:
        left = self._deadline - clock.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        return left

    def _unavailable(self, error: OSError) -> RelayUnavailable:
        return RelayUnavailable(f"can't reach relay at {self._path}: {error.strerror or error}")
