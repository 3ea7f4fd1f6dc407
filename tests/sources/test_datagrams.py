"""The datagram socket beside the stream."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from relay.models import Level
from relay.sources.intake import Intake
from tests.sources.rig import Rig, rigged


def sender(rig: Rig) -> socket.socket:
    out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    out.connect(str(rig.path.with_suffix(".dgram")))
    return out


async def test_it_takes_the_same_lines(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        with sender(rig) as out:
            out.send(b'{"message":"json","level":"warn"}\n{"message":"second"}')
            out.send(b"<10>pay[1]: syslog\n  with a second line\0")
            out.send(b"plain")
            out.send(b"{bad")
            out.send(b"")
        messages = await rig.messages(4)
        assert messages == ["json", "second", "syslog\n  with a second line", "plain"]
        assert [event.level for event in rig.events] == [
            Level.WARNING,
            Level.ERROR,
            Level.CRITICAL,
            Level.ERROR,
        ]
        for event in rig.events:
            assert event.origin.startswith(f"pid {os.getpid()} uid {os.getuid()} ")
        await rig.until("bad", {"bad_json": 1})
        assert rig.status("datagrams") == 5


async def test_a_long_one_is_counted(tmp_path: Path) -> None:
    async with rigged(tmp_path, max_line=100) as rig:
        with sender(rig) as out:
            out.send(b"x" * 101)
            out.send(b"y" * 100)
        assert await rig.messages(1) == ["y" * 100]
        assert rig.status("bad") == {"too_long": 1}


async def test_a_full_intake_makes_senders_wait_and_loses_nothing(tmp_path: Path) -> None:
    async with rigged(tmp_path, commit=False, intake=Intake(high_events=10)) as rig:
        with sender(rig) as out:
            sent = 0
            blocked = 0
            while blocked < 3:
                try:
                    out.send(b"%d" % sent)
                    sent += 1
                except BlockingIOError:
                    blocked += 1
                    await asyncio.sleep(0.002)
            assert rig.intake.full
            committer = asyncio.create_task(rig.commit_all())
            assert await rig.messages(sent) == [str(number) for number in range(sent)]
            out.send(b"after")
            assert (await rig.messages(sent + 1))[-1] == "after"
            committer.cancel()


async def test_file_descriptors_sent_along_do_not_stay(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        with sender(rig) as out, Path("/dev/null").open() as null:
            before = len(list(Path("/proc/self/fd").iterdir()))
            for number in range(20):
                socket.send_fds(out, [b"x"], [null.fileno()] * 4)
                await rig.messages(number + 1)
            assert len(list(Path("/proc/self/fd").iterdir())) == before
