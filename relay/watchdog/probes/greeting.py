"""`smtp:// redis:// postgres:// ssh://`: the service speaks, where a bare connect proves nothing.

A backlog takes connections though the program behind it hangs; these wait for its first words.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from typing import Final

from msgspec import Struct

from relay.config.check_kinds import place_of
from relay.watchdog.probes.base import heard, in_words
from relay.watchdog.probes.connect import connect
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError

_MOST: Final = 1024  # bytes


_LINE: Final = re.compile(rb"[^\n]*\n")


class Greeting(Struct, frozen=True):
    """What to say first, what a healthy service answers, and what to say at the end."""

    ask: bytes
    good: re.Pattern[bytes]
    whole: re.Pattern[bytes] = _LINE  # an answer that can be judged though it isn't good
    bye: bytes = b""


GREETINGS: Final[dict[str, Greeting]] = {
    # RFC 5321, 4.2: 220 ready; 421 and 554 refuse service.
    "smtp": Greeting(b"", re.compile(rb"220[ -]"), bye=b"QUIT\r\n"),
    # Not an error of loading, or of a master that is down; NOAUTH: it works, and asks who we are.
    "redis": Greeting(b"PING\r\n", re.compile(rb"\+PONG|-NOAUTH|-NOPERM|-DENIED")),
    # StartupMessage, as pg_isready sends it. R: it asks who we are, or doesn't care. An E other than 53 (too
    # many clients) and 57P (starting up, shutting down, recovering): it works, and refuses `postgres`.
    "postgres": Greeting(
        b"\x00\x00\x00\x29\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00\x00",
        re.compile(rb"R|E.{4}(?:[^C\x00][^\x00]*\x00)*C(?!53|57P)[0-9A-Z]{5}\x00", re.DOTALL),
        re.compile(rb"[^RE]|E.{4}.*\x00\x00", re.DOTALL),
    ),
    # RFC 4253, 4.2; lines before it are allowed. sshd logs an error of who hangs up without a name.
    "ssh": Greeting(
        b"",
        re.compile(rb"(?:.*\n)*SSH-[12]\.", re.DOTALL),
        re.compile(rb"HTTP/"),
        bye=b"SSH-2.0-relay\r\n",
    ),
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
            raise FailedError(f"takes connections, but says {heard(said)!r}")
        return "answers"

    async def _talk(self, sock: socket.socket) -> bytes:
        loop = asyncio.get_running_loop()
        greeting = self._greeting
        if greeting.ask:
            await loop.sock_sendall(sock, greeting.ask)
        said = b""
        while len(said) < _MOST and not (greeting.good.match(said) or greeting.whole.match(said)):
            data = await loop.sock_recv(sock, _MOST)
            if not data:
                break
            said += data
        if greeting.bye:
            with contextlib.suppress(OSError):  # who refuses service may have hung up already
                await loop.sock_sendall(sock, greeting.bye)
        return said
