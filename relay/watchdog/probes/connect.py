"""A TCP connection to the first address that takes one."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Sequence
from typing import Final

from relay.watchdog.names import Place
from relay.watchdog.patience import patience
from relay.watchdog.probes.base import refused
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import UnknownError

# This host has no such kind of address, or no way there: what another address says counts for more.
_NO_WAY: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.ENETUNREACH})


async def connect(tools: Tools, host: str, port: int) -> socket.socket:
    """A connected socket, not blocking; `FailedError` if no address takes a connection."""
    errors: list[OSError] = []
    places = await tools.names.places(host, port)
    for left, place in zip(range(len(places), 0, -1), places, strict=True):
        try:
            if left == 1:
                return await _connected(place)
            async with patience(1 / left):  # one that is silent must not take the others' time
                return await _connected(place)
        except TimeoutError:
            errors.append(TimeoutError(errno.ETIMEDOUT, "silent"))
        except OSError as error:
            errors.append(error)
    raise _verdict(errors)


def _verdict(errors: Sequence[OSError]) -> Exception:
    reasons = [refused(error) for error in errors if error.errno not in _NO_WAY]
    unsure = [reason for reason in reasons if isinstance(reason, UnknownError)]
    return (unsure or reasons or [refused(errors[0])])[0]


async def _connected(place: Place) -> socket.socket:
    family, address = place
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
