"""Programs to compare with: as installed, else Debian's, unpacked into a folder of the benchmark's own.

Unpacked, not installed: nothing is started, nothing of the machine is replaced, packages that exclude one
another (rsyslog, syslog-ng) stand side by side, and it doesn't take root.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from tests.bench.scan.corpus import cache

_LIBRARY_FOLDERS = ("usr/lib/syslog-ng", "usr/lib/*-linux-gnu", "lib/*-linux-gnu")
_PERL_FOLDERS = ("usr/share/perl5", "usr/lib/*-linux-gnu/perl5/*")


class Program(Struct, frozen=True):
    """A program with what it needs to be found by."""

    path: str
    root: Path  # where its package is unpacked; `/` if it is installed
    env: Mapping[str, str]
    version: str


class MissingError(Exception):
    """It isn't there, in words."""


def program(name: str, package: str) -> Program:
    """The program of that Debian package; `MissingError` says why there is none."""
    if found := shutil.which(name):
        return Program(found, Path("/"), {}, _version(package))
    root = cache() / "packages" / package
    if not root.exists():
        _unpack(package, root)
    for folder in ("usr/bin", "usr/sbin", "bin"):
        path = root / folder / name
        if path.exists():
            return Program(str(path), root, _environment(root), _version(package))
    raise MissingError(f"Debian's {package} holds no {name}")


def _unpack(package: str, root: Path) -> None:
    """The package and those that it needs and that aren't installed."""
    for each in ("apt-get", "dpkg"):
        if shutil.which(each) is None:
            raise MissingError(f"not installed, and there is no {each} to get it with")
    plan = _run(["apt-get", "install", "--simulate", "--no-install-recommends", package])
    names = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    if not names:
        raise MissingError(f"apt-get knows no package {package} (apt-get update?)")
    part = root.with_name(f"{package}.part")
    shutil.rmtree(part, ignore_errors=True)
    (part / "deb").mkdir(parents=True)
    _run(["apt-get", "download", "-qq", *names], cwd=part / "deb")
    for deb in (part / "deb").iterdir():
        _run(["dpkg", "-x", str(deb), str(part)])
    part.rename(root)


def _run(command: list[str], cwd: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=300)
    if done.returncode:
        raise MissingError(f"{' '.join(command[:2])} failed: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout


def _environment(root: Path) -> dict[str, str]:
    def joined(patterns: tuple[str, ...]) -> str:
        return ":".join(str(folder) for pattern in patterns for folder in sorted(root.glob(pattern)))

    return {
        "LD_LIBRARY_PATH": joined(_LIBRARY_FOLDERS),
        "PERL5LIB": joined(_PERL_FOLDERS),
        "PYTHONPATH": str(root / "usr/lib/python3/dist-packages"),
    }


def _version(package: str) -> str:
    """Of the candidate that apt would take, which is the one that was unpacked."""
    done = subprocess.run(["apt-cache", "policy", package], capture_output=True, text=True, check=False)
    lines = [line.split()[-1] for line in done.stdout.splitlines() if "Candidate:" in line]
    return lines[0] if lines else ""
