"""Who writes to a socket, as the kernel says: SO_PEERCRED and SCM_CREDENTIALS of unix(7), /proc/PID/comm."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Final

from msgspec import Struct

from relay.text import one_line

CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: pid, uid, gid


class Peer(Struct, frozen=True, gc=False):
    """Who writes: no payload can change it."""

    uid: int
    name: str  # of the process; "" if it was gone before relay could look
    program: str  # "uid/name": an event's id is unique within it
    origin: str  # "pid 12 uid 1000 gid 1000 name"

    @classmethod
    def of(cls, pid: int, uid: int, gid: int, name: str) -> Peer:
        """The peer with these credentials and that process name."""
        return cls(uid, name, f"{uid}/{name}", f"pid {pid} uid {uid} gid {gid} {name}".rstrip())


def of_connection(sock: socket.socket) -> Peer:
    """The process that connected."""
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    pid, uid, gid = CREDENTIALS.unpack(credentials)
    return Peer.of(pid, uid, gid, process_name(pid))


def of_datagram(ancillary: list[tuple[int, int, bytes]], names: dict[int, str]) -> Peer:
    """The process that sent a datagram; `names` remembers process names from one to the next."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            pid, uid, gid = CREDENTIALS.unpack(data[: CREDENTIALS.size])
            if pid not in names:
                names[pid] = process_name(pid)
            return Peer.of(pid, uid, gid, names[pid])
    return Peer.of(0, -1, -1, "")


def process_name(pid: int) -> str:
    """The name of a running process; "" if it is gone or hidden."""
    try:
        return one_line(Path(f"/proc/{pid}/comm").read_bytes().decode("utf-8", "replace"), 16).strip()
    except OSError:
        return ""
