"""A TCP connection to the first address that takes one."""

from __future__ import annotations

import asyncio
import socket

from relay.watchdog.names import Place
from relay.watchdog.probes.base import in_words
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError, UnknownError


async def connect(tools: Tools, host: str, port: int) -> socket.socket:
    """A connected socket, not blocking; `FailedError` if no address takes a connection."""
    refused: list[OSError] = []
    for place in await tools.names.places(host, port):
        try:
            return await _connected(place)
        except OSError as error:
            refused.append(error)
    said = [error for error in refused if not isinstance(error, _NoFamilyError)]
    raise FailedError(in_words((said or refused)[0]))


class _NoFamilyError(OSError):
    """This host has no such kind of address."""


async def _connected(place: Place) -> socket.socket:
    family, address = place
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno in {23, 24}:  # ENFILE, EMFILE: relay's own lack, not the target's
            raise UnknownError(f"relay can't open a socket: {in_words(error)}") from None
        raise _NoFamilyError(error.errno, error.strerror) from None
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
