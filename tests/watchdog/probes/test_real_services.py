"""The greetings of a real redis and a real sshd, where they are installed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from relay.watchdog.verdict import FailedError
from tests.watchdog.probes.conftest import Look

SBIN = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
REDIS, SSHD = shutil.which("redis-server", path=SBIN), shutil.which("sshd", path=SBIN)
needs_redis = pytest.mark.skipif(not REDIS, reason="redis-server isn't installed")
needs_sshd = pytest.mark.skipif(
    not (SSHD and shutil.which("ssh-keygen")), reason="openssh-server isn't installed"
)


class Service:
    """A process of ours; `log` is what it wrote."""

    def __init__(self, argv: list[str], folder: Path, port: int, user: str | None = None) -> None:
        self.path, self.port = folder / "log", port
        with self.path.open("wb") as log:
            self.process = subprocess.Popen(argv, cwd=folder, stdout=log, stderr=log, user=user)

    @property
    def log(self) -> str:
        return self.path.read_text()

    async def answers(self, look: Look, url: str) -> None:
        async with asyncio.timeout(30):
            while True:
                assert self.process.poll() is None, self.log
                try:
                    assert await look(url) == "answers"
                except FailedError:
                    await asyncio.sleep(0.05)
                else:
                    return

    async def logged(self, words: str) -> str:
        async with asyncio.timeout(30):
            while words not in self.log:
                await asyncio.sleep(0.05)
        return self.log


@contextmanager
def ended(service: Service) -> Iterator[Service]:
    try:
        yield service
    finally:
        service.process.kill()
        service.process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that another user can look into."""
    with tempfile.TemporaryDirectory(prefix="relay-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def redis(folder: Path, *options: str) -> Service:
    port = free_port()
    argv = [REDIS or "", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    return Service([*argv, *options], folder, port)


@needs_redis
async def test_redis(look: Look, tmp_path: Path) -> None:
    with ended(redis(tmp_path, "--requirepass", "c4nary")) as service:
        url = f"redis://127.0.0.1:{service.port}"
        await service.answers(look, url)  # NOAUTH
        service.process.send_signal(signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            await look(url, 0.5)
        service.process.send_signal(signal.SIGCONT)
        await service.answers(look, url)
        assert "127.0.0.1:" not in service.log  # looks leave nothing there
        service.process.kill()
        service.process.wait()
        with pytest.raises(FailedError, match="connection refused"):
            await look(url)


@needs_redis
async def test_a_redis_that_is_full(look: Look, tmp_path: Path) -> None:
    with ended(redis(tmp_path, "--maxclients", "1")) as service:
        await service.answers(look, f"redis://127.0.0.1:{service.port}")
        with socket.create_connection(("127.0.0.1", service.port)) as only:
            only.sendall(b"PING\r\n")
            async with asyncio.timeout(30):
                while b"PONG" not in await asyncio.to_thread(only.recv, 100):
                    only.sendall(b"PING\r\n")
            # It hangs up at once: what it said may be lost by the time that our PING has reached it.
            with pytest.raises(FailedError, match=r"max number of clients|reset|broken pipe"):
                await look(f"redis://127.0.0.1:{service.port}")


def sshd(folder: Path, *options: str) -> Service:
    port, key = free_port(), folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    user = None
    if os.geteuid() == 0:  # as root it wants directories of the system
        user = "nobody"
        shutil.chown(key, user)
    argv = [SSHD or "", "-D", "-e", "-f", "/dev/null", "-p", str(port), "-h", str(key)]
    for option in ("ListenAddress=127.0.0.1", "PidFile=none", "UsePAM=no", *options):
        argv += ["-o", option]
    return Service(argv, folder, port, user)


@needs_sshd
async def test_sshd(look: Look, open_folder: Path) -> None:
    with ended(sshd(open_folder)) as service:
        url = f"ssh://127.0.0.1:{service.port}"
        await service.answers(look, url)
        log = await service.logged("[preauth]")  # one line, and no error
        assert "kex_exchange_identification" not in log
        service.process.send_signal(signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            await look(url, 0.5)
        service.process.send_signal(signal.SIGCONT)
        await service.answers(look, url)


@needs_sshd
async def test_an_sshd_that_is_full(look: Look, open_folder: Path) -> None:
    with ended(sshd(open_folder, "MaxStartups=1:100:1")) as service:
        await service.logged("Server listening")
        with socket.create_connection(("127.0.0.1", service.port)) as first:
            assert await asyncio.to_thread(first.recv, 4) == b"SSH-"
            with pytest.raises(FailedError, match="says 'Exceeded MaxStartups'"):
                await look(f"ssh://127.0.0.1:{service.port}")
