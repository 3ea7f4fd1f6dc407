"""tcp, tls, unix, dns and the greetings, against real listeners."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from pathlib import Path

import pytest

from relay.config.checks import Check, File, FileCheck, HttpCheck
from relay.config.schema import Watch
from relay.models import CheckRecord
from relay.watchdog.entry import Entry
from relay.watchdog.lag import Lag
from relay.watchdog.names import Names, Place
from relay.watchdog.patience import begin
from relay.watchdog.probes.certificate import judge
from relay.watchdog.probes.choose import probe_of
from relay.watchdog.standing import Moment
from relay.watchdog.tools import Tools
from relay.watchdog.verdict import FailedError, Kind, NoRemedyError, UnknownError
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
    async def no_name(self: Names, host: str) -> list[object]:
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


CHECKS = ("tcp://db.slow:1", "http://db.slow/", "redis://db.slow", "tls://db.slow:1")


async def test_a_resolver_that_is_silent_is_unknown_never_down(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, asked = threading.Event(), []

    def silent(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        release.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr("relay.watchdog.names.socket.getaddrinfo", silent)
    for check in CHECKS:
        watch = Watch(check=check, timeout=0.3)
        entry = Entry("db", watch, CheckRecord(name="db"), Moment(0, 0), 0.0)
        verdict = await entry.look(tools, Lag(), Moment(0, 0))
        assert (verdict.kind, verdict.text) == (
            Kind.UNKNOWN,
            f"{entry.target}: the name db.slow doesn't resolve in time",
        )
    assert asked == ["db.slow"]  # one thread, whoever asks
    begin(0.3)
    with pytest.raises(FailedError, match="the resolver is silent"):
        await probe_of("dns://db.slow", 0.3).look(tools)
    others = [asyncio.create_task(tools.names.lookup(f"{number}.slow")) for number in range(3)]
    await asyncio.sleep(0)
    begin(0.3)
    with pytest.raises(UnknownError, match="others don't resolve"):  # all threads are busy: nobody asked
        await probe_of("dns://db.fine", 0.3).look(tools)
    release.set()
    await asyncio.gather(*others, return_exceptions=True)


async def test_a_silent_address_leaves_time_for_the_others(
    tools: Tools, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as full:  # nobody takes from its queue: further connections are not answered
        full.bind(("127.0.0.2", 0))
        port = full.getsockname()[1]
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.2", port))
        with socket.create_server(("127.0.0.1", port)):

            async def both(self: Names, host: str) -> list[Place]:
                return [(socket.AF_INET, ("127.0.0.2", 0)), (socket.AF_INET, ("127.0.0.1", 0))]

            monkeypatch.setattr(Names, "lookup", both)
            begin(1.0)
            async with asyncio.timeout(1.0):
                assert await probe_of(f"tcp://db:{port}", 1.0).look(tools) == "takes connections"
        for each in waiting:
            each.close()


async def test_what_relay_itself_lacks_is_unknown_never_down(
    look: Look, tools: Tools, listen: Listen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = await listen(b"+PONG\r\n", ask=b"PING\r\n")
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)
        await tools.names.lookup("localhost")  # its thread is there

        def none(*_: object, **__: object) -> socket.socket:
            raise OSError(errno.EMFILE, "Too many open files")

        monkeypatch.setattr("socket.socket", none)
        checks: tuple[Check, ...] = (
            f"tcp://localhost:{port}",
            f"http://127.0.0.1:{port}/",
            f"http://localhost:{port}/",
            f"tls://localhost:{port}",
            f"redis://localhost:{port}",
            f"unix://{path}",
        )
        for check in checks:
            with pytest.raises(UnknownError, match="too many open files"):
                await look(check)
        monkeypatch.undo()


async def test_no_thread_for_it_is_unknown_never_down(
    look: Look, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    probe = probe_of(FileCheck(file=File(path="/etc/passwd")), 3.0)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none)
        for _ in range(2):
            with pytest.raises(UnknownError, match="can't start a thread"):
                await probe.look(tools)
    assert "bytes" in await probe.look(tools)


async def test_a_full_queue_of_a_unix_socket(look: Look, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as waiting:
        server.bind(str(tmp_path / "s"))
        server.listen(0)
        waiting.connect(str(tmp_path / "s"))
        with pytest.raises(FailedError, match="queue of connections is full"):
            await look(f"unix://{tmp_path}/s")


async def test_a_socket_of_packets(look: Look, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(str(tmp_path / "s"))
        server.listen(1)
        assert await look(f"unix://{tmp_path}/s") == "takes connections"


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


STARTUP = b"\x00\x00\x00\x29\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00\x00"
STRANGER = b"E\x00\x00\x00\x40SFATAL\x00VFATAL\x00C28000\x00Mno pg_hba.conf entry\x00\x00"
STARTING = b"E\x00\x00\x00\x40SFATAL\x00VFATAL\x00C57P03\x00Mthe database system is starting up\x00\x00"


@pytest.mark.parametrize(
    ("scheme", "ask", "say"),
    [
        ("smtp", b"", b"220 mail.example.com ESMTP\r\n"),
        ("redis", b"PING\r\n", b"+PONG\r\n"),
        ("redis", b"PING\r\n", b"-NOAUTH Authentication required.\r\n"),
        ("postgres", STARTUP, b"R\x00\x00\x00\x17\x00\x00\x00\nSCRAM-SHA-256\x00\x00"),
        ("postgres", STARTUP, STRANGER),
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
        ("postgres", STARTUP, STARTING, "the database system is starting up"),
        ("postgres", STARTUP, STARTING.replace(b"57P03", b"53300"), "C53300"),
        ("postgres", STARTUP, b"HTTP/1.1 400 Bad Request\r\n", "HTTP/1.1 400"),
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


async def test_the_lines_before_an_ssh_greeting_may_come_first(look: Look) -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in (b"a banner\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.02)
        await reader.read()
        writer.close()
        await writer.wait_closed()
        ended.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        assert await look(f"ssh://127.0.0.1:{server.sockets[0].getsockname()[1]}") == "answers"
        await ended.wait()


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
