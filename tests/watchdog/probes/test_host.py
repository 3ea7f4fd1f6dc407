"""Processes, port owners, files, disks, memory, load, commands and units."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.config.checks import (
    CommandCheck,
    Disk,
    DiskCheck,
    File,
    FileCheck,
    LoadCheck,
    MemoryCheck,
    Owner,
    OwnerCheck,
    Process,
    ProcessCheck,
    UnitCheck,
)
from relay.watchdog.probes.host import MemoryProbe, memory, part
from relay.watchdog.processes import Processes, user_of
from relay.watchdog.tools import Tools
from relay.watchdog.units import Units
from relay.watchdog.verdict import FailedError, NoRemedyError, UnknownError
from tests.watchdog.probes.conftest import Look

LISTENER = """
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
time.sleep(60)
"""


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of its own name."""
    program = tmp_path / "orders-worker-of-the-shop"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([str(program), "60"])
    while Path(f"/proc/{process.pid}/comm").read_text() != "orders-worker-o\n":
        time.sleep(0.01)
    yield process
    process.kill()
    process.wait()


async def test_a_process_by_its_name_or_its_words(look: Look, sleeper: subprocess.Popen[bytes]) -> None:
    for wanted in (
        Process(name="orders-worker-of-the-shop"),
        Process(name="orders-worker-o"),
        Process(match="/of-the-shop 60$/"),
        Process(name="sleep", match="orders-worker"),
    ):
        assert await look(ProcessCheck(process=wanted)) == f"runs as pid {sleeper.pid}"
    with pytest.raises(FailedError, match="doesn't run"):
        await look(ProcessCheck(process=Process(name="orders")))


async def test_w09_who_greps_for_it_and_relay_itself_are_not_it(look: Look) -> None:
    word = f"needle-{os.getpid()}"
    grep = subprocess.Popen(["grep", word], stdin=subprocess.PIPE)
    try:
        with pytest.raises(FailedError, match="doesn't run"):
            await look(ProcessCheck(process=Process(match=word)))
        with pytest.raises(FailedError, match="doesn't run"):
            await look(ProcessCheck(process=Process(match=f"pytest-only-{word}")))
    finally:
        grep.communicate()


