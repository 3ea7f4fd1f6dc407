"""tcp, tls, unix, dns and the greetings, against real listeners."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from relay.config.checks import HttpCheck
from relay.watchdog.names import Names
from relay.watchdog.probes.certificate import judge
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError, NoRemedyError, UnknownError
from tests.watchdog.probes.conftest import Listen, Look


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


async def test_a_listener_takes_connections_and_a_dead_one_refuses(look: Look, listen: Listen) -> None:
    port = await listen()
    assert await look(f"tcp://127.0.0.1:{port}") == "takes connections"
    with pytest.raises(FailedError, match="connection refused"):
        await look(f"tcp://127.0.0.1:{closed_port()}")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_either_loopback_address_alone_is_found_under_localhost(
    look: Look, listen: Listen, host: str
) -> None:
    port = await listen(host=host)
    assert await look(f"tcp://localhost:{port}") == "takes connections"


async def test_a_name_that_does_not_resolve_is_unknown_never_down(
    look: Look, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_name(self: Names, host: str, port: int) -> list[object]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(Names, "lookup", no_name)
    for check in (
        "tcp://db.internal:5432",
        "redis://db.internal",
        "tls://db.internal:443",
        "http://db.internal/",
    ):
        with pytest.raises(UnknownError, match="resolve"):
            await look(check)
    with pytest.raises(FailedError, match="doesn't resolve"):
        await look("dns://db.internal")


async def test_a_name_that_resolves(look: Look) -> None:
    assert "127.0.0.1" in await look("dns://localhost") or "::1" in await look("dns://localhost")


async def test_sockets_of_either_kind(look: Look, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stream, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as gram:
        stream.bind(str(tmp_path / "s"))
        gram.bind(str(tmp_path / "d"))
        with pytest.raises(FailedError, match="connection refused"):
            await look(f"unix://{tmp_path}/s")  # bound, but nobody listens
        stream.listen(1)
        assert await look(f"unix://{tmp_path}/s") == "takes connections"
        assert await look(f"unix://{tmp_path}/d") == "takes connections"
    with pytest.raises(FailedError, match="connection refused"):
        await look(f"unix://{tmp_path}/d")  # its file is still there
    with pytest.raises(FailedError, match="no such file"):
        await look(f"unix://{tmp_path}/x")


SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
MYSQL = b"\x4a\x00\x00\x00\x0a8.0.36\x00"
MYSQL_FULL = b"\x17\x00\x00\x00\xff\x10\x04Too many connections"


@pytest.mark.parametrize(
    ("scheme", "ask", "say"),
    [
        ("smtp", b"", b"220 mail.example.com ESMTP\r\n"),
        ("redis", b"PING\r\n", b"+PONG\r\n"),
        ("redis", b"PING\r\n", b"-NOAUTH Authentication required.\r\n"),
        ("postgres", SSL_REQUEST, b"N"),
        ("postgres", SSL_REQUEST, b"S"),
        ("mysql", b"", MYSQL),
        ("ssh", b"", b"SSH-2.0-OpenSSH_9.2\r\n"),
        ("ssh", b"", b"a banner\r\nSSH-2.0-OpenSSH_9.2\r\n"),
    ],
)
async def test_a_service_that_greets(look: Look, listen: Listen, scheme: str, ask: bytes, say: bytes) -> None:
    port = await listen(say, ask=ask)
    assert await look(f"{scheme}://127.0.0.1:{port}") == "answers"


@pytest.mark.parametrize(
    ("scheme", "ask", "say", "words"),
    [
        ("smtp", b"", b"421 too busy\r\n", "says '421 too busy'"),
        ("redis", b"PING\r\n", b"-LOADING Redis is loading the dataset in memory\r\n", "LOADING"),
        ("postgres", SSL_REQUEST, b"E", "says 'E'"),
        ("mysql", b"", MYSQL_FULL, "Too many connections"),
        ("ssh", b"", b"", "hangs up without a word"),
        ("redis", b"", b"HTTP/1.1 400 Bad Request\r\n", "HTTP/1.1 400"),
    ],
)
async def test_a_service_that_takes_connections_and_does_not_serve(
    look: Look, listen: Listen, scheme: str, ask: bytes, say: bytes, words: str
) -> None:
    port = await listen(say, ask=ask)
    with pytest.raises(FailedError, match=words):
        await look(f"{scheme}://127.0.0.1:{port}")


async def test_a_backlog_that_takes_connections_for_a_program_that_hangs(look: Look) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hung:
        port = hung.getsockname()[1]
        assert await look(f"tcp://127.0.0.1:{port}") == "takes connections"  # a bare connect proves nothing
        with pytest.raises(TimeoutError):
            await look(f"redis://127.0.0.1:{port}", 0.3)


async def test_a_certificate(look: Look, listen: Listen) -> None:
    port = await listen(b"x", tls=True)
    assert "its certificate is valid for" in await look(f"tls://localhost:{port}")
    with pytest.raises(NoRemedyError, match="its certificate ends in"):
        await look(HttpCheck(url=f"tls://localhost:{port}", certificate=86400.0 * 36500))
    plain = await listen(b"hello\n")
    with pytest.raises(FailedError, match="no TLS"):
        await look(f"tls://localhost:{plain}")


async def test_a_certificate_of_nobody_known(listen: Listen) -> None:
    port = await listen(b"x", tls=True)
    tools = Tools()
    from relay.watchdog.probes.certificate import TlsProbe  # noqa: PLC0415

    with pytest.raises(NoRemedyError, match="its certificate is refused: self"):
        await TlsProbe(f"tls://localhost:{port}").look(tools)
    await tools.close()


def test_how_long_a_certificate_is_valid() -> None:
    certificate = {"notAfter": "Jan  5 09:34:43 2030 GMT"}
    ends = 1893836083
    assert judge(certificate, 86400, ends - 3 * 86400).endswith("valid for 3 d")
    with pytest.raises(NoRemedyError, match="ends in 23 h"):
        judge(certificate, 86400, ends - 23 * 3600)


async def test_no_descriptor_is_left_behind(look: Look, listen: Listen) -> None:
    port = await listen(b"+PONG\r\n", ask=b"PING\r\n")
    await look(f"redis://localhost:{port}")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        await look(f"redis://localhost:{port}")
        await look(f"tcp://localhost:{port}")
        with pytest.raises(FailedError):
            await look(f"tcp://localhost:{closed_port()}")
    await asyncio.sleep(0.05)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2
