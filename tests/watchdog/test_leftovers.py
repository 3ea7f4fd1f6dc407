from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from relay.watchdog.command import run
from relay.watchdog.leftovers import MARK, MARK_OF_RESTART, end_leftovers, owner
from tests.e2e.rig import runs, until

STARTS = """\
import subprocess, sys
from relay.watchdog.leftovers import MARK, MARK_OF_RESTART, owner
kind, leads, *words = sys.argv[1:]
mark = {{"look": MARK, "restart": MARK_OF_RESTART, "other": "OTHER"}[kind]: owner()}
env = {"PATH": "/bin:/usr/bin"} | mark
print(subprocess.Popen(words, env=env, stdout=2, stdin=0, start_new_session=leads == "leads").pid)
"""
SLEEP = ("sleep", "60")


def left_by_one_that_is_gone(kind: str, *words: str, leads: bool = True) -> int:
    command = [sys.executable, "-c", STARTS, kind, "leads" if leads else "", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout)


@contextmanager
def sleeping(mark: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"], env={"PATH": "/bin:/usr/bin", MARK: mark}) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_look_whose_relay_is_gone_is_ended_and_nothing_else() -> None:
    look, other = (left_by_one_that_is_gone(kind, *SLEEP) for kind in ("look", "other"))
    namespace, _, mine = owner().partition(" ")
    elsewhere = "pid:[1] 1 1"  # of a container, where the numbers mean others
    try:
        with (
            sleeping(owner()) as own,
            sleeping(elsewhere) as foreign,
            sleeping(f"{namespace} x y") as forged,
            sleeping(f"{namespace} {mine.split()[0]} 1") as reused,  # its relay's number is another's now
        ):
            assert until(lambda: all(has_mark(each.pid) for each in (own, foreign, forged, reused)), 10)
            assert end_leftovers() >= 2
            assert until(lambda: not runs(look), 10)
            assert reused.wait(10) < 0
            assert runs(other)
            assert [own.poll(), foreign.poll(), forged.poll()] == [None, None, None]
    finally:
        os.kill(other, 9)


def has_mark(pid: int) -> bool:
    """Whether it has become what it is to run."""
    return MARK.encode() in Path(f"/proc/{pid}/environ").read_bytes()


def test_of_a_restart_whose_relay_is_gone_the_command_is_ended_and_what_it_started_is_not(
    tmp_path: Path,
) -> None:
    script = tmp_path / "restart"
    script.write_text("#!/bin/sh\nread answer < /dev/zero\n")  # never ends
    script.chmod(0o755)
    words = (str(script), "shop")
    begun = left_by_one_that_is_gone("restart", *words)
    daemons = [
        left_by_one_that_is_gone("restart", *SLEEP),
        left_by_one_that_is_gone("restart", *words, leads=False),
        left_by_one_that_is_gone("other", *words),
    ]
    try:
        assert until(lambda: "shop" in Path(f"/proc/{begun}/cmdline").read_text(), 10)
        end_leftovers([words, ("systemctl", "restart", "web")])
        assert until(lambda: not runs(begun), 10)
        assert all(map(runs, daemons))
    finally:
        for daemon in daemons:
            os.kill(daemon, 9)


async def test_looks_and_restarts_are_marked_apart() -> None:
    assert f"{MARK}={owner()}" in (await run(("env",), 5)).output.splitlines()
    assert f"{MARK_OF_RESTART}={owner()}" in (await run(("env",), 5, leave=True)).output.splitlines()
