"""The control socket: how the commands reach the running daemon. Its permissions are its access control.

One JSON object a line in, one out: `{"do": "status"}` -> `{"ok": true, "data": {...}}` or
`{"ok": false, "error": "..."}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from relay.errors import RelayError
from relay.models import Json

log = structlog.get_logger()

MOST_BYTES: Final = 1024 * 1024  # of one request
IDLE: Final = 60.0  # seconds a connection may say nothing

Verb = Callable[[Json], Awaitable[Any]]


_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid


def user_of(sock: socket.socket) -> str:
    """The name of the user at the other end, as the kernel says; no request can change it."""
    _, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


class Control:
    """Serves `verbs` on a Unix socket of mode 0660."""

    def __init__(self, path: str, verbs: Mapping[str, Verb]) -> None:
        self._path = Path(path)
        self._verbs = verbs
        self._inode = 0

    async def run(self) -> None:
        """Serve until cancelled."""
        server = await asyncio.start_unix_server(self._serve, sock=self._bind(), limit=MOST_BYTES)
        try:
            await server.serve_forever()
        finally:
            server.close()
            with contextlib.suppress(OSError):
                if self._path.stat().st_ino == self._inode:
                    self._path.unlink()

    def _bind(self) -> socket.socket:
        self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)  # the store's lock says that no other relay is alive
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        umask = os.umask(0o117)
        try:
            sock.bind(str(self._path))
        except OSError as error:
            raise RelayError(f"control socket {self._path}: {error.strerror}") from None
        finally:
            os.umask(umask)
        self._inode = self._path.stat().st_ino
        return sock

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = user_of(writer.get_extra_info("socket"))
        try:
            async with asyncio.timeout(None) as idle:
                while True:
                    idle.reschedule(asyncio.get_running_loop().time() + IDLE)
                    line = await reader.readline()
                    if not line:
                        break
                    idle.reschedule(None)
                    writer.write(msgspec.json.encode(await self._answer(line, peer), enc_hook=str) + b"\n")
                    await writer.drain()
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            pass  # the command went away, or never was one
        finally:
            writer.close()

    async def _answer(self, line: bytes, peer: str) -> Json:
        try:
            request = {**msgspec.json.decode(line, type=dict[str, Any]), "peer": peer}
            verb = self._verbs.get(str(request.get("do")))
            if verb is None:
                return {"ok": False, "error": f"unknown request; known: {', '.join(sorted(self._verbs))}"}
            return {"ok": True, "data": await verb(request)}
        except RelayError as error:
            return {"ok": False, "error": str(error)}
        except msgspec.MsgspecError as error:
            return {"ok": False, "error": f"not a request: {error}"}
        except (KeyError, TypeError, ValueError) as error:
            return {"ok": False, "error": f"bad request: {type(error).__name__}: {error}"}
