"""rules.yaml, or the files of a folder, to texts: regular files of a sane size that no stranger may write.

Restart commands come from these files, so whoever may write them may act as relay.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from relay.config.problems import Problems
from relay.config.schema import Place

MAX_BYTES: Final = 1 << 20  # of one file; a rule takes some 300


def beside(file: str, path: str) -> str:
    """The absolute path; a relative one starts at the folder of `file`."""
    return os.path.normpath(Path(file).absolute().parent / path)


def files_of(path: str, problems: Problems) -> list[str]:
    """The files to read: the file itself, or the folder's `*.yaml` by name."""
    folder = Path(path)
    if not folder.is_dir():
        return [path]
    place = Place(path, 1, 1)
    try:
        mode = folder.stat().st_mode
        names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        problems.error(place, f"the folder can't be read: {error.strerror}")
        return []
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        problems.error(place, "everyone may write in this folder: chmod o-w")
    for name in names:
        if name.endswith(".yml"):
            problems.warning(Place(str(folder / name), 1, 1), "not read: only *.yaml is")
    chosen = [str(folder / name) for name in names if name.endswith(".yaml")]
    if not chosen:
        problems.error(place, "no *.yaml file in this folder")
    return chosen


def read(file: str, problems: Problems) -> str | None:
    """The text of a rules file; None if a problem says why it can't be taken."""
    place = Place(file, 1, 1)
    try:
        data, status = read_regular(file, MAX_BYTES)
    except OSError as error:
        problems.error(place, f"the file can't be read: {error.strerror}")
        return None
    _check_writers(status, place, problems)
    if len(data) > MAX_BYTES:
        problems.error(place, f"larger than {MAX_BYTES // 1024} KiB: split it over a folder of files")
        return None
    return _decoded(data, place, problems)


def read_regular(path: str, most: int, *, end: bool = False) -> tuple[bytes, os.stat_result]:
    """Up to `most` + 1 bytes of a regular file, and its status. OSError if it is none or can't be read.

    `end`: its last bytes, rather than its first. EINVAL: it is no regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO would block the open
    except ValueError as error:
        raise OSError(errno.EINVAL, f"{error} in its name") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        with open(descriptor, "rb", closefd=False) as opened:
            if end:
                opened.seek(max(0, status.st_size - most))
            return opened.read(most + 1), status
    finally:
        os.close(descriptor)


def _check_writers(status: os.stat_result, place: Place, problems: Problems) -> None:
    if status.st_uid not in {0, os.geteuid()}:
        problems.error(
            place, f"owned by uid {status.st_uid}: it must be root's, or of the user relay runs as"
        )
    if status.st_mode & stat.S_IWOTH:
        problems.error(place, "everyone may write this file: chmod o-w")
    elif status.st_mode & stat.S_IWGRP and status.st_gid not in {0, os.getegid()}:
        problems.warning(place, f"group {status.st_gid} may write this file, and so decide what relay does")


def _decoded(data: bytes, place: Place, problems: Problems) -> str | None:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line_start = data.rfind(b"\n", 0, error.start) + 1
        line = data.count(b"\n", 0, error.start) + 1
        column = len(data[line_start : error.start].decode(errors="replace")) + 1
        problems.error(Place(place.file, line, column), "not UTF-8: save the file in this encoding")
        return None
