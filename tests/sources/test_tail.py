"""What is promised of tailed files, fault by fault."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from relay.sources import generation as generation_module
from relay.sources import turns
from relay.sources.content import Content, open_content
from tests.sources.following import Following, close_all


def append(path: Path, text: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(text.encode() if isinstance(text, str) else text)


def numbered(begin: int, end: int) -> list[str]:
    return [f"line {number} of the log" for number in range(begin, end)]


def text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    close_all()


# --- where reading begins ---


async def test_what_is_there_at_the_first_start_is_skipped_and_later_files_are_not(log: Path) -> None:
    append(log, "old\n" * 100_000)
    relay = Following(log.parent / "*.log")
    assert await relay.look() == []
    append(log, "new\n")
    append(log.with_name("later.log"), "first\n")
    assert await relay.look() == ["new", "first"]


async def test_the_first_start_may_begin_at_the_beginning(log: Path) -> None:
    append(log, "old\n")
    assert await Following(log, start="beginning").look() == ["old"]


async def test_a_line_that_is_being_written_at_the_first_start_is_whole(log: Path) -> None:
    append(log, "old\nhalf")
    relay = Following(log)
    assert await relay.look() == []
    append(log, " and half\n")
    assert await relay.look() == ["half and half"]


async def test_what_was_skipped_stays_skipped_after_a_restart(log: Path) -> None:
    append(log, "old\n")
    relay = Following(log)
    await relay.look()
    await relay.stop()
    append(log, "new\n")
    assert await relay.look() == ["new"]


async def test_a_file_that_was_created_while_relay_was_away_is_read_from_its_beginning(log: Path) -> None:
    relay = Following(log.parent / "*.log")
    await relay.look()
    await relay.stop()
    append(log, "first\n")
    assert await relay.look() == ["first"]


async def test_rotated_files_of_the_time_before_relay_are_never_read(log: Path) -> None:
    append(log.with_name("app.log.1"), text(numbered(0, 9)))
    log.touch()
    relay = Following(log)
    await relay.look()
    append(log, "new\n")
    assert await relay.look() == ["new"]
    log.with_name("app.log.1").rename(log.with_name("app.log.2"))
    log.rename(log.with_name("app.log.1"))
    append(log, "newer\n")
    assert await relay.look() == ["newer"]


async def test_an_idle_file_with_a_position_is_read_on(log: Path) -> None:
    append(log, "one\n")
    relay = Following(log, start="beginning")
    await relay.look()
    await relay.stop()
    os.utime(log, (1, 1))
    assert await relay.later(1_000_000) == []
    append(log, "two\n")
    assert await relay.look() == ["two"]


async def test_what_nobody_wanted_isnt_read_again(log: Path) -> None:
    relay = Following(log, start="beginning")
    append(log, "\n" * 10_000)  # lines without events: only the position moves
    await relay.look()
    await relay.stop()
    [position] = relay.positions.values()
    assert position.offset == 10_000


# --- lines ---


async def test_half_a_line_waits_for_its_end_over_a_kill(log: Path) -> None:
    log.touch()
    relay = Following(log)
    await relay.look()
    append(log, "whole\nhal")
    assert await relay.look() == ["whole"]
    relay.crash()
    assert await relay.look() == []
    append(log, "f\n")
    assert await relay.look() == ["half"]


async def test_a_very_long_line_is_cut_and_the_next_one_follows(log: Path) -> None:
    log.touch()
    relay = Following(log, max_line=1000)
    await relay.look()
    append(log, b"x" * 3_000_000 + b"\nnext\n")
    cut, following = await relay.look()
    assert cut.startswith("x" * 1000)
    assert "2999000 bytes cut" in cut
    assert following == "next"


async def test_odd_bytes_do_no_harm_and_offsets_are_exact(log: Path) -> None:
    data = b"nul\0l\r\n\xff\xfe\xff bad\nlone\rcr\n\n\x85\n" + "😀 日志\n".encode()
    relay = Following(log, start="beginning")
    append(log, data)
    await relay.look()
    offsets = [int(event.origin.rpartition(":")[2]) for event in relay.events]
    ends = [data.index(b"\n", offset) for offset in offsets]
    assert offsets == sorted(offsets)
    assert all(offset == 0 or data[offset - 1 : offset] == b"\n" for offset in offsets)
    assert relay.messages[-1] == "😀 日志"
    assert len(ends) >= 4


async def test_encodings(log: Path) -> None:
    gbk, wide = log.with_name("gbk.log"), log.with_name("wide.log")
    gbk.write_bytes("退款失败\n超时\n".encode("gbk"))
    wide.write_bytes("\ufeff退款失败\r\n超时\r\n".encode("utf-16-be"))
    for path, encoding in ((gbk, "gbk"), (wide, "utf-16")):
        relay = Following(path, start="beginning", encoding=encoding)
        assert await relay.look() == ["退款失败", "超时"]


async def test_wide_lines_are_followed_over_a_restart(log: Path) -> None:
    relay = Following(log, start="beginning", encoding="utf-16")
    log.write_bytes("\ufeffeins\nzw".encode("utf-16-be"))
    assert await relay.look() == ["eins"]
    await relay.stop()
    append(log, "ei\n".encode("utf-16-be"))
    assert await relay.look() == ["zwei"]


async def test_a_stack_trace_is_one_event_and_isnt_torn_by_a_stop(log: Path) -> None:
    trace = [
        "2026-03-01 10:00:00,123 ERROR pay.refund: no answer",
        "Traceback (most recent call last):",
        '  File "pay.py", line 3, in refund',
        "TimeoutError: 3000 ms",
    ]
    log.touch()
    relay = Following(log, format="python")
    await relay.look()
    append(log, text(trace[:2]))
    assert await relay.look() == []
    await relay.stop()  # pending: it is read again
    append(log, text(trace[2:]))
    assert await relay.look() == []
    [message] = await relay.later(1.0)
    assert message.count("\n") == 3
    assert message.endswith("TimeoutError: 3000 ms")


# --- rotation ---


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
async def test_three_rotations_between_two_looks(log: Path, pattern: str) -> None:
    log.touch()
    relay = Following(log.parent / pattern)
    await relay.look()
    for turn in range(4):
        append(log, text(numbered(turn * 10, turn * 10 + 10)))
        if turn < 3:
            for number in range(turn, 0, -1):
                log.with_name(f"app.log.{number}").rename(log.with_name(f"app.log.{number + 1}"))
            log.rename(log.with_name("app.log.1"))
    assert await relay.look() == numbered(0, 40)


async def test_rotations_with_dates_are_read_in_their_order(log: Path) -> None:
    log.touch()
    relay = Following(log)
    await relay.look()
    await relay.stop()
    for turn, name in enumerate(["app.log-20260301", "app.log-20260302", "app.log-20260303"]):
        append(log, text(numbered(turn, turn + 1)))
        log.rename(log.with_name(name))
    append(log, text(numbered(3, 4)))
    assert await relay.look() == numbered(0, 4)


async def test_a_writer_that_hasnt_noticed_the_rotation_is_heard(log: Path) -> None:
    log.touch()
    relay = Following(log)
    with log.open("a", buffering=1) as writer:
        await relay.look()
        log.rename(log.with_name("app.log.1"))
        log.touch()
        assert await relay.look() == []
        writer.write("late\n")
        append(log, "new\n")
        assert sorted(await relay.look()) == ["late", "new"]
        await relay.later(60)
        writer.write("very late\n")
        assert await relay.look() == ["very late"]


async def test_half_a_line_at_the_end_of_a_rotated_file_comes_when_it_is_over(log: Path) -> None:
    log.touch()
    relay = Following(log)
    await relay.look()
    append(log, "whole\nhalf")
    log.rename(log.with_name("app.log.1"))
    append(log, "new\n")
    assert await relay.look() == ["whole", "new"]
    assert await relay.later(turns.GRACE + 1) == ["half"]
    assert await relay.later(turns.GRACE + 1) == []


async def test_a_deleted_file_is_read_to_its_end_and_let_go(log: Path) -> None:
    log.touch()
    relay = Following(log)
    await relay.look()
    append(log, text(numbered(0, 5000)))
    with log.open("a") as writer:
        log.unlink()
        assert await relay.look() == numbered(0, 5000)
        writer.write("last words\n")
        writer.flush()
        assert await relay.later(turns.GRACE) == ["last words"]
    await relay.later(turns.GRACE + 0.1)
    assert deleted() == []


def deleted() -> list[str]:
    """Descriptors of this process whose file is gone."""
    links = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return [each for each in links if each.endswith("app.log (deleted)")]


@pytest.mark.parametrize("while_away", [False, True])
async def test_a_truncated_file_that_has_grown_beyond_what_was_read(log: Path, while_away: bool) -> None:  # noqa: FBT001
    append(log, text(numbered(0, 100)))
    relay = Following(log, start="beginning")
    await relay.look()
    if while_away:
        await relay.stop()
    log.write_text(text(numbered(1000, 1200)))
    assert await relay.look() == numbered(1000, 1200)


@pytest.mark.parametrize("while_away", [False, True])
async def test_an_inode_that_was_given_to_the_next_file(log: Path, while_away: bool) -> None:  # noqa: FBT001
    append(log, text(numbered(0, 100)))
    relay = Following(log, start="beginning")
    await relay.look()
    inode = log.stat().st_ino
    if while_away:
        await relay.stop()
    # What ext4 does at once after a deletion, whatever the file system here does: other bytes in that inode.
    os.truncate(log, 0)
    append(log, text(numbered(1000, 1200)))
    assert log.stat().st_ino == inode
    assert await relay.look() == numbered(1000, 1200)


async def test_a_file_that_was_rewritten_with_the_same_length(log: Path) -> None:
    append(log, "aaaa\n")
    relay = Following(log, start="beginning")
    await relay.look()
    log.write_text("bbbb\n")
    os.utime(log, (5, 5))
    assert await relay.look() == ["bbbb"]


async def test_touching_a_file_is_nothing_new(log: Path) -> None:
    append(log, "one\n")
    relay = Following(log, start="beginning")
    await relay.look()
    os.utime(log, (5, 5))
    assert await relay.look() == []


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
@pytest.mark.parametrize("while_away", [False, True])
async def test_copytruncate_sends_the_missing_part_and_not_the_copy(
    log: Path,
    pattern: str,
    while_away: bool,  # noqa: FBT001
) -> None:
    append(log, text(numbered(0, 100)))
    relay = Following(log.parent / pattern, start="beginning")
    await relay.look()
    if while_away:
        await relay.stop()
    append(log, text(numbered(100, 200)))
    shutil.copyfile(log, log.with_name("app.log.1"))
    os.truncate(log, 0)
    append(log, text(numbered(200, 300)))
    assert await relay.look() == numbered(100, 300)
    await relay.stop()
    assert await relay.look() == []
    assert relay.gaps == []


async def test_a_copy_in_the_making_isnt_sent(log: Path) -> None:
    append(log, text(numbered(0, 200)))
    relay = Following(log.parent / "app.log*", start="beginning")
    await relay.look()
    copy = log.with_name("app.log.1")
    data = log.read_bytes()
    for upto in (0, 10, 2000, len(data)):
        copy.write_bytes(data[:upto])
        append(log, f"line at {upto}\n")
        assert await relay.look() == [f"line at {upto}"]
    os.truncate(log, 0)
    append(log, "after\n")
    assert await relay.look() == ["after"]


async def test_a_copy_that_stays_isnt_sent_either(log: Path) -> None:
    append(log, text(numbered(0, 200)))
    relay = Following(log.parent / "app.log*", start="beginning")
    await relay.look()
    shutil.copyfile(log, log.with_name("app.log.bak"))
    assert await relay.look() == []
    assert await relay.later(60) == []
    append(log.with_name("app.log.bak"), "but what is added is\n")
    assert await relay.look() == ["but what is added is"]


async def test_files_that_begin_alike_are_told_apart(log: Path) -> None:
    banner = text(["* the application *"] * 100)
    relay = Following(log.parent / "*.log", start="beginning")
    for name in ("app.log", "app-1.log", "other.log"):
        append(log.with_name(name), banner + f"{name} 1\n")
    first = await relay.look()
    assert len(first) == 303
    append(log.with_name("app-2.log"), banner + "app-2.log 1\n")
    assert (await relay.look())[-1] == "app-2.log 1"
    for name in ("app.log", "app-1.log", "app-2.log", "other.log"):
        append(log.with_name(name), f"{name} 2\n")
    assert sorted(await relay.look()) == ["app-1.log 2", "app-2.log 2", "app.log 2", "other.log 2"]


async def test_short_equal_files_are_all_read(log: Path) -> None:
    relay = Following(log.parent / "*.log", start="beginning")
    for name in ("app.log", "a.log", "b.log"):
        append(log.with_name(name), "started\n")
    assert await relay.look() == ["started"] * 3
    append(log.with_name("app-1.log"), "started\n")
    await relay.look()
    await relay.later(10)
    assert relay.messages == ["started"] * 4


async def test_a_stale_writer_after_copytruncate_leaves_a_hole(log: Path) -> None:
    relay = Following(log, start="beginning", max_line=100)
    with log.open("w") as writer:
        writer.write(text(numbered(0, 100)))
        writer.flush()
        await relay.look()
        os.truncate(log, 0)
        await relay.look()
        writer.write("after the hole\n")
        writer.flush()
    assert await relay.look() == ["after the hole"]


# --- compression ---


def gz(path: Path) -> Path:
    return squeezed(path, ".gz", gzip.compress)


def squeezed(path: Path, suffix: str, compress: Callable[[bytes], bytes]) -> Path:
    """As gzip does: the compressed file keeps the time of the last write."""
    packed, times = Path(f"{path}{suffix}"), path.stat()
    packed.write_bytes(compress(path.read_bytes()))
    os.utime(packed, ns=(times.st_atime_ns, times.st_mtime_ns))
    path.unlink()
    return packed


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
)
@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
async def test_the_missing_part_is_read_from_the_compressed_file(
    log: Path, pattern: str, suffix: str, compress: Callable[[bytes], bytes]
) -> None:
    append(log, text(numbered(0, 1000)))
    relay = Following(log.parent / pattern, start="beginning")
    await relay.look()
    await relay.stop()
    append(log, text(numbered(1000, 2000)))
    log.rename(log.with_name("app.log.1"))
    squeezed(log.with_name("app.log.1"), suffix, compress)
    append(log, text(numbered(2000, 2100)))
    assert await relay.look() == numbered(1000, 2100)
    await relay.stop()
    assert await relay.look() == []
    assert relay.gaps == []


async def test_generations_that_were_compressed_while_relay_was_away_are_read_in_order(log: Path) -> None:
    append(log, text(numbered(0, 100)))
    relay = Following(log, start="beginning")
    await relay.look()
    await relay.stop()
    for turn in range(1, 4):
        append(log, text(numbered(turn * 100, turn * 100 + 100)))
        log.rename(log.with_name(f"app.log-2026030{turn}"))
        gz(log.with_name(f"app.log-2026030{turn}"))
    append(log, text(numbered(400, 410)))
    assert await relay.look() == numbered(100, 410)


async def test_compressing_what_was_read_sends_nothing(log: Path) -> None:
    log.touch()
    relay = Following(log.parent / "app.log*")
    await relay.look()
    for turn in range(3):
        append(log, text(numbered(turn, turn + 1)))
        for number in range(turn, 0, -1):
            log.with_name(f"app.log.{number}.gz").rename(log.with_name(f"app.log.{number + 1}.gz"))
        log.rename(log.with_name("app.log.1"))
        log.touch()
        assert await relay.look() == numbered(turn, turn + 1)
        gz(log.with_name("app.log.1"))
        assert await relay.look() == []
        await relay.stop()
        assert await relay.look() == []
    assert relay.gaps == []


# --- gaps ---


async def test_what_was_rotated_away_while_relay_was_off_is_reported(log: Path) -> None:
    append(log, text(numbered(0, 100)))
    relay = Following(log, start="beginning")
    await relay.look()
    await relay.stop()
    log.unlink()
    append(log, text(numbered(200, 300)))
    assert await relay.look() == numbered(200, 300)
    [gap] = relay.gaps
    assert gap.path == str(log)
    assert "after byte" in gap.text
    await relay.look()
    assert len(relay.gaps) == 1


async def test_what_was_seen_and_cut_away_is_reported_with_its_bytes(log: Path) -> None:
    log.touch()
    relay = Following(log)
    await relay.look()
    append(log, text(numbered(0, 10_000)))
    size = log.stat().st_size
    await relay.glance()
    os.truncate(log, 0)
    await relay.look()
    [gap] = relay.gaps
    assert f"to {size}" in gap.text


async def test_a_truncation_after_everything_was_read_is_no_gap(log: Path) -> None:
    append(log, text(numbered(0, 100)))
    relay = Following(log, start="beginning")
    await relay.look()
    os.truncate(log, 0)
    await relay.look()
    append(log, "new\n")
    assert await relay.look() == ["new"]
    assert relay.gaps == []


async def test_a_damaged_compressed_file_is_a_gap(log: Path) -> None:
    append(log, text([os.urandom(20).hex() for _ in range(3000)]))
    relay = Following(log)
    await relay.look()
    await relay.stop()
    append(log, text([os.urandom(20).hex() for _ in range(3000)]))
    log.rename(log.with_name("app.log.1"))
    packed = gz(log.with_name("app.log.1"))
    os.truncate(packed, packed.stat().st_size - 5000)
    append(log, "new\n")
    assert (await relay.look())[-1] == "new"
    assert len(relay.gaps) == 1


# --- what isn't a log ---


async def test_odd_files_are_ignored(log: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.log")
    (tmp_path / "folder.log").mkdir()
    (tmp_path / "dangling.log").symlink_to("nowhere")
    append(tmp_path / "packed.log.gz", gzip.compress(b"packed\n"))
    append(log, "one\n")
    relay = Following(tmp_path / "*.log*", start="beginning")
    assert await relay.look() == ["one"]
    assert relay.troubles == []


async def test_symlinks_are_followed_only_if_asked(log: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    append(secret, "canary\n")
    log.symlink_to(secret)
    assert await Following(log, start="beginning").look() == []
    relay = Following(log, start="beginning", follow_symlinks=True)
    assert await relay.look() == ["canary"]
    append(secret, "more\n")
    assert await relay.look() == ["more"]


async def test_a_file_that_becomes_a_symlink_between_the_look_and_the_opening(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(tmp_path / "secret", "canary\n")
    append(log, "one\n")

    def swap(path: str, **options: Any) -> Content:
        log.unlink()
        log.symlink_to("secret")
        return open_content(path, **options)

    monkeypatch.setattr(generation_module, "open_content", swap)
    assert await Following(log, start="beginning").look() == []


async def test_hard_links_are_one_file(log: Path) -> None:
    append(log, "one\n")
    log.with_name("link.log").hardlink_to(log)
    relay = Following(log.parent / "*.log", start="beginning")
    assert await relay.look() == ["one"]
    assert await relay.look() == []
    append(log, "two\n")
    assert await relay.look() == ["two"]


async def test_odd_names_are_followed_and_shown_with_escapes(tmp_path: Path) -> None:
    for name in (b"new\nline.log", b"\xff.log", b"x" * 251 + b".log", b"ok.log"):
        append(tmp_path / os.fsdecode(name), "one\n")
    relay = Following(tmp_path / "*.log", start="beginning")
    assert await relay.look() == ["one"] * 4
    origins = sorted(Path(event.origin).name for event in relay.events)
    assert origins[:3] == ["\\xff.log:0", "new\\nline.log:0", "ok.log:0"]


async def test_exclude(log: Path) -> None:
    append(log, "one\n")
    append(log.with_name("debug.log"), "two\n")
    relay = Following(log.parent / "*.log", start="beginning", exclude=(str(log.parent / "debug*"),))
    assert await relay.look() == ["one"]


# --- what can't be read now ---


def refuse(monkeypatch: pytest.MonkeyPatch, code: int) -> Callable[[], None]:
    """Opening fails from now on, until the result is called."""
    refusing = True

    def opened(path: str, **options: Any) -> Content:
        if refusing:
            raise OSError(code, os.strerror(code), path)
        return open_content(path, **options)

    def allow() -> None:
        nonlocal refusing
        refusing = False

    monkeypatch.setattr(generation_module, "open_content", opened)
    return allow


@pytest.mark.parametrize(("code", "kind"), [(errno.EACCES, "unreadable"), (errno.EMFILE, "open_files")])
async def test_an_unreadable_file_is_told_once_and_read_when_it_can_be(
    log: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: str
) -> None:
    append(log, "one\n")
    relay = Following(log, start="beginning")
    allow = refuse(monkeypatch, code)
    for _ in range(5):
        assert await relay.look() == []
    assert [(each.kind, each.cleared) for each in relay.troubles] == [(kind, False)]
    allow()
    assert await relay.look() == ["one"]
    assert [each.cleared for each in relay.troubles] == [False, True]


async def test_an_unreadable_rotated_file_doesnt_stop_the_new_one(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(log, "one\n")
    relay = Following(log, start="beginning")
    await relay.look()
    await relay.stop()
    append(log, "two\n")
    log.rename(log.with_name("app.log.1"))
    append(log, "three\n")
    allow = refuse(monkeypatch, errno.EACCES)

    def old_only(path: str, **options: Any) -> Content:
        if path.endswith(".1"):
            raise OSError(errno.EACCES, "Permission denied", path)
        return open_content(path, **options)

    monkeypatch.setattr(generation_module, "open_content", old_only)
    assert await relay.look() == ["three"]
    allow()
    monkeypatch.setattr(generation_module, "open_content", open_content)
    assert await relay.look() == ["two"]


async def test_a_folder_that_appears_later(tmp_path: Path) -> None:
    relay = Following(tmp_path / "later" / "*" / "*.log")
    assert await relay.look() == []
    (tmp_path / "later" / "x").mkdir(parents=True)
    append(tmp_path / "later" / "x" / "app.log", "one\n")
    assert await relay.look() == ["one"]
    shutil.rmtree(tmp_path / "later")
    await relay.look()
    (tmp_path / "later" / "x").mkdir(parents=True)
    append(tmp_path / "later" / "x" / "app.log", "two\n")
    assert await relay.look() == ["two"]


# --- many files, big files ---


async def test_few_files_are_held_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "OPEN", 10)
    for number in range(50):
        append(tmp_path / f"{number}.log", "one\n")
    before = len(list(Path("/proc/self/fd").iterdir()))
    relay = Following(tmp_path / "*.log", start="beginning")
    assert len(await relay.look()) == 50
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= 10
    await relay.later(60)
    assert relay.tail.status()["open"] == 0
    append(tmp_path / "7.log", "two\n")
    assert await relay.look() == ["two"]


async def test_files_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LEAST", 64)
    monkeypatch.setattr(turns, "MOST", 64)
    relay = Following(tmp_path / "*.log")
    await relay.look()
    append(tmp_path / "big.log", text(numbered(0, 1000)))
    append(tmp_path / "small.log", "small\n")
    messages = await relay.look()
    assert len(messages) == 1001
    assert messages.index("small") < 20


async def test_a_full_intake_makes_the_tail_wait(log: Path) -> None:
    log.touch()
    relay = Following(log)
    await relay.look()
    append(log, text(numbered(0, 10_000)))
    await relay.glance()
    assert 0 < relay.tail.status()["behind"] < log.stat().st_size
    assert 0 < sum(len(batch.events) for batch in relay.waiting) < 10_000
    await relay.look()
    assert relay.messages == numbered(0, 10_000)


async def test_status(log: Path) -> None:
    append(log, "one\n")
    relay = Following(log, start="beginning")
    await relay.look()
    status = relay.tail.status()
    assert (status["files"], status["behind"], status["unreadable"]) == (1, 0, [])


async def test_positions_of_idle_files_are_saved_again_in_time(log: Path) -> None:
    append(log, "one\n")
    relay = Following(log, start="beginning")
    await relay.look()
    [before] = relay.positions.values()
    await relay.later(100_000)
    [after] = relay.positions.values()
    assert after.seen_at > before.seen_at + 90_000


async def test_a_rotated_file_is_forgotten_in_time(log: Path) -> None:
    log.touch()
    relay = Following(log)
    await relay.look()
    for turn in range(5):
        log.rename(log.with_name(f"app.log.{turn}"))
        log.touch()
        await relay.look()
    await relay.later(10)
    await relay.later(10_000)
    assert len(relay.tail._register.files) == 1


@pytest.mark.parametrize("committed", range(7))
async def test_a_crash_while_missed_generations_are_read_forgets_none_of_them(
    log: Path, committed: int
) -> None:
    """They were written at different times, and found at one: the position of one mustn't hide the next."""
    append(log, text(numbered(0, 3)))
    relay = Following(log, start="beginning")
    await relay.look()
    await relay.stop()
    for number in range(1, 5):  # four rotations while relay is away
        append(log, text(numbered(number * 10, number * 10 + 3)))
        for older in range(number, 0, -1):
            name = log if older == 1 else log.with_name(f"app.log.{older - 1}")
            name.rename(log.with_name(f"app.log.{older}"))
        at = relay.clock.now() + number * 10
        os.utime(log.with_name("app.log.1"), (at, at))
    append(log, text(numbered(50, 53)))
    relay.clock.advance(100)
    await relay.look(commit=False)
    relay.commit(committed)
    relay.crash()
    await relay.look()
    await relay.later(10.0)
    assert sorted(relay.messages) == sorted(
        [
            *numbered(0, 3),
            *(line for number in range(1, 6) for line in numbered(number * 10, number * 10 + 3)),
        ]
    )


async def test_compressing_a_live_log_by_hand_sends_nothing_again(log: Path) -> None:
    append(log, text(numbered(0, 200)))
    relay = Following(log.parent / "*", start="beginning")
    await relay.look()
    log.with_name("app.log.gz").write_bytes(gzip.compress(log.read_bytes()))
    assert await relay.look() == []
    append(log, "more\n")
    assert await relay.look() == ["more"]
