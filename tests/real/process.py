"""A server as a process of its own: started, waited for, ended by its id."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

START = 60.0  # seconds until a server must answer; Synapse takes 4 on an idle machine
END = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def folder(owner: str = "") -> Iterator[Path]:
    """A temporary folder that the server's own user can get into; pytest's are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="relay-real-"))
    try:
        if owner:
            shutil.chown(path, owner)
        path.chmod(0o755)
        yield path
    finally:
        shutil.rmtree(path)


@contextmanager
def running(command: Sequence[str | Path], log: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """The server until the end of the block; what it printed before it failed is part of the failure."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=log.parent, stdout=output, stderr=output)
    try:
        until(lambda: process.poll() is not None or ready(), START)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        try:
            process.wait(END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for what another process does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