async def test_w09_pidfiles(look: Look, sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    check = ProcessCheck(process=Process(pidfile=str(pidfile)))
    with pytest.raises(FailedError, match="no such file"):
        await look(check)
    pidfile.write_text("what\n")
    with pytest.raises(FailedError, match="holds no number"):
        await look(check)
    pidfile.write_text(f"{sleeper.pid}\n")
    assert await look(check) == f"runs as pid {sleeper.pid}"
    named = ProcessCheck(process=Process(pidfile=str(pidfile), name="nginx"))
    with pytest.raises(FailedError, match="of the pidfile is orders-worker-o"):
        await look(named)
    os.utime(pidfile, (time.time() - 600, time.time() - 600))  # written before that process began
    with pytest.raises(FailedError, match=r"is stale: pid .* is another program now"):
        await look(check)


async def test_w09_a_zombie_does_not_run(look: Look, tmp_path: Path) -> None:
    zombie = subprocess.Popen(["true"])
    (tmp_path / "pid").write_text(str(zombie.pid))
    while ") Z" not in Path(f"/proc/{zombie.pid}/stat").read_text():
        time.sleep(0.01)
    with pytest.raises(FailedError, match="doesn't run"):
        await look(ProcessCheck(process=Process(pidfile=str(tmp_path / "pid"))))
    zombie.wait()


async def test_w10_who_holds_a_port(look: Look) -> None:
    holder = subprocess.Popen([sys.executable, "-c", LISTENER], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    port = int(holder.stdout.readline())
    me = user_of(os.getuid())
    try:
        name = Path(f"/proc/{holder.pid}/exe").resolve().name
        check = OwnerCheck(port_owner=Owner(port=port, name=name, user=me))
        assert f"(pid {holder.pid}) listens there" in await look(check)
        assert await look(OwnerCheck(port_owner=Owner(port=port, user=me))) == f"user {me} listens there"
        with pytest.raises(NoRemedyError, match="the wrong owner: "):
            await look(OwnerCheck(port_owner=Owner(port=port, name="nginx")))
        with pytest.raises(NoRemedyError, match="the wrong owner: user"):
            await look(OwnerCheck(port_owner=Owner(port=port, user="nobody-else")))
    finally:
        holder.kill()
        holder.communicate()
    with pytest.raises(FailedError, match="nobody listens there"):
        await look(OwnerCheck(port_owner=Owner(port=port, name="nginx")))


def test_whose_descriptors_are_hidden_can_not_be_judged(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    line = (
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   33        0 4711 1\n"
    )
    (tmp_path / "net" / "tcp").write_text(f"  sl\n{line}")
    (found,) = Processes(str(tmp_path)).listening(8080)
    assert (found.inode, found.uid) == ("4711", 33)
    assert Processes(str(tmp_path)).listening(8081) == []


def test_the_unit_of_a_process(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text("0::/system.slice/orders-worker.service/sub\n")
    assert Processes(str(tmp_path)).unit(7) == "orders-worker.service"
    assert Processes(str(tmp_path)).unit(8) == ""


async def test_a_file(look: Look, tmp_path: Path) -> None:
    path = tmp_path / "dump.sql"

    async def found(**wanted: object) -> str:
        return await look(FileCheck(file=File(path=str(path), **wanted)))  # type: ignore[arg-type]

    with pytest.raises(FailedError, match="no such file"):
        await found()
    path.write_bytes(b"x" * 100)
    path.chmod(0o640)
    assert await found(age=60.0, size=100, max_size=100, mode="0640") == "100 bytes, written 0 s ago"
    os.utime(path, (time.time() - 7200, time.time() - 7200))
    with pytest.raises(FailedError, match="was last written 2 h ago"):
        await found(age=3600.0)
    with pytest.raises(FailedError, match="has 100 bytes, not 101"):
        await found(size=101)
    with pytest.raises(FailedError, match="has 100 bytes, more than 99"):
        await found(max_size=99)
    with pytest.raises(FailedError, match="has mode 0640, not 0600"):
        await found(mode="0600")


async def test_the_host(look: Look, tmp_path: Path) -> None:
    assert "free" in await look(DiskCheck(disk=Disk(path="/", free="1KiB", inodes="0%")))
    with pytest.raises(FailedError, match=r"only .* free"):
        await look(DiskCheck(disk=Disk(path="/", free="100%")))
    with pytest.raises(UnknownError, match="can't be asked: no such file"):
        await look(DiskCheck(disk=Disk(path=str(tmp_path / "x"))))
    assert "available" in await look(MemoryCheck(memory="1KiB"))
    with pytest.raises(FailedError, match=r"only .* available"):
        await look(MemoryCheck(memory="100%"))
    assert "over 5 minutes" in await look(LoadCheck(load=1e6))
    with pytest.raises(UnknownError, match="doesn't say"):
        await MemoryProbe("1%", str(tmp_path / "x")).look(Tools())
    assert memory()[0] < memory()[1]
    assert [part("10%", 500), part("1KiB", 500)] == [50, 1024]


async def test_a_command(look: Look) -> None:
    assert await look(CommandCheck(command=("true",))) == "ended well"
    assert await look(CommandCheck(command=("echo", "all fine"), output="/^all fine$/")) == "ended well"
    assert await look(CommandCheck(command=("false",), status=1)) == "ended with status 1"
    with pytest.raises(FailedError, match="ended with status 1"):
        await look(CommandCheck(command=("false",)))
    with pytest.raises(FailedError, match="printed something else: no"):
        await look(CommandCheck(command=("echo", "no"), output="yes"))
    with pytest.raises(UnknownError, match="could not be run"):
        await look(CommandCheck(command=("/does/not/exist",)))
    with pytest.raises(FailedError, match="did not end within"):
        await look(CommandCheck(command=("sleep", "30")), 0.3)


# --- units, as systemctl shows them (W05, W06)


def systemctl(folder: Path, body: str) -> Units:
    path = folder / "systemctl"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return Units(str(path), journalctl="/does/not/exist")


@pytest.mark.parametrize(
    ("load", "active", "sub", "result", "error", "words"),
    [
        ("loaded", "active", "running", "success", None, "web.service is active (running)"),
        ("loaded", "reloading", "reload", "success", None, "web.service is reloading (reload)"),
        ("loaded", "activating", "start", "success", UnknownError, "web.service is activating (start)"),
        ("loaded", "activating", "auto-restart", "exit-code", FailedError, "activating (auto-restart)"),
        ("loaded", "deactivating", "stop-sigterm", "success", UnknownError, "deactivating"),
        ("loaded", "failed", "failed", "exit-code", FailedError, "web.service is failed (exit-code)"),
        ("loaded", "inactive", "dead", "success", FailedError, "never started, stopped, or ended well"),
        ("masked", "inactive", "dead", "success", FailedError, "web.service is masked"),
        ("not-found", "inactive", "dead", "success", NoRemedyError, "web.service is not-found"),
    ],
)
async def test_w05_each_state_is_named_rightly(
    look: Look,
    tools: Tools,
    tmp_path: Path,
    load: str,
    active: str,
    sub: str,
    result: str,
    error: type[Exception] | None,
    words: str,
) -> None:
    shown = f"LoadState={load}\\nActiveState={active}\\nSubState={sub}\\nResult={result}\\nJob=0\\n"
    tools.units = systemctl(tmp_path, f"printf '{shown}'")
    if error is None:
        assert await look(UnitCheck(unit="web")) == words
        return
    with pytest.raises(error, match=words.replace("(", r"\(").replace(")", r"\)")) as raised:
        await look(UnitCheck(unit="web"))
    assert type(raised.value) is error


@pytest.mark.parametrize(
    "body",
    [
        "echo 'Failed to connect to bus: No such file or directory' >&2; exit 1",
        "exit 0",
        "echo; exit 0",
        "echo LoadState=loaded",
        "exit 127",
    ],
)
async def test_w06_a_bus_that_is_away_is_unknown(look: Look, tools: Tools, tmp_path: Path, body: str) -> None:
    tools.units = systemctl(tmp_path, body)
    with pytest.raises(UnknownError):
        await look(UnitCheck(unit="web"))


async def test_w06_no_systemctl_at_all(look: Look, tools: Tools) -> None:
    tools.units = Units("/does/not/exist")
    with pytest.raises(UnknownError, match="could not be run"):
        await look(UnitCheck(unit="web"))
