"""mysql:// against a scripted server; by hand, a MariaDB 10.11 was looked at beyond `max_connect_errors`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from relay.watchdog.verdict import FailedError, NoRemedyError
from tests.watchdog.probes.conftest import Listen, Look

Serve = Callable[..., Awaitable[int]]
GREETING = b"\x0a8.0.36\x00" + bytes(60)
OK = b"\x00\x00\x00\x02\x00\x00\x00"


def error(code: int, text: str) -> bytes:
    return b"\xff" + code.to_bytes(2, "little") + text.encode()


@pytest.fixture
async def heard() -> list[tuple[int, bytes]]:
    """What the client said: (number, body) of each packet."""
    return []


@pytest.fixture
async def serve(heard: list[tuple[int, bytes]]) -> AsyncIterator[Serve]:
    """A server that says each of `words` in turn, and waits for an answer between two."""
    servers, ended = [], asyncio.Event()

    async def start(*words: bytes) -> int:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                for number, body in enumerate(words):
                    writer.write(len(body).to_bytes(3, "little") + bytes((number * 2,)) + body)
                    head = await reader.readexactly(4)
                    heard.append((head[3], await reader.readexactly(int.from_bytes(head[:3], "little"))))
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            writer.close()
            ended.set()

        servers.append(await asyncio.start_server(talk, "127.0.0.1", 0))
        return int(servers[-1].sockets[0].getsockname()[1])

    yield start
    await ended.wait()
    for server in servers:
        server.close()
        await server.wait_closed()


async def test_it_logs_in_and_says_goodbye(look: Look, serve: Serve, heard: list[tuple[int, bytes]]) -> None:
    assert await look(f"mysql://127.0.0.1:{await serve(GREETING, OK)}") == "answers"
    async with asyncio.timeout(10):
        while len(heard) < 2:
            await asyncio.sleep(0)
    (number, login), goodbye = heard
    assert number == 1
    assert login[32:] == b"relay_watchdog\0\0mysql_native_password\0"
    assert goodbye == (0, b"\x01")


@pytest.mark.parametrize(
    "words",
    [
        (error(1130, "Host '10.0.0.9' is not allowed to connect to this MySQL server"),),
        (GREETING, error(1045, "#28000Access denied for user 'relay_watchdog'@'app' (using password: NO)")),
        (GREETING, error(3159, "#08004Connections using insecure transport are prohibited")),
        (GREETING, b"\xfecaching_sha2_password\0" + bytes(21), error(1045, "#28000Access denied")),
        (GREETING, b"\xfea\0", b"\x01\x04", error(1045, "#28000Access denied")),
    ],
)
async def test_one_that_does_not_want_relay_works(
    look: Look, serve: Serve, heard: list[tuple[int, bytes]], words: tuple[bytes, ...]
) -> None:
    assert await look(f"mysql://127.0.0.1:{await serve(*words)}") == "answers"
    assert [number for number, _ in heard] == [1, 3, 5][: len(words) - 1]
    assert all(not body for _, body in heard[1:])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ((error(1040, "Too many connections"),), "says 'Too many connections'"),
        ((GREETING, error(1040, "#08004Too many connections")), "says 'Too many connections'"),
        ((GREETING, error(1053, "#08S01Server shutdown in progress")), "says 'Server shutdown in progress'"),
        ((GREETING, b""), "says"),
        ((b"hello",), "says 'hello'"),
    ],
)
async def test_one_that_does_not_serve(look: Look, serve: Serve, words: tuple[bytes, ...], text: str) -> None:
    with pytest.raises(FailedError, match=text) as raised:
        await look(f"mysql://127.0.0.1:{await serve(*words)}")
    assert not isinstance(raised.value, NoRemedyError)


async def test_one_that_blocked_this_host_is_not_restarted(look: Look, serve: Serve) -> None:
    port = await serve(error(1129, "Host 'app' is blocked because of many connection errors"))
    with pytest.raises(NoRemedyError, match="Host 'app' is blocked"):
        await look(f"mysql://127.0.0.1:{port}")


async def test_what_is_no_mysql_and_what_hangs_up(look: Look, listen: Listen) -> None:
    with pytest.raises(FailedError, match="says 'SSH-'"):
        await look(f"mysql://127.0.0.1:{await listen(b'SSH-2.0-OpenSSH_9.2')}")
    with pytest.raises(FailedError, match="hangs up"):
        await look(f"mysql://127.0.0.1:{await listen(b'')}")
