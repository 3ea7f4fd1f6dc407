"""What an installation is made of: steps that look before they act, so that a second run changes nothing."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import NamedTuple, Protocol


class Target(NamedTuple):
    """Where to install: a root folder (`/` for this host), and whether only to say what would be done."""

    root: Path
    dry: bool = False

    @property
    def is_host(self) -> bool:
        """Whether it is this host itself, with its users and its systemd."""
        return self.root == Path("/")

    def path(self, name: str) -> Path:
        """The absolute path `name`, under the root."""
        return self.root / name.lstrip("/")


class Step(Protocol):
    """One thing that has to be so."""

    def run(self, target: Target) -> tuple[str, str]:
        """Make it so; (one word, what it is about). OSError, CalledProcessError where that fails."""
        ...


class File(NamedTuple):
    """A file of that text. `keep`: one that is there already stays as it is, for people edit it."""

    name: str
    text: str
    mode: int = 0o644
    group: str = "root"
    keep: bool = False

    def run(self, target: Target) -> tuple[str, str]:
        """Write it whole, or not at all."""
        path = target.path(self.name)
        there = path.exists()
        if there and self.keep:
            return "kept", self.name
        if there and path.read_text("utf-8") == self.text and _kept_by(path, self.mode, self.group, target):
            return "unchanged", self.name
        if not target.dry:
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_name(f".{path.name}.new")
            new.write_text(self.text, "utf-8")
            new.chmod(self.mode)
            _give(new, self.group, target)
            new.rename(path)
        return "replaced" if there else "written", self.name


class Folder(NamedTuple):
    """A folder of root's."""

    name: str
    mode: int
    group: str = "root"

    def run(self, target: Target) -> tuple[str, str]:
        """Make it; one that is there gets mode and group."""
        path = target.path(self.name)
        there = path.is_dir()
        if there and _kept_by(path, self.mode, self.group, target):
            return "unchanged", self.name
        if not target.dry:
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(self.mode)
            _give(path, self.group, target)
        return "mended" if there else "made", self.name


class Link(NamedTuple):
    """A symbolic link; another program of that name is left alone."""

    name: str
    to: str

    def run(self, target: Target) -> tuple[str, str]:
        """Make it."""
        path = target.path(self.name)
        shown = f"{self.name} -> {self.to}"
        if path.is_symlink() and path.readlink() == Path(self.to):
            return "unchanged", shown
        if path.exists() and not path.is_symlink():
            return "kept", self.name
        if not target.dry:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.symlink_to(self.to)
        return "linked", shown


class Call(NamedTuple):
    """A program to run. `host_only`: it has no meaning for a tree. `may_fail`: it is only good manners."""

    argv: tuple[str, ...]
    host_only: bool = False
    may_fail: bool = False

    def run(self, target: Target) -> tuple[str, str]:
        """Run it."""
        shown = " ".join(self.argv)
        if self.host_only and not target.is_host:
            return "skipped", f"{shown} (for a running host)"
        if shutil.which(self.argv[0]) is None:
            return "skipped", f"{shown} (not here)"
        if not target.dry:
            argv = self.argv if target.is_host else (*self.argv, f"--root={target.root}")
            done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
            if done.returncode and not self.may_fail:
                raise OSError(f"{shown}: {done.stderr.strip() or f'exit status {done.returncode}'}")
        return "run" if target.dry else "ran", shown


class Gone(NamedTuple):
    """A file of relay's own that is not to be there."""

    name: str

    def run(self, target: Target) -> tuple[str, str]:
        """Remove it."""
        path = target.path(self.name)
        if not path.exists() and not path.is_symlink():
            return "absent", self.name
        if not target.dry:
            path.unlink()
        return "removed", self.name


def _kept_by(path: Path, mode: int, group: str, target: Target) -> bool:
    """Whether it has that mode and, as far as we could give it, belongs to root and that group."""
    found = path.stat()
    if stat.S_IMODE(found.st_mode) != mode:
        return False
    return os.geteuid() != 0 or (found.st_uid, found.st_gid) == (0, group_id(group, target))


def _give(path: Path, group: str, target: Target) -> None:
    """To root and that group, by the numbers that they have in the target."""
    if os.geteuid() != 0:
        return
    os.chown(path, 0, group_id(group, target))


def group_id(name: str, target: Target) -> int:
    """A group's number in the target's /etc/group; LookupError if it has none of that name."""
    for line in target.path("/etc/group").read_text("utf-8").splitlines():
        found, _, number, *_ = line.split(":")
        if found == name:
            return int(number)
    raise LookupError(f"{target.path('/etc/group')} has no group {name}")
