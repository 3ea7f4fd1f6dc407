"""`unix:///path`: something takes connections, or datagrams, at a Unix socket."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Final

from relay.watchdog.probes.base import refused
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError

_KINDS: Final = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET)


class UnixProbe:
    """Connects, and hangs up."""

    def __init__(self, url: str) -> None:
        self.target = url
        self._path = url.removeprefix("unix://")

    async def look(self, tools: Tools) -> str:
        """As in `Probe`."""
        del tools
        error: OSError | None = None
        for kind in _KINDS:
            try:
                await self._connect(kind)
            except OSError as refusal:
                error = refusal
                if error.errno != errno.EPROTOTYPE:  # it is a socket of another kind
                    break
            else:
                return "takes connections"
        assert error is not None
        raise refused(error)

    async def _connect(self, kind: socket.SocketKind) -> None:
        with socket.socket(socket.AF_UNIX, kind) as sock:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, self._path)
            try:
                sock.getpeername()
            except OSError:  # unix(7): EAGAIN, which asyncio takes for a connection on its way
                raise FailedError("its queue of connections is full") from None
