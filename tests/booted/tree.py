"""A Debian system in a folder, made once by debootstrap and kept outside of the project.

`python -m tests.booted.tree` makes it where it is missing (a minute or two; needs root and debootstrap).
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from shutil import which

TOP = Path(__file__).parent.parent.parent
SUITE = "bookworm"
PYTHON = "3.11"  # of that suite
PACKAGES = ("systemd", "systemd-sysv", "dbus", "libpam-systemd", "polkitd", "python3", "procps", "logrotate")
DEPENDENCIES = "/usr/lib/python3/dist-packages"  # of relay: as the distribution's own packages lie


def missing() -> str:
    """Why no system can be booted here; empty: one can."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("unshare", "nsenter"):
        if which(program) is None:
            return f"needs {program}"
    if hierarchy() is None:
        return "needs the unified hierarchy of control groups"
    if not place().is_dir():
        return "no system to boot: `make test-systemd` makes it" + (
            "" if which("debootstrap") else " (needs debootstrap)"
        )
    return ""


def hierarchy() -> Path | None:
    """Where cgroup2 is mounted."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    return None


def place() -> Path:
    """Where the tree is, or would be: by what goes into it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    made_of = repr((SUITE, PACKAGES, dependencies())).encode()
    return cache / "relay-tests" / f"tree-{hashlib.sha256(made_of).hexdigest()[:12]}"


def dependencies() -> list[str]:
    """What relay needs of PyPI."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    return [text.split(";")[0].strip() for text in project["dependencies"]]


def make() -> None:
    """Whole, or not at all."""
    new = place().with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    include = f"--include={','.join(PACKAGES)}"
    subprocess.run(
        ["debootstrap", "--variant=minbase", include, SUITE, str(new)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    machine = platform.machine()
    wheels = ["--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}"]
    wheels += [f"--platform={kind}_{machine}" for kind in ("manylinux2014", "manylinux_2_28")]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, f"--target={new}{DEPENDENCIES}", *wheels, *dependencies()], check=True)
    for folder in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
        shutil.rmtree(new / folder, ignore_errors=True)
    new.rename(place())


def main() -> int:
    if place().is_dir() or os.geteuid() != 0 or which("debootstrap") is None:
        return 0  # the tests say what is missing
    print(f"making a system to boot in {place()} (once, a minute or two) ...")
    try:
        make()
    except subprocess.CalledProcessError as error:
        print(f"that failed: {error}; the tests that need it will be skipped", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
