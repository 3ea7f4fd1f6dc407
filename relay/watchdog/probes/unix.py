"""`unix:///path`: something takes a connection, or a datagram, at a Unix socket."""

from __future__ import annotations

import asyncio
import errno
import socket

from relay.watchdog.probes.base import in_words
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError, UnknownError


class UnixProbe:
    """Connects, and hangs up."""

    def __init__(self, url: str) -> None:
        self.target = url
        self._path = url.removeprefix("unix://")

    async def look(self, tools: Tools) -> str:
        """As in `Probe`."""
        del tools
        try:
            await self._connect(socket.SOCK_STREAM)
        except OSError as error:
            if error.errno != errno.EPROTOTYPE:
                raise _named(error) from None
            try:
                await self._connect(socket.SOCK_DGRAM)
            except OSError as again:
                raise _named(again) from None
        return "takes connections"

    async def _connect(self, kind: socket.SocketKind) -> None:
        with socket.socket(socket.AF_UNIX, kind) as sock:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, self._path)


def _named(error: OSError) -> FailedError | UnknownError:
    if error.errno in {errno.EACCES, errno.EPERM}:
        return UnknownError("relay may not connect there")
    if error.errno == errno.EAGAIN:
        return FailedError("its queue of connections is full")
    return FailedError(in_words(error))
