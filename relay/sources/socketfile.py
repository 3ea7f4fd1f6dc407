"""Socket files: made so that nobody else can connect for an instant, never taken from a live process."""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog
from msgspec import Struct

from relay.errors import RelayError

log = structlog.get_logger()

_BACKLOG: Final = 1024  # connections waiting while the loop is busy
_DEFAULT_GROUP: Final = "relay"


class SocketInUseError(RelayError):
    """Another process serves that path, or something that is no socket stands there."""


class BoundSocket(Struct, frozen=True):
    """A socket and its file."""

    sock: socket.socket
    path: Path
    identity: tuple[int, int] | None  # device and inode; None: handed over to us, and not ours to close

    def close(self) -> None:
        """Close it, and remove its file if that is still the one we made."""
        if self.identity is None:
            return
        self.sock.close()
        try:
            if _identity(self.path) == self.identity:
                self.path.unlink()
        except OSError:
            return  # gone already, or no longer ours to remove


def inherited(path: Path, kind: socket.SocketKind, sockets: Sequence[socket.socket]) -> BoundSocket | None:
    """The socket of that path and kind among those that systemd handed over."""
    for sock in sockets:
        of_kind = sock.family == socket.AF_UNIX and sock.type == kind
        if of_kind and os.path.realpath(sock.getsockname()) == os.path.realpath(path):
            sock.setblocking(False)
            return BoundSocket(sock, path, None)
    return None


def bind(path: Path, kind: socket.SocketKind, mode: int, group: str) -> BoundSocket:
    """Make the socket file and listen on it.

    A file that a dead process left behind is replaced. Raises SocketInUseError, or OSError with the path.
    """
    _make_folder(path.parent, group)
    sock = socket.socket(socket.AF_UNIX, kind | socket.SOCK_NONBLOCK)
    try:
        with _locked(path.parent):
            _remove_stale(path, kind)
            # Linux gives the file the mode of the socket's own inode, so it is private from the start without
            # touching the umask, which the whole process shares.
            os.fchmod(sock.fileno(), 0o600)
            sock.bind(os.fspath(path))
        _give_to_group(path, group)
        path.chmod(mode)
        if kind == socket.SOCK_STREAM:
            sock.listen(_BACKLOG)
        return BoundSocket(sock, path, _identity(path))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"can't make the socket: {error.strerror or error}", str(path)) from error
    except RelayError:
        sock.close()
        raise


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _make_folder(folder: Path, group: str) -> None:
    """A missing folder is made for the owner and the group only."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    _give_to_group(folder, group)
    folder.chmod(0o750)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two daemons starting at once look and bind one after the other."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _remove_stale(path: Path, kind: socket.SocketKind) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise SocketInUseError(f"{path} is there and is no socket: remove it, or name another path")
    with socket.socket(socket.AF_UNIX, kind | socket.SOCK_NONBLOCK) as probe:
        if probe.connect_ex(os.fspath(path)) != errno.ECONNREFUSED:
            raise SocketInUseError(f"another process serves {path}: is relay running already?")
    path.unlink()
    log.info("stale_socket_removed", path=str(path))


def _give_to_group(path: Path, group: str) -> None:
    """To `group`; without one to the group `relay`, where that exists."""
    try:
        number = grp.getgrnam(group or _DEFAULT_GROUP).gr_gid
        if path.lstat().st_gid != number:
            os.chown(path, -1, number, follow_symlinks=False)
    except KeyError:
        if group:
            log.warning("socket_group_unknown", path=str(path), group=group)
    except PermissionError:
        log.warning("socket_group_not_set", path=str(path), group=group or _DEFAULT_GROUP)
