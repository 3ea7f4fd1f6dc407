"""Processes, port owners, files, disks, memory, load, commands and units."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
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
from relay.watchdog.patience import begin
from relay.watchdog.probes.choose import probe_of
from relay.watchdog.probes.host import MemoryProbe, memory, part
from relay.watchdog.processes import Processes, Running, user_of
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


def started(*words: str) -> int:
    """The pid of a program that is nobody's child, as services are."""
    line = f"{shlex.join(words)} < /dev/null > /dev/null 2>&1 & echo $!"
    return int(subprocess.run(["sh", "-c", line], stdout=subprocess.PIPE, check=True).stdout)


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[int]:
    """A program of its own name."""
    program = tmp_path / "orders-worker-of-the-shop"
    program.symlink_to("/bin/sleep")
    pid = started(str(program), "60")
    while Path(f"/proc/{pid}/comm").read_text() != "orders-worker-o\n":
        time.sleep(0.01)
    yield pid
    os.kill(pid, signal.SIGKILL)


async def test_a_process_by_its_name_or_its_words(look: Look, sleeper: int) -> None:
    for wanted in (
        Process(name="orders-worker-of-the-shop"),
        Process(name="orders-worker-o"),
        Process(match="/of-the-shop 60$/"),
        Process(name="sleep", match="orders-worker"),
    ):
        assert await look(ProcessCheck(process=wanted)) == f"runs as pid {sleeper}"
    with pytest.raises(FailedError, match="doesn't run"):
        await look(ProcessCheck(process=Process(name="orders")))


async def test_w09_who_greps_for_it_and_relay_itself_are_not_it(look: Look, tmp_path: Path) -> None:
    word = f"needle-{os.getpid()}"
    (tmp_path / "relay").symlink_to("/bin/sleep")  # as `relay watchdog check needle` would be
    pids = [started("tail", "-f", "/dev/null", word), started(f"{tmp_path}/relay", "60", f"60.{os.getpid()}")]
    child = subprocess.Popen(["sleep", "60", f"59.{os.getpid()}"])  # as a check's own command would be
    try:
        for needle in (word, f"60.{os.getpid()}", f"59.{os.getpid()}"):
            with pytest.raises(FailedError, match="doesn't run"):
                await look(ProcessCheck(process=Process(match=needle)))
    finally:
        child.kill()
        child.wait()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


async def test_a_script_is_called_as_its_file(look: Look, tmp_path: Path) -> None:
    script = tmp_path / "orders-worker-of-the-shop.py"
    script.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    script.chmod(0o755)
    pid = started(str(script))
    reader = started("tail", "-f", str(script))
    try:
        while Path(f"/proc/{pid}/comm").read_text() != "orders-worker-o\n":
            time.sleep(0.01)
        assert await look(ProcessCheck(process=Process(name=script.name))) == f"runs as pid {pid}"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.kill(reader, signal.SIGKILL)


