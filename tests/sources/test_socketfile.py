"""Socket files are private from the start, and never taken from a live process."""

from __future__ import annotations

import errno
import grp
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.sources import socketfile
from relay.sources.socketfile import BoundSocket, SocketInUseError, bind, inherited

STREAM = socket.SOCK_STREAM
OWN_GROUP = grp.getgrgid(os.getegid()).gr_name


@pytest.fixture
def bound() -> Iterator[list[BoundSocket]]:
    sockets: list[BoundSocket] = []
    yield sockets
    for each in sockets:
        each.close()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_with_its_folder(tmp_path: Path, bound: list[BoundSocket]) -> None:
    path = tmp_path / "a" / "run" / "relay.sock"
    bound.append(bind(path, STREAM, 0o660, OWN_GROUP))
    assert mode_of(path) == 0o660
    assert mode_of(path.parent) == 0o750
    bound[0].close()
    assert not path.exists()


@pytest.mark.parametrize("umask", [0, 0o77])
def test_it_is_never_open_to_others(tmp_path: Path, bound: list[BoundSocket], umask: int) -> None:
    path = tmp_path / "relay.sock"
    modes: set[int] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            try:
                modes.add(mode_of(path))
            except FileNotFoundError:
                continue

    watcher = threading.Thread(target=look)
    before = os.umask(umask)
    watcher.start()
    try:
        for _ in range(50):
            bind(path, STREAM, 0o660, OWN_GROUP).close()
        bound.append(bind(path, STREAM, 0o660, OWN_GROUP))
    finally:
        os.umask(before)
        while 0o660 not in modes:
            pass
        stop.set()
        watcher.join()
    assert modes <= {0o600 & ~umask, 0o600, 0o660}


def test_its_mode_at_bind_is_private(
    tmp_path: Path, bound: list[BoundSocket], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    give = socketfile._give_to_group

    def look(path: Path, group: str) -> None:
        seen.append(mode_of(path))
        give(path, group)

    monkeypatch.setattr(socketfile, "_give_to_group", look)
    before = os.umask(0)
    try:
        bound.append(bind(tmp_path / "relay.sock", STREAM, 0o666, ""))
    finally:
        os.umask(before)
    assert seen == [0o600]


def test_a_stale_file_is_replaced(tmp_path: Path, bound: list[BoundSocket]) -> None:
    path = tmp_path / "relay.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    bound.append(bind(path, STREAM, 0o660, ""))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_live_one_is_refused_and_left_alone(
    tmp_path: Path, bound: list[BoundSocket], kind: socket.SocketKind
) -> None:
    path = tmp_path / "relay.sock"
    bound.append(bind(path, kind, 0o660, ""))
    before = path.stat()
    with pytest.raises(SocketInUseError, match="another process"):
        bind(path, kind, 0o660, "")
    assert path.stat() == before


def test_a_live_one_with_a_full_backlog_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "relay.sock"
    with socket.socket(socket.AF_UNIX) as live, socket.socket(socket.AF_UNIX) as first:
        live.bind(str(path))
        live.listen(0)
        first.connect(str(path))
        with pytest.raises(SocketInUseError):
            bind(path, STREAM, 0o660, "")


def test_another_file_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "relay.sock"
    path.write_text("precious")
    with pytest.raises(SocketInUseError, match="no socket"):
        bind(path, STREAM, 0o660, "")
    assert path.read_text() == "precious"


def test_only_our_own_file_is_removed(tmp_path: Path, bound: list[BoundSocket]) -> None:
    path = tmp_path / "relay.sock"
    old = bind(path, STREAM, 0o660, "")
    path.unlink()
    bound.append(bind(path, STREAM, 0o660, ""))
    old.close()
    assert path.exists()


def test_a_path_that_is_too_long_is_named(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 120)
    with pytest.raises(OSError, match="can't make the socket") as caught:
        bind(path, STREAM, 0o660, "")
    assert caught.value.filename == str(path)


def test_a_folder_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "fchmod", refuse)
    with pytest.raises(PermissionError, match=r"relay\.sock"):
        bind(tmp_path / "relay.sock", STREAM, 0o660, "")


def test_an_unknown_group_stops_nothing(tmp_path: Path, bound: list[BoundSocket]) -> None:
    bound.append(bind(tmp_path / "relay.sock", STREAM, 0o660, "no-such-group"))
    assert mode_of(tmp_path / "relay.sock") == 0o660


def test_an_inherited_socket_is_used_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "relay.sock"
    with socket.socket(socket.AF_UNIX) as given:
        given.bind(str(path))
        given.listen()
        assert inherited(tmp_path / "other.sock", STREAM, [given]) is None
        assert inherited(path, socket.SOCK_DGRAM, [given]) is None
        found = inherited(path, STREAM, [given])
        assert found is not None
        assert found.sock is given
        found.close()
        assert path.exists()
        assert given.fileno() >= 0
