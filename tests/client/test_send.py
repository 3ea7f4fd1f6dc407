"""`relay.client.send`, and what importing it costs."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from relay.client import RelayRefused, RelayUnavailable, send
from relay.client.wire import MAX_LINE, encode_line
from tests.client.fake import fake_relay
from tests.sources.rig import rigged


def test_it_waits_until_relay_has_it(tmp_path: Path) -> None:
    with fake_relay(tmp_path) as relay:
        given = send(
            "boom",
            module="pay",
            level="critical",
            labels={"host": "a", "n": 1},
            time=5.0,
            socket_path=str(relay.path),
        )
        (line,) = relay.seen
    assert line == {
        "message": "boom",
        "module": "pay",
        "level": "critical",
        "labels": {"host": "a", "n": 1},
        "time": 5.0,
        "id": given,
    }
    assert len(given) >= 16


def test_the_environment_names_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_relay(tmp_path) as relay:
        monkeypatch.setenv("RELAY_SOCKET", str(relay.path))
        assert send("boom", id="mine") == "mine"
        assert relay.stored["mine"]["message"] == "boom"


def test_a_relay_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RelayUnavailable, match=r"can't reach relay at .*relay\.sock: No such file"):
        send("boom", socket_path=str(tmp_path / "relay.sock"))


def test_a_relay_that_does_not_answer(tmp_path: Path) -> None:
    with (
        fake_relay(tmp_path, lambda _: None) as relay,
        pytest.raises(RelayUnavailable, match=r"timed out|in time"),
    ):
        send("boom", socket_path=str(relay.path), timeout=0.02)


def test_a_relay_with_a_full_backlog(tmp_path: Path) -> None:
    path = str(tmp_path / "relay.sock")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        with pytest.raises(RelayUnavailable, match="in time"):
            send("boom", socket_path=path, timeout=0.03)


def test_a_relay_that_hangs_up(tmp_path: Path) -> None:
    path = str(tmp_path / "relay.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
        with (
            fake_relay(tmp_path, lambda _: _hang_up()) as relay,
            pytest.raises(RelayUnavailable, match=r"closed|reset"),
        ):
            send("boom", socket_path=str(relay.path))


def _hang_up() -> dict[str, Any]:
    raise OSError("hang up")


@pytest.mark.parametrize(("retry", "error"), [(True, RelayUnavailable), (False, RelayRefused)])
def test_a_refusal_says_whether_to_send_again(tmp_path: Path, *, retry: bool, error: type[Exception]) -> None:
    answer = {"ok": False, "id": "x", "error": "because"} | ({"retry": True} if retry else {})
    with fake_relay(tmp_path, lambda _: answer) as relay, pytest.raises(error, match="because"):
        send("boom", socket_path=str(relay.path))


def test_without_waiting(tmp_path: Path) -> None:
    with fake_relay(tmp_path, lambda _: None) as relay:
        assert not send("boom", socket_path=str(relay.path), wait=False)
        while not relay.seen:
            pass
        assert relay.seen == [{"message": "boom", "level": "error"}]


def test_a_long_message_is_cut_and_marked() -> None:
    for message in ("x" * 1_000_000, "\x01" * 300_000, "中" * 300_000):
        line = encode_line(message, id="a")
        assert MAX_LINE // 2 < len(line) <= MAX_LINE
        assert json.loads(line)["message"].endswith("… [cut]")


def test_values_that_json_does_not_know() -> None:
    line = json.loads(encode_line("lone \ud800", labels={"path": Path("/x")}))
    assert line["message"] == "lone ?"
    assert line["labels"] == {"path": "/x"}


async def test_the_real_socket_understands_it(tmp_path: Path) -> None:
    import asyncio  # noqa: PLC0415 - this test alone

    async with rigged(tmp_path) as rig:
        given = await asyncio.to_thread(send, "boom", labels={"host": "a"}, socket_path=str(rig.path))
        (event,) = rig.events
        assert (event.message, event.id, event.labels) == ("boom", given, {"host": "a"})
        with pytest.raises(RelayRefused, match="level is"):
            await asyncio.to_thread(send, "boom", level="loud", socket_path=str(rig.path))


def test_importing_it_is_cheap() -> None:
    program = "import sys, relay.client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {
        "logging",
        "asyncio",
        "threading",
        "subprocess",
        "pathlib",
        "traceback",
        "dataclasses",
        "ssl",
        "uuid",
    }
    heavy |= {"msgspec", "structlog", "aiohttp", "yaml", "relay.models", "socketserver", "datetime", "fcntl"}
    assert not heavy & set(done.stdout.split())


def test_the_handler_is_found_by_name() -> None:
    settings = {"version": 1, "handlers": {"relay": {"class": "relay.client.RelayHandler"}}}
    program = f"import logging.config; logging.config.dictConfig({settings})"
    subprocess.run([sys.executable, "-c", program], check=True)
