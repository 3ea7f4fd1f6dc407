"""The spool: bounded, shared, and whole after a kill."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.client.spool import Spool, default_path


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(str(tmp_path / "spool"), 1000)


def drained(spool: Spool) -> list[bytes]:
    lines: list[bytes] = []
    while (piece := spool.peek()).size:
        lines += piece.lines
        spool.drop(piece.size)
    return lines


def test_lines_come_out_in_order_and_the_file_shrinks(spool: Spool) -> None:
    assert not spool.waiting()
    spool.add([b"one\n", b"two\n"])
    spool.add([b"three\n"])
    assert spool.waiting()
    assert drained(spool) == [b"one\n", b"two\n", b"three\n"]
    assert not spool.waiting()
    assert Path(spool.path).stat().st_size < 100
    assert stat.S_IMODE(Path(spool.path).stat().st_mode) == 0o600


def test_what_was_sent_is_not_sent_again_after_a_kill(spool: Spool) -> None:
    spool.add([b"one\n", b"two\n"])
    spool.drop(len(b"one\n"))
    assert Spool(spool.path, 1000).peek().lines == [b"two\n"]


def test_a_full_one_keeps_the_oldest_and_counts_the_others(spool: Spool) -> None:
    spool.add([b"%03d\n" % number for number in range(500)])
    kept = drained(spool)
    assert kept == [b"%03d\n" % number for number in range(len(kept))]
    assert 200 < len(kept) < 250
    assert spool.lost() == 500 - len(kept)
    assert spool.waiting()
    spool.told(spool.lost())
    assert spool.lost() == 0
    assert not spool.waiting()


@pytest.mark.parametrize("damage", [b"", b"torn", b"x" * 41, b"0" * 100])
def test_a_damaged_file_is_used_again(spool: Spool, damage: bytes) -> None:
    Path(spool.path).write_bytes(damage)
    spool.add([b"new\n"])
    assert drained(spool)[-1] == b"new\n"


def test_a_torn_last_line_does_not_spoil_the_next(spool: Spool) -> None:
    spool.add([b"one\n"])
    with Path(spool.path).open("ab") as file:
        file.write(b'{"torn')
    spool.add([b"two\n"])
    assert drained(spool) == [b"one\n", b'{"torn\n', b"two\n"]


def test_a_file_laid_in_the_way_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic"):
        Spool(str(tmp_path / "link"), 1000).add([b"x\n"])
    (tmp_path / "theirs").touch()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(PermissionError, match="not a file of our own"):
        Spool(str(tmp_path / "theirs"), 1000).add([b"x\n"])
    assert not (tmp_path / "target").exists()


def test_one_process_at_a_time_sends(spool: Spool) -> None:
    with spool.turn() as first, Spool(spool.path, 1000).turn() as second:
        assert (first, second) == (True, False)
    with spool.turn() as again:
        assert again


def test_processes_share_it(spool: Spool) -> None:
    program = """if True:
        import sys
        from relay.client.spool import Spool
        spool = Spool(sys.argv[1], 10**6)
        for number in range(300):
            spool.add([b"%s %d\\n" % (sys.argv[2].encode(), number)])
    """
    writers = [subprocess.Popen([sys.executable, "-c", program, spool.path, name]) for name in ("a", "b")]
    lines: list[bytes] = []
    while any(writer.poll() is None for writer in writers):
        lines += drained(spool)
    lines += drained(spool)
    assert [writer.returncode for writer in writers] == [0, 0]
    for name in (b"a", b"b"):
        assert [line for line in lines if line.startswith(name)] == [
            b"%s %d\n" % (name, n) for n in range(300)
        ]


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert default_path() == str(tmp_path / "state/relay/spool.jsonl")
    assert stat.S_IMODE((tmp_path / "state/relay").stat().st_mode) == 0o700
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/no/such")
    assert default_path() == f"/var/tmp/relay-spool-{os.geteuid()}.jsonl"
    monkeypatch.delenv("XDG_STATE_HOME")
    assert default_path() == f"/var/tmp/relay-spool-{os.geteuid()}.jsonl"


LINE = st.binary(min_size=1, max_size=20).map(
    lambda data: data.replace(b"\n", b".").replace(b" ", b".") + b"\n"
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.lists(LINE.filter(bytes.strip), max_size=5) | st.none(), max_size=12))
def test_it_is_a_queue(tmp_path: Path, steps: list[list[bytes] | None]) -> None:
    path = tmp_path / "queue"
    path.unlink(missing_ok=True)
    spool = Spool(str(path), 10**6)
    model: list[bytes] = []
    for step in steps:
        if step is None:
            assert drained(spool) == model
            model = []
        else:
            spool.add(step)
            model += step
    assert drained(spool) == model
