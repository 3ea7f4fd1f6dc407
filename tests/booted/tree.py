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
import tempfile
import time
import tomllib
from pathlib import Path
from shutil import which

TOP = Path(__file__).parent.parent.parent
SUITE = "bookworm"
PYTHON = "3.11"  # of that suite
PACKAGES = ("systemd", "systemd-sysv", "dbus", "libpam-systemd", "polkitd", "python3", "procps", "logrotate")
AT_MOST = 480.0  # seconds for making it
# Whoever is left in them is killed when their first process ends, and that one ends with us.
OWN_NAMESPACES = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child"]
NAMESPACES = [*OWN_NAMESPACES, "--cgroup", "--uts", "--ipc", "--net"]
_TRY = """\
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /tmp
mkdir /tmp/lower /tmp/upper /tmp/work /tmp/root
mount -t overlay overlay -o lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work /tmp/root
mount -t proc proc /tmp/lower
mount -t cgroup2 cgroup2 /tmp/upper
"""
DEPENDENCIES = "/usr/lib/python3/dist-packages"  # of relay: as the distribution's own packages lie


def missing() -> str:
    """Why no system can be booted here; empty: one can."""
    if unable := _unable():
        return unable
    if not place().is_dir():
        return "no system to boot: `make test` makes it" + (
            "" if which("debootstrap") else " (needs debootstrap)"
        )
    return ""


def _unable() -> str:
    """What of this host stands in the way."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("unshare", "nsenter", "setpriv"):
        if which(program) is None:
            return f"needs {program}"
    groups = hierarchy()
    if groups is None or not os.access(groups, os.W_OK):
        return "needs the unified hierarchy of control groups"
    tried = subprocess.run([*NAMESPACES, "sh", "-c", _TRY], capture_output=True, text=True, check=False)
    return f"can't have namespaces of its own: {tried.stderr.strip()}" if tried.returncode else ""


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
    place().parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix="new-", dir=place().parent))
    new.chmod(0o755)
    ends = time.monotonic() + AT_MOST
    try:
        _run([*OWN_NAMESPACES, "debootstrap", "--variant=minbase", *_included(), SUITE, str(new)], ends)
        _run([*_pip(), f"--target={new}{DEPENDENCIES}", *dependencies()], ends)
        for folder in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale"):
            shutil.rmtree(new / folder, ignore_errors=True)
        new.rename(place())
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _run(command: list[str], ends: float) -> None:
    """Killed when the time is up."""
    left = max(1.0, ends - time.monotonic())
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=left)


def _included() -> list[str]:
    return [f"--include={','.join(PACKAGES)}"]


def _pip() -> list[str]:
    """Wheels for that suite's Python, whatever runs this."""
    wheels = ["--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}"]
    wheels += [f"--platform={kind}_{platform.machine()}" for kind in ("manylinux2014", "manylinux_2_28")]
    return [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wheels]


def main() -> int:
    if place().is_dir() or (_unable() or which("debootstrap") is None):
        return 0  # the tests say what is missing
    print(f"making a system to boot in {place()} (once, a minute or two) ...", flush=True)
    try:
        make()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"that failed: {error}; the tests that need it will be skipped", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
