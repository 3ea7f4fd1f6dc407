from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import socket
from pathlib import Path

import pytest

from relay.sources import content as content_module
from relay.sources.content import Packed, open_content, packed

DATA = b"".join(b"line %d\n" % n for n in range(1000))


def refused(path: Path, *, follow: bool = False) -> int | None:
    with pytest.raises(OSError) as caught:
        open_content(str(path), follow=follow)
    return caught.value.errno


def test_only_regular_files_are_opened_and_a_fifo_isnt_waited_for(tmp_path: Path) -> None:
    fifo, folder, sock = tmp_path / "fifo", tmp_path / "folder", tmp_path / "sock"
    os.mkfifo(fifo)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(sock))
        assert refused(fifo) == refused(folder) == refused(Path("/dev/null")) == errno.EINVAL
        assert refused(sock) == errno.ENXIO


def test_symlinks_are_followed_only_if_asked(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    link = tmp_path / "link"
    link.symlink_to("secret")
    assert refused(link) == errno.ELOOP
    open_content(str(link), follow=True).close()


def test_nothing_is_left_open_when_refused(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    refused(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("log", DATA),
        ("log.gz", gzip.compress(DATA)),
        ("log.gz", gzip.compress(DATA[:500]) + gzip.compress(DATA[500:])),  # several members: gzip -c >>
        ("log.bz2", bz2.compress(DATA)),
        ("log.xz", lzma.compress(DATA)),
    ],
)
async def test_reads_at_offsets(
    tmp_path: Path, name: str, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_module, "SLICE", 100)
    monkeypatch.setattr(content_module, "WINDOW", 300)
    (tmp_path / name).write_bytes(data)
    content = open_content(str(tmp_path / name), follow=False)
    assert content.read(0, 10) == DATA[:10]
    await content.advance(5000)
    assert content.read(5000, 50) == DATA[5000:5050]
    assert content.read(4900, 50) == DATA[4900:4950]
    assert content.read(3, 50) == DATA[3:53]  # beyond the window: from the beginning
    assert content.read(len(DATA) - 5, 50) == DATA[-5:]
    assert content.read(len(DATA), 50) == b""
    assert content.read(len(DATA) + 9, 50) == b""
    assert content.reaches(len(DATA))
    assert not content.reaches(len(DATA) + 1)
    content.close()


def test_a_damaged_file_gives_what_it_can_and_says_why(tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(DATA)[:-500])
    content = open_content(str(path), follow=False)
    assert isinstance(content, Packed)
    data = content.read(0, len(DATA))
    assert DATA.startswith(data)
    assert len(data) < len(DATA)
    assert content.damaged
    content.close()


def test_what_relay_cant_unpack_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "log.zst").write_bytes(b"?")
    assert refused(tmp_path / "log.zst") == errno.EOPNOTSUPP
    assert packed("app.log.1.gz")
    assert not packed("app.log.1")
