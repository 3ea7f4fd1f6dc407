"""`smtp:// redis:// postgres:// mysql:// ssh://`: the service speaks, where a bare connect proves nothing.

A backlog takes connections though the program behind it hangs; these wait for its first words.
"""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Final

from msgspec import Struct

from relay.config.check_kinds import place_of
from relay.watchdog.probes.base import in_words, shown
from relay.watchdog.probes.connect import connect
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError

_MOST: Final = 1024  # bytes


class Greeting(Struct, frozen=True):
    """What to say first, what a healthy service answers, and what to say at the end."""

    ask: bytes
    good: re.Pattern[bytes]
    enough: int  # bytes after which the answer can be judged
    bye: bytes = b""
    is_one_line: bool = True  # its end is enough too


GREETINGS: Final[dict[str, Greeting]] = {
    # RFC 5321, 4.2: 220 ready; 421 and 554 refuse service.
    "smtp": Greeting(b"", re.compile(rb"220[ -]"), _MOST, b"QUIT\r\n"),
    # Not an error of loading, or of a master that is down; NOAUTH: it works, and asks who we are.
    "redis": Greeting(b"PING\r\n", re.compile(rb"\+PONG|-NOAUTH|-NOPERM|-DENIED"), _MOST),
    # SSLRequest: one byte, S or N, from a server that serves (protocol-message-formats).
    "postgres": Greeting(b"\x00\x00\x00\x08\x04\xd2\x16\x2f", re.compile(rb"[SN]"), 1),
    # Protocol::Handshake: length, sequence 0, version 10; an ERR packet (0xff): too many connections ...
    # 1129 and 1130: it works, and doesn't want to talk to this host.
    "mysql": Greeting(
        b"", re.compile(rb"...\x00(?:\x0a|\xff[\x69\x6a]\x04)", re.DOTALL), 7, is_one_line=False
    ),
    # RFC 4253, 4.2; lines before it are allowed.
    "ssh": Greeting(b"", re.compile(rb"(?:.*\n)*SSH-[12]\.", re.DOTALL), _MOST, is_one_line=False),
}


class GreetingProbe:
    """Connects, says hello if the protocol wants it, and reads the first words."""

    def __init__(self, url: str) -> None:
        self.target = url
        self._host, self._port = place_of(url)
        self._greeting = GREETINGS[url.partition("://")[0]]

    async def look(self, tools: Tools) -> str:
        """As in `Probe`."""
        with await connect(tools, self._host, self._port) as sock:
            try:
                said = await self._talk(sock)
            except OSError as error:
                raise FailedError(f"takes connections, but: {in_words(error)}") from None
        if not said:
            raise FailedError("takes connections, but hangs up without a word")
        if not self._greeting.good.match(said):
            raise FailedError(f"takes connections, but says {shown(_printable(said))!r}")
        return "answers"

    async def _talk(self, sock: socket.socket) -> bytes:
        loop = asyncio.get_running_loop()
        greeting = self._greeting
        if greeting.ask:
            await loop.sock_sendall(sock, greeting.ask)
        said = b""
        while len(said) < greeting.enough and not greeting.good.match(said):
            if b"\n" in said and greeting.is_one_line:
                break
            data = await loop.sock_recv(sock, _MOST)
            if not data:
                break
            said += data
        if greeting.bye:
            await loop.sock_sendall(sock, greeting.bye)
        return said


def _printable(said: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else " " for byte in said[:200])
