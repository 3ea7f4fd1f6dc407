"""The socket as its writers see it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.errors import StoreFullError
from relay.models import Level
from relay.sources.conversation import OWED, PATIENCE
from relay.sources.intake import Intake
from relay.sources.socket import datagram_path
from relay.sources.socketfile import SocketInUseError
from tests.sources.rig import rigged

LOGGER = shutil.which("logger") or ""
needs_logger = pytest.mark.skipif(not LOGGER, reason="no logger(1) here")


async def test_an_event_is_answered_once_it_is_durable(tmp_path: Path) -> None:
    async with rigged(tmp_path, commit=False) as rig:
        client = await rig.client()
        client.write('{"message":"boom","id":"a"}\n')
        await rig.take()
        early = asyncio.create_task(client.answer())
        await asyncio.sleep(0.005)
        assert not early.done()
        rig.commit()
        assert await early == {"ok": True, "id": "a"}
        (event,) = rig.events
        assert event.origin.startswith(f"pid {os.getpid()} uid {os.getuid()} gid {os.getgid()} ")
        assert event.program.startswith(f"{os.getuid()}/")
        client.close()


async def test_lines_without_an_id_are_answered_only_if_bad(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        client.write('{"message":"one"}\nplain two\n<11>three\n{"message":3}\n{"message":"four","id":4}\n')
        assert [(answer["ok"], answer["id"]) for answer in await client.rest()] == [(False, None), (True, 4)]
        assert await rig.messages(4) == ["one", "plain two", "three", "four"]
        assert rig.status("bad") == {"bad_value": 1}


async def test_answers_keep_their_order_whatever_is_committed_first(tmp_path: Path) -> None:
    async with rigged(tmp_path, commit=False) as rig:
        client = await rig.client()
        for number in range(3):
            client.write(f'{{"message":"m","id":{number}}}\n')
            await rig.take()
        client.write("{bad\n")
        await rig.until("bad", {"bad_json": 1})
        rig.commit(which=2)
        rig.commit(which=1)
        rig.commit(which=0)
        assert [(await client.answer())["id"] for _ in range(4)] == [0, 1, 2, None]
        client.close()


async def test_a_store_that_gives_up_is_told(tmp_path: Path) -> None:
    async with rigged(tmp_path, commit=False) as rig:
        client = await rig.client()
        client.write('{"message":"m","id":1}\n{"message":5,"id":2}\n')
        await rig.take()
        rig.commit(StoreFullError("no space"))
        answer = await client.answer()
        assert (answer["ok"], answer["id"], answer["retry"]) == (False, 1, True)
        assert "no space" in answer["error"]
        assert "retry" not in await client.answer()
        client.close()


async def test_the_last_line_needs_no_newline(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        client.write('plain\n{"message":"last","id":1}')
        assert await client.rest() == [{"ok": True, "id": 1}]
        assert await rig.messages(2) == ["plain", "last"]


async def test_frames_may_end_with_nul(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        client.write(b"<11>one\0<11>two\0")
        await client.rest()
        assert await rig.messages(2) == ["one", "two"]


async def test_a_writer_that_leaves_without_its_answers_loses_no_line(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(rig.path))
            client.setblocking(True)
            lines = b"{bad\n" + b"".join(b"line %d %s\n" % (n, b"x" * 500) for n in range(300))
            client.sendall(lines[:150_000])
        assert len(await rig.messages(290)) >= 290
        await rig.until("connections", 0)


async def test_a_long_line_stops_neither_its_connection_nor_others(tmp_path: Path) -> None:
    async with rigged(tmp_path, max_line=1000) as rig:
        hog, good = await rig.client(), await rig.client()
        for _ in range(100):
            hog.write(b"x" * 10_000)
        good.write('{"message":"fine","id":1}\n')
        assert await good.answer() == {"ok": True, "id": 1}
        assert "longer than 1000 bytes" in (await hog.answer())["error"]
        hog.write('\n{"message":"again","id":2}\n')
        assert await hog.answer() == {"ok": True, "id": 2}
        assert rig.status("bad") == {"too_long": 1}
        hog.close()
        good.close()


async def test_a_full_intake_makes_writers_wait(tmp_path: Path) -> None:
    async with rigged(tmp_path, commit=False, intake=Intake(high_events=10)) as rig:
        client = await rig.client()
        for number in range(5000):
            client.write(f'{{"message":"m {number} {"x" * 200}"}}\n')
        while not rig.intake.full:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.005)
        held = len(rig.intake)
        assert held < 1000
        task = asyncio.create_task(rig.commit_all())
        assert (await rig.messages(5000))[-1].startswith("m 4999 ")
        task.cancel()
        client.close()


async def test_a_writer_waits_while_too_much_of_its_is_not_durable(tmp_path: Path) -> None:
    async with rigged(tmp_path, commit=False, intake=Intake(10**9, 10**9)) as rig:
        client = await rig.client()
        writing = asyncio.create_task(_flood(client.writer, 4 * OWED))
        taken = 0
        async with asyncio.timeout(5):
            while taken <= OWED:
                await rig.take()
                taken = sum(batch.size for batch in rig.batches)
        await asyncio.sleep(0.01)
        assert len(rig.intake) == 0
        assert not writing.done()
        committer = asyncio.create_task(rig.commit_all())
        while rig.batches:
            rig.commit()
        await writing
        await rig.messages(4 * OWED // 1000)
        committer.cancel()
        client.close()


async def _flood(writer: asyncio.StreamWriter, size: int) -> None:
    for _ in range(size // 1000):
        writer.write(b"x" * 999 + b"\n")
        await writer.drain()


async def test_a_writer_that_takes_no_answers_waits_and_others_do_not(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        deaf, good = await rig.client(), await rig.client()
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
        writing = asyncio.create_task(_ask(deaf.writer, 40_000))
        seen = -1
        async with asyncio.timeout(10):
            while seen != len(rig.events) or not seen:
                seen = len(rig.events)
                await asyncio.sleep(0.05)
        assert not writing.done()
        assert seen < 40_000
        good.write('{"message":"fine","id":"good"}\n')
        assert await good.answer() == {"ok": True, "id": "good"}
        deaf.writer.transport.resume_reading()  # type: ignore[attr-defined]
        answers = [await deaf.answer() for _ in range(40_000)]
        assert [answer["id"] for answer in answers] == list(range(40_000))
        await writing
        deaf.close()
        good.close()


async def _ask(writer: asyncio.StreamWriter, count: int) -> None:
    for number in range(count):
        writer.write(b'{"message":"m","id":%d}\n' % number)
        await writer.drain()


async def test_an_unfinished_line_does_not_hold_its_seat_for_ever(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        slow, idle = await rig.client(), await rig.client()
        slow.write("{")
        await rig.until("connections", 2)
        idle.write("a whole line\n")
        await rig.messages(1)
        for _ in range(int(PATIENCE / 5)):
            rig.clock.advance(5.0)
            await asyncio.sleep(0)
        slow.write("x")
        await asyncio.sleep(0.002)
        rig.clock.advance(6.0)
        answer = await slow.answer()
        assert "no end of the line" in answer["error"]
        assert await slow.answer() is None
        await rig.until("connections", 1)
        idle.write('{"message":"still here","id":1}\n')
        assert (await idle.answer())["ok"]
        slow.close()
        idle.close()


async def test_a_line_that_relay_itself_holds_up_is_not_late(tmp_path: Path) -> None:
    async with rigged(tmp_path, commit=False, intake=Intake(high_events=2)) as rig:
        client = await rig.client()
        client.write('one\ntwo\n{"message":')
        async with asyncio.timeout(5):
            while not rig.intake.full:
                await asyncio.sleep(0.001)
        for _ in range(2):
            rig.clock.advance(PATIENCE + 5)
            await asyncio.sleep(0.001)
        await rig.take()
        rig.clock.advance(5.0)
        await asyncio.sleep(0.001)
        client.write('"three","id":3}\n')
        async with asyncio.timeout(5):
            await rig.take()
        while rig.batches:
            rig.commit()
        assert await client.answer() == {"ok": True, "id": 3}
        client.close()


@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_uid"])
async def test_connections_over_the_limit_are_refused_with_a_reason(tmp_path: Path, limit: str) -> None:
    limits: dict[str, Any] = {limit: 2}
    async with rigged(tmp_path, **limits) as rig:
        first, second = await rig.client(), await rig.client()
        await rig.until("connections", 2)
        third = await rig.client()
        assert "too many connections" in (await third.answer())["error"]
        assert await third.answer() is None
        assert rig.status("refused") == 1
        first.close()
        await rig.until("connections", 1)
        fourth = await rig.client()
        fourth.write('{"message":"m","id":1}\n')
        assert (await fourth.answer())["ok"]
        for client in (second, third, fourth):
            client.close()


async def test_a_stop_reads_what_has_arrived_and_answers_it(tmp_path: Path) -> None:
    async with rigged(tmp_path, commit=False) as rig:
        client = await rig.client()
        client.write('{"message":"first","id":1}\n')
        await rig.take()
        late = socket.socket(socket.AF_UNIX)
        late.connect(str(rig.path))
        late.sendall(b'{"message":"late","id":2}\n')
        assert rig.task is not None
        rig.task.cancel()
        await asyncio.gather(rig.task, return_exceptions=True)
        closing = asyncio.create_task(rig.listener.close())
        await rig.take()
        while rig.batches:
            rig.commit()
        assert await client.answer() == {"ok": True, "id": 1}
        assert await client.answer() is None
        await closing
        assert late.recv(100) == b'{"ok":true,"id":2}\n'
        late.close()
        client.close()
        assert not rig.path.exists()


async def test_a_second_listener_is_refused(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        with pytest.raises(SocketInUseError):
            async with rigged(tmp_path):
                pass
        client = await rig.client()
        client.write('{"message":"m","id":1}\n')
        assert (await client.answer())["ok"]
        client.close()


async def test_inherited_sockets_are_served_and_outlive_the_listener(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as given:
        given.bind(str(tmp_path / "relay.sock"))
        given.listen()
        for _ in range(2):
            async with rigged(tmp_path, inherited=[given]) as rig:
                client = await rig.client()
                client.write('{"message":"m","id":1}\n')
                assert (await client.answer())["ok"]
                client.close()
            assert (tmp_path / "relay.sock").exists()
            assert not (tmp_path / "relay.dgram").exists()


def test_the_datagram_socket_stands_beside() -> None:
    assert datagram_path(Path("/run/relay/relay.sock")) == Path("/run/relay/relay.dgram")
    assert datagram_path(Path("/run/relay/events")) == Path("/run/relay/events.dgram")


@needs_logger
async def test_logger_is_understood(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        for arguments in (
            ["-t", "pay", "default"],
            ["-t", "pay", "--rfc5424", "rfc5424"],
            ["-t", "pay", "--rfc3164", "-i", "rfc3164"],
            ["-t", "pay", "-p", "user.err", "--rfc5424=notime,nohost", "bare"],
        ):
            await _logger("-u", str(rig.path), *arguments)
        assert sorted(await rig.messages(4)) == ["bare", "default", "rfc3164", "rfc5424"]
        assert {event.module for event in rig.events} == {"pay"}
        levels = {event.message: event.level for event in rig.events}
        assert levels == {
            "default": Level.NOTICE,
            "rfc5424": Level.NOTICE,
            "rfc3164": Level.NOTICE,
            "bare": Level.ERROR,
        }
        host = {event.message: event.labels.get("host") for event in rig.events}
        assert host["rfc5424"] == host["rfc3164"] == socket.gethostname().split(".")[0]


@needs_logger
async def test_logger_is_understood_by_datagram(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        path = str(datagram_path(rig.path))
        await _logger("-d", "-u", path, "-t", "pay", "-p", "user.crit", "default")
        await _logger("-d", "-u", path, "-t", "pay", "--rfc5424", "rfc5424")
        assert sorted(await rig.messages(2)) == ["default", "rfc5424"]
        assert {event.module for event in rig.events} == {"pay"}
        assert {f" uid {os.getuid()} " in event.origin for event in rig.events} == {True}


async def _logger(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(LOGGER, *arguments)
    assert await process.wait() == 0


async def test_malformed_input_harms_nobody_else(tmp_path: Path) -> None:
    chance = random.Random(7)
    pieces = [
        b"{",
        b"}",
        b'"message":',
        b'"m"',
        b'"id":1',
        b",",
        b"[",
        b"\xff",
        b"\0",
        b"<13>",
        b"<999",
        b"1 - - ",
    ]
    pieces += [
        b"\x1b[31m",
        b'"time":1e400',
        b'"labels":{"a":{"b":',
        b"\r",
        b" ",
        b"text",
        b"x" * 300,
        b"\n",
        b"\n",
    ]
    async with rigged(tmp_path, max_line=500) as rig:
        bad, good = await rig.client(), await rig.client()
        reading = asyncio.create_task(bad.reader.read())
        for number in range(200):
            bad.write(b"".join(chance.choices(pieces, k=100)))
            if number % 20 == 0:
                await bad.writer.drain()
                good.write(f'{{"message":"good","id":{number}}}\n')
                assert await good.answer() == {"ok": True, "id": number}
        bad.writer.write_eof()
        async with asyncio.timeout(10):
            answers = [json.loads(line) for line in (await reading).splitlines()]
        assert sum(rig.status("bad").values()) == sum(not answer["ok"] for answer in answers) > 500
        bad.close()
        good.close()


LINES = st.lists(
    st.sampled_from(
        [
            b'{"message":"m","id":1}',
            b'{"message":"m","id":"two"}',
            b'{"message":"m"}',
            b'{"message":5,"id":3}',
            b"{bad",
            b"plain \xe4\xb8\xad",
            b"plain \xff",
            b"<11>tag[1]: syslog",
            b"",
            b"x" * 60,
        ]
    ),
    max_size=12,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES, st.lists(st.integers(0, 500), max_size=6), st.sampled_from([b"\n", b""]))
def test_any_split_gives_the_same_events_and_answers(
    tmp_path: Path, lines: list[bytes], cuts: list[int], last: bytes
) -> None:
    data = b"\n".join(lines) + last
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    whole = asyncio.run(_outcome(tmp_path, [data]))
    assert asyncio.run(_outcome(tmp_path, [data[a:b] for a, b in pairwise(places)])) == whole


async def _outcome(folder: Path, chunks: list[bytes]) -> tuple[list[tuple[str, str, int]], list[object]]:
    async with rigged(folder, max_line=50) as rig:
        client = await rig.client()
        for chunk in chunks:
            client.write(chunk)
            await asyncio.sleep(0.0005)
        answers = await client.rest()
        await rig.until("connections", 0)
        return [(event.message, event.id, event.level) for event in rig.events], answers


def test_uvloop_serves_as_well(tmp_path: Path) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def talk() -> None:
        async with rigged(tmp_path) as rig:
            client = await rig.client()
            client.write('{"message":"m","id":1}\n{bad\nlast')
            assert [answer["ok"] for answer in await client.rest()] == [True, False]
            await rig.until("connections", 0)
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.sendto(b"by datagram", str(datagram_path(rig.path)))
            assert await rig.messages(3) == ["m", "last", "by datagram"]

    uvloop.run(talk())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_no_descriptors_left_is_neither_a_spin_nor_the_end(tmp_path: Path, loop: str) -> None:
    pytest.importorskip(loop)
    program = """
        import asyncio, resource, socket, sys, time
        from pathlib import Path
        import LOOP
        from tests.sources.rig import rigged

        async def main():
            async with rigged(Path(sys.argv[1])) as rig:
                clients = [socket.socket(socket.AF_UNIX) for _ in range(40)]
                used = 7 + max(client.fileno() for client in clients)
                resource.setrlimit(resource.RLIMIT_NOFILE, (used, used))
                for client in clients:
                    client.setblocking(False)
                    client.connect(str(rig.path))
                    client.send(b'{"message":"m","id":1}\\n')
                before = time.process_time()
                await asyncio.sleep(0.5)
                busy = time.process_time() - before
                served = rig.status("accepted")
                assert served < 40, served
                assert busy < 0.2, busy
                answered = set()
                while len(answered) < 40:
                    await asyncio.sleep(0.01)
                    for client in clients:
                        try:
                            if client not in answered and client.recv(100):
                                answered.add(client)
                                client.close()
                        except BlockingIOError:
                            pass
                print("served", served, "then all")

        LOOP.run(main())
    """
    source = textwrap.dedent(program).replace("LOOP", loop)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert "then all" in done.stdout
