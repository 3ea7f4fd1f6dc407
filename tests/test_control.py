import asyncio
import json
import os
import pwd
import stat
from pathlib import Path
from typing import Any

import pytest

from relay.control import Control
from relay.errors import RelayError
from relay.models import Json


async def echo(request: Json) -> Json:
    return {"got": request["what"]}


async def refuse(_: Json) -> Any:
    raise RelayError("not now")


@pytest.fixture
async def path(tmp_path: Path) -> Any:
    where = tmp_path / "run" / "control.sock"
    task = asyncio.create_task(Control(str(where), {"echo": echo, "refuse": refuse}).run())
    while not where.exists():
        await asyncio.sleep(0.001)
    yield where
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not where.exists()


async def ask(path: Path, *lines: bytes) -> list[Any]:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.writelines(lines)
    answers = [json.loads(await reader.readline()) for _ in lines]
    writer.close()
    await writer.wait_closed()
    return answers


async def test_answers_in_order(path: Path) -> None:
    lines = (b'{"do":"echo","what":1}\n', b'{"do":"refuse"}\n', b'{"do":"echo","what":2}\n')
    first, second, third = await ask(path, *lines)
    assert first == {"ok": True, "data": {"got": 1}}
    assert second == {"ok": False, "error": "not now"}
    assert third["data"] == {"got": 2}


@pytest.mark.parametrize(
    "line", [b"nonsense\n", b"[]\n", b'{"do":"unknown"}\n', b'{"do":"echo"}\n', b"\xff\n"]
)
async def test_bad_requests_get_an_error_and_the_connection_goes_on(path: Path, line: bytes) -> None:
    bad, good = await ask(path, line, b'{"do":"echo","what":1}\n')
    assert bad["ok"] is False
    assert bad["error"]
    assert good["ok"] is True


async def test_only_owner_and_group_may_connect(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o007 == 0


async def test_a_stale_socket_file_is_replaced(tmp_path: Path) -> None:
    where = tmp_path / "control.sock"
    where.touch()
    task = asyncio.create_task(Control(str(where), {"echo": echo}).run())
    while not where.is_socket():
        await asyncio.sleep(0.001)
    assert (await ask(where, b'{"do":"echo","what":1}\n'))[0]["ok"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def whoami(request: Json) -> Json:
    return {"peer": request["peer"]}


async def test_the_kernel_says_who_asks(tmp_path: Path) -> None:
    where = tmp_path / "control.sock"
    task = asyncio.create_task(Control(str(where), {"whoami": whoami}).run())
    while not where.exists():
        await asyncio.sleep(0.001)
    (answer,) = await ask(where, b'{"do":"whoami","peer":"somebody else"}\n')
    assert answer["data"]["peer"] == pwd.getpwuid(os.getuid()).pw_name
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
