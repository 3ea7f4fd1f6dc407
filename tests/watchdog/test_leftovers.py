from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from relay.watchdog.command import run
from relay.watchdog.leftovers import MARK, end_leftovers, owner
from tests.e2e.rig import until

STARTS = """\
import subprocess, sys
from relay.watchdog.leftovers import MARK, owner
mark = {MARK: owner()} if sys.argv[1] == "marked" else {}
print(subprocess.Popen(["sleep", "60"], env={"PATH": "/bin:/usr/bin"} | mark, stdout=2, stdin=0).pid)
"""


def left_by_one_that_is_gone(kind: str) -> int:
    done = subprocess.run([sys.executable, "-c", STARTS, kind], stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout)


def runs(pid: int) -> bool:
    """Whether it is there, and not a zombie that nobody has waited for yet."""
    done = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], stdout=subprocess.PIPE, text=True, check=False
    )
    return done.stdout.strip()[:1] not in {"", "Z"}


@contextmanager
def sleeping(mark: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"], env={"PATH": "/bin:/usr/bin", MARK: mark}) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_look_whose_relay_is_gone_is_ended_and_nothing_else() -> None:
    look, other = left_by_one_that_is_gone("marked"), left_by_one_that_is_gone("other")
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


async def test_a_look_is_marked_and_a_remedy_is_not() -> None:
    assert f"{MARK}={owner()}" in (await run(("env",), 5)).output.splitlines()
    assert MARK not in (await run(("env",), 5, leave=True)).output
