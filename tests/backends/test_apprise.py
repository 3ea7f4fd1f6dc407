"""The bridge to Apprise: its processes, and what becomes of them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from relay.backends import apprise
from relay.backends.apprise import Apprise, Settings
from relay.backends.base import Door
from relay.errors import BackendDownError, BackendError, TemporaryError
from relay.models import AlertState, Level
from relay.values import Secret
from tests.backends.messages import message
from tests.emulators.faults import Fault
from tests.emulators.notifier import JsonSink

SECRET = "h00k-s3cr3t"
NEEDS_APPRISE = pytest.mark.skipif(find_spec("apprise") is None, reason="the extra `apprise` isn't installed")


@pytest.fixture
async def sink() -> AsyncIterator[JsonSink]:
    async with JsonSink() as sink:
        yield sink


@pytest.fixture
def bridge(door: Door) -> Any:
    return lambda url, **changes: Apprise(Settings(url=Secret(url), **changes), door)


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a script in the place of the one that sends."""

    def use(text: str) -> Path:
        path = tmp_path / "child.py"
        path.write_text(text)
        monkeypatch.setattr(apprise, "_CHILD", path)
        return tmp_path

    return use


async def failure(backend: Apprise) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), "ops")
    return caught.value


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


async def gone(pid: int) -> bool:
    for _ in range(200):
        if not is_running(pid):
            return True
        await asyncio.sleep(0.005)
    return False


@NEEDS_APPRISE
async def test_a_process_sends_it(sink: JsonSink, bridge: Any) -> None:
    url = f"{sink.url.replace('http', 'json')}/{SECRET}/{{to}}"
    await bridge(url).send(message(level=Level.WARNING), "on call & co")
    ((path, post),) = sink.posts
    assert path == f"/{SECRET}/on%20call%20&%20co"
    assert post["type"] == "warning"
    assert post["title"] == "[WARNING] pay.refund: timeout after <num> ms"
    assert post["message"].startswith("timeout after 3000 ms\n\nseen: once")


@NEEDS_APPRISE
async def test_a_refusal_is_tried_a_few_times(sink: JsonSink, bridge: Any) -> None:
    sink.fault = Fault(status=500)
    error = await failure(bridge(f"{sink.url.replace('http', 'json')}/{SECRET}"))
    assert isinstance(error, TemporaryError)
    assert (error.code, error.limit, error.ambiguous) == ("refused", 3, False)
    assert "error=500" in error.detail
    assert SECRET not in repr(vars(error))


@NEEDS_APPRISE
async def test_a_url_nobody_knows(bridge: Any) -> None:
    error = await failure(bridge(f"pigeon://{SECRET}/loft"))
    assert isinstance(error, BackendDownError)
    assert error.code == "url"
    assert SECRET not in repr(vars(error))
    (check,) = await bridge("pigeon://loft").check()
    assert (check.ok, check.code) == (False, "url")


@NEEDS_APPRISE
async def test_the_doctor_sends_nothing(sink: JsonSink, bridge: Any) -> None:
    (check,) = await bridge(sink.url.replace("http", "json")).check()
    assert check.ok
    assert sink.requests == 0


HANGING = """
import os, pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
path = pathlib.Path(__file__).with_name("pids")
path.with_suffix(".part").write_text(f"{os.getpid()} {child.pid}")
path.with_suffix(".part").rename(path)
time.sleep(60)
"""


async def test_a_hanging_process_ends_at_the_deadline_with_all_it_started(script: Any, bridge: Any) -> None:
    folder = script(HANGING)
    began = time.monotonic()
    error = await failure(bridge("json://h", timeout=0.5))
    assert time.monotonic() - began < 5.0
    assert isinstance(error, TemporaryError)
    assert error.ambiguous
    for pid in (folder / "pids").read_text().split():
        assert await gone(int(pid))


async def test_a_stop_ends_it_at_once(script: Any, bridge: Any) -> None:
    folder = script(HANGING)
    sending = asyncio.create_task(bridge("json://h").send(message(), "ops"))
    while not (folder / "pids").exists():
        await asyncio.sleep(0.005)
    began = time.monotonic()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert time.monotonic() - began < 1.0
    for pid in (folder / "pids").read_text().split():
        assert await gone(int(pid))


async def test_the_loop_goes_on_meanwhile(script: Any, bridge: Any) -> None:
    script(HANGING)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.001)

    turning = asyncio.create_task(turn())
    await failure(bridge("json://h", timeout=0.2))
    turning.cancel()
    assert turns > 20


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("raise SystemExit(1)", "crash"),
        ("print('hello')", "crash"),
        ("print('[1]')", "crash"),
        ("print('{}')", "crash"),
        ("import os; os.abort()", "crash"),
        ('print(\'{"ok": "true"}\')', "crash"),
        ('print(\'{"ok": false, "error": "refused"}\')', "refused"),
    ],
)
async def test_a_process_that_does_not_say_yes(script: Any, bridge: Any, text: str, code: str) -> None:
    script(text)
    error = await failure(bridge("json://h"))
    assert isinstance(error, TemporaryError)
    assert error.code == code
    assert error.ambiguous is (code == "crash")


async def test_a_missing_library_is_named(script: Any, bridge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = script(Path(apprise.__file__).with_name("apprise_child.py").read_text())
    (folder / "sitecustomize.py").write_text("import sys; sys.modules['apprise'] = None")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    error = await failure(bridge("json://h"))
    assert isinstance(error, BackendDownError)
    assert "pip install 'alert-relay[apprise]'" in str(error)


async def test_a_killed_relay_leaves_nothing_hanging(tmp_path: Path) -> None:
    fake = tmp_path / "apprise.py"
    fake.write_text("import time\ntime.sleep(60)")
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(apprise.__file__).with_name("apprise_child.py")),
        stdin=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1"},
    )
    await child.communicate(b'{"seconds": 0, "url": "", "title": "", "body": "", "type": ""}')
    assert child.returncode == -14  # SIGALRM


@pytest.mark.parametrize(
    ("state", "level", "kind"),
    [
        (AlertState.RESOLVED, Level.CRITICAL, "success"),
        (AlertState.FIRING, Level.CRITICAL, "failure"),
        (AlertState.FIRING, Level.ERROR, "failure"),
        (AlertState.FIRING, Level.WARNING, "warning"),
        (AlertState.FIRING, Level.INFO, "info"),
    ],
)
def test_kinds(state: AlertState, level: Level, kind: str) -> None:
    assert apprise._kind(message(state=state, level=level)) == kind


def test_settings_that_can_not_work() -> None:
    assert Settings(url=Secret("json://h")).problems() == []
    assert Settings(url=Secret("h")).problems()
    assert Settings(url=Secret("json://h\nx")).problems()
