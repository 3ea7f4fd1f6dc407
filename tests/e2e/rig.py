"""The real daemon as a process of its own, and a sink that records what it accepted before it answers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web


class Sink:
    """A webhook receiver in a thread of its own. `answer` may be changed to fail on purpose."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.arrived: list[float] = []  # monotonic times, beside `received`
        self.answer: Callable[[dict[str, Any]], web.Response] = lambda _: web.Response(text="ok")
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._ready.set()

    async def _take(self, request: web.Request) -> web.Response:
        message = json.loads(await request.read())
        answer = self.answer(message)
        if answer.status < 300:
            self.received.append(message)
            self.arrived.append(time.monotonic())
        return answer


class Background:
    """Something that goes on in a thread of its own: `_run` ends when `_stop` is set."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        raise NotImplementedError


class Relay:
    """`relay run` as a child process; its output goes to `<folder>/relay.log`."""

    def __init__(self, folder: Path, *, env: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.rules = folder / "rules.yaml"
        self.log = folder / "relay.log"
        self._env = {**os.environ, **(env or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def write_rules(self, text: str) -> None:
        self.rules.write_text(text)
        self.rules.chmod(0o600)

    def start(self, *, wait: bool = True) -> None:
        with self.log.open("ab") as out:
            command = [sys.executable, "-m", "relay", "run", "-c", str(self.rules)]
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=self._env)
        if wait:
            until(lambda: self.answers() or self.process is None or self.process.poll() is not None, 15)
            assert self.process.poll() is None, self.log.read_text()[-3000:]

    def answers(self) -> bool:
        return self.command("status", "--json").returncode == 0

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        verb, *rest = arguments
        line = [sys.executable, "-m", "relay", verb, *rest]
        line[4:4] = (
            []
            if "-c" in rest or "--help" in rest or verb in {"check", "outbox", "silence"}
            else ["-c", str(self.rules)]
        )
        if verb in {"outbox", "silence"}:
            line += ["-c", str(self.rules)]
        return subprocess.run(line, capture_output=True, text=True, env=self._env, timeout=60, check=False)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self, timeout: float = 30) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def store(self) -> sqlite3.Connection:
        """The store of the stopped daemon, read-only."""
        return sqlite3.connect(f"file:{self.folder / 'relay.db'}?mode=ro", uri=True)


@contextmanager
def running(relay: Relay) -> Iterator[Relay]:
    relay.start()
    try:
        yield relay
    finally:
        if relay.process is not None and relay.process.poll() is None:
            relay.stop()


def runs(pid: int) -> bool:
    """Whether it is there, and not a zombie that nobody has waited for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Callable[[], bool], seconds: float, every: float = 0.02) -> bool:
    """Wait for `condition`; False if it doesn't come true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(every)
    return condition()