async def test_w09_pidfiles(look: Look, tools: Tools, sleeper: int, tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    check = ProcessCheck(process=Process(pidfile=str(pidfile)))
    with pytest.raises(FailedError, match="no such file"):
        await look(check)
    pidfile.write_text("what\n")
    with pytest.raises(FailedError, match="holds no number"):
        await look(check)
    for nonsense in ("", "-1", "0", "99999999999999999999"):
        pidfile.write_text(nonsense)
        with pytest.raises(FailedError, match="pidfile"):
            await look(check)
    pidfile.write_text(f"{sleeper}\n")
    assert await look(check) == f"runs as pid {sleeper}"
    named = ProcessCheck(process=Process(pidfile=str(pidfile), name="nginx"))
    with pytest.raises(FailedError, match="of the pidfile is orders-worker-o"):
        await look(named)
    probe = probe_of(check, 3.0)
    assert "runs as" in await probe.look(tools)
    os.utime(pidfile, (time.time() - 600, time.time() - 600))  # written before that process began
    with pytest.raises(FailedError, match=r"is stale: pid .* is another program now"):
        await look(check)
    assert "runs as" in await probe.look(tools)  # its clock was set: it was the right one before
    pidfile.unlink()
    os.mkfifo(pidfile)
    with pytest.raises(FailedError, match="its pidfile: invalid argument"):
        await look(check)


async def test_hidden_processes_cannot_be_judged(look: Look, tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()  # hidepid=1: folders are seen, and nothing in them can be read; 2: nor folders
    tools.processes = Processes(str(tmp_path))
    with pytest.raises(UnknownError, match="may not see all processes"):
        await look(ProcessCheck(process=Process(name="sleep")))


async def test_a_hidden_process_of_a_pidfile_cannot_be_judged(
    look: Look, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(pid: int, number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("relay.watchdog.processes.os.kill", denied)
    tools.processes = Processes(str(tmp_path))
    (tmp_path / "pid").write_text("4711")
    with pytest.raises(PermissionError):  # unknown, as all errors of that kind
        await look(ProcessCheck(process=Process(pidfile=str(tmp_path / "pid"))))


async def test_the_kernel_tells_nothing_of_ports(look: Look, tools: Tools, tmp_path: Path) -> None:
    tools.processes = Processes(str(tmp_path))
    with pytest.raises(OSError, match="No such file"):
        await look(OwnerCheck(port_owner=Owner(port=80, user="root")))


async def test_a_process_that_hangs_who_reads_of_it_is_no_failure(tools: Tools) -> None:
    release = threading.Event()

    class Hanging(Processes):
        def table(self) -> list[Running]:
            release.wait(20)
            return []

    tools.processes = Hanging()
    probe = probe_of(ProcessCheck(process=Process(name="x")), 3.0)
    begin(0.2)
    for _ in range(2):  # the second finds the first still at it
        with pytest.raises(UnknownError, match="in time"):
            await probe.look(tools)
    release.set()


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
    with pytest.raises(FailedError, match="has 100 bytes, fewer than 101"):
        await found(size=101)
    with pytest.raises(FailedError, match="has 100 bytes, more than 99"):
        await found(max_size=99)
    with pytest.raises(FailedError, match="has mode 0640, not 0600"):
        await found(mode="0600")
    path.chmod(0o1640)
    assert "100 bytes" in await found(mode="1640")
    os.utime(path, (time.time() + 7200, time.time() + 7200))  # else it would be fresh for so long
    with pytest.raises(UnknownError, match="a clock was wrong"):
        await found(age=3600.0)


async def test_of_files_whose_names_fit_the_newest_counts(look: Look, tmp_path: Path) -> None:
    check = FileCheck(file=File(path=str(tmp_path / "db-*.dump"), age=3600.0, size=1))
    with pytest.raises(FailedError, match="no such file"):
        await look(check)
    for name, hours in (("db-1.dump", 5), ("db-2.dump", 2), ("other", 0)):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (time.time() - 3600 * hours,) * 2)
    with pytest.raises(FailedError, match="was last written 2 h ago"):
        await look(check)
    (tmp_path / "db-3.dump").write_text("x")
    assert "1 bytes" in await look(check)


async def test_the_host(look: Look, tmp_path: Path) -> None:
    assert "free" in await look(DiskCheck(disk=Disk(path="/", free="1KiB", inodes="0%")))
    with pytest.raises(FailedError, match=r"only .* free, less than 100%"):
        await look(DiskCheck(disk=Disk(path="/", free="100%")))
    with pytest.raises(UnknownError, match="can't be asked: no such file"):
        await look(DiskCheck(disk=Disk(path=str(tmp_path / "x"))))
    assert "available" in await look(MemoryCheck(memory="1KiB"))
    with pytest.raises(FailedError, match=r"only .* available, less than "):
        await look(MemoryCheck(memory="100%"))
    assert "over 5 minutes" in await look(LoadCheck(load=1e6))
    with pytest.raises(UnknownError, match="doesn't say"):
        await MemoryProbe("1%", str(tmp_path / "x")).look(Tools())
    assert memory()[0] < memory()[1]
    assert [part("10%", 500), part("1KiB", 500)] == [50, 1024]


async def test_a_command(look: Look) -> None:
    assert await look(CommandCheck(command=("true",))) == "ended well"
    assert await look(CommandCheck(command=("echo", "all fine"), output="/^all fine$/")) == "ended well"
    assert await look(CommandCheck(command=("false",), status=(0, 1))) == "ended with status 1"
    with pytest.raises(FailedError, match="ended with status 1"):
        await look(CommandCheck(command=("false",)))
    with pytest.raises(FailedError, match="ended with status 0, not 2 or 3"):
        await look(CommandCheck(command=("true",), status=(2, 3)))
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
