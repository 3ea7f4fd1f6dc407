"""`mysql://host:port`: the server greets, and answers a login. It needs no account.

Who reads the greeting and hangs up counts as a broken client: after `max_connect_errors` of them (100) the
server blocks relay's host, and with it every program there. A login that is refused doesn't count.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from typing import Final

from relay.config.check_kinds import place_of
from relay.watchdog.probes.base import heard, in_words
from relay.watchdog.probes.connect import connect
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError, NoRemedyError

_MOST: Final = 4096  # bytes of a packet
_GREETING: Final = b"\x0a"  # Protocol::HandshakeV10
_OK, _ERROR, _MORE = b"\x00", b"\xff", (b"\x01", b"\xfe")  # more: it asks for a password, in its own way
_QUIT: Final = b"\x01"
# Protocol::HandshakeResponse41 without a password, by mysql_native_password. Flags: long password,
# protocol 4.1, secure connection, plugin auth. An account of this name, best a locked one, spares the log.
_LOGIN: Final = struct.pack("<IIB23x", 0x88201, 1 << 24, 33) + b"relay_watchdog\0\0mysql_native_password\0"
# Too many connections, out of memory, shutting down, no thread, too many of this user's. All other errors
# come from a server that works, and doesn't want relay.
_NOT_SERVING: Final = frozenset({1040, 1041, 1053, 1135, 1203})
_BLOCKED: Final = 1129  # this host, by what broke off from here; a restart would be the wrong cure


class MysqlProbe:
    """Logs in as nobody whom the server needs to know."""

    def __init__(self, url: str) -> None:
        self.target = url
        self._host, self._port = place_of(url)

    async def look(self, tools: Tools) -> str:
        """As in `Probe`."""
        with await connect(tools, self._host, self._port) as sock:
            try:
                return _judge(await _log_in(sock))
            except OSError as error:
                raise FailedError(f"takes connections, but: {in_words(error)}") from None


def _judge(said: bytes) -> str:
    code = int.from_bytes(said[1:3], "little") if said.startswith(_ERROR) else 0
    if code == _BLOCKED:
        raise NoRemedyError(heard(said[3:]))
    if code in _NOT_SERVING:
        raise FailedError(f"takes connections, but says {heard(re.sub(rb'^#.{5}', b'', said[3:]))!r}")
    return "answers"


async def _log_in(sock: socket.socket) -> bytes:
    """What the server says at the end."""
    loop = asyncio.get_running_loop()
    said, answer = await _packet(sock, 0), _LOGIN
    if said.startswith(_ERROR):
        return said
    if not said.startswith(_GREETING):
        raise FailedError(f"takes connections, but says {heard(said)!r}")
    for number in (1, 3, 5):
        await loop.sock_sendall(sock, _framed(number, answer))
        said, answer = await _packet(sock, number + 1), b""
        if not said.startswith(_MORE):
            break
    if said.startswith(_OK):
        await loop.sock_sendall(sock, _framed(0, _QUIT))
    return said


async def _packet(sock: socket.socket, number: int) -> bytes:
    head = await _exactly(sock, 4)
    size = int.from_bytes(head[:3], "little")
    if head[3] != number or not 0 < size <= _MOST:
        raise FailedError(f"takes connections, but says {heard(head)!r}")
    return await _exactly(sock, size)


async def _exactly(sock: socket.socket, size: int) -> bytes:
    said = b""
    while len(said) < size:
        data = await asyncio.get_running_loop().sock_recv(sock, size - len(said))
        if not data:
            raise FailedError("takes connections, but hangs up")
        said += data
    return said


def _framed(number: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "little") + bytes((number,)) + body
