"""A real systemd as process 1, in namespaces of its own, on a throw-away copy of the tree."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.booted import tree
from tests.e2e.rig import until

# In a mount namespace of its own: nothing is left behind, whatever happens.
BOOT = """\
set -e
root=$1 lower=$2 upper=$3 work=$4
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for each in null zero full random urandom tty; do touch dev/$each; mount --bind /dev/$each dev/$each; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mkdir -p sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 sys/fs/cgroup
mkdir -p .old
pivot_root . .old
umount -l /.old
mount --make-rshared /
export container=rig PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec env -i container=rig "PATH=$PATH" /lib/systemd/systemd --system --unit=multi-user.target
"""

SINK = """\
import http.server, json
class Take(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open("/var/lib/sink.jsonl", "ab") as out:
            out.write(body + b"\\n")
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8099), Take).serve_forever()
"""


class Machine:
    """`root` is where the system's files can be read and written from outside before it boots."""

    def __init__(self, folder: Path, lower: Path) -> None:
        self.folder = folder
        self.lower = lower
        self.upper = folder / "upper"  # what differs from the tree
        self._process: subprocess.Popen[bytes] | None = None
        self._init = 0
        hierarchy = tree.hierarchy()
        assert hierarchy is not None
        self._cgroup = hierarchy / f"relay-rig-{os.getpid()}"

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """A file of the system."""
        path = self.upper / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def boot(self) -> None:
        for name in ("root", "work"):
            (self.folder / name).mkdir(exist_ok=True)
        self.upper.mkdir(exist_ok=True)
        self.upper.chmod(0o755)
        self._cgroup.mkdir(exist_ok=True)
        enter = f'echo $$ > {self._cgroup}/cgroup.procs && exec "$@"'
        places = [self.folder / "root", self.lower, self.upper, self.folder / "work"]
        unshare = [
            "unshare",
            "--pid",
            "--mount",
            "--cgroup",
            "--uts",
            "--ipc",
            "--net",
            "--fork",
            "--kill-child",
        ]
        inside = ["bash", "-c", BOOT, "boot", *map(str, places)]
        with (self.folder / "boot.log").open("wb") as out:
            self._process = subprocess.Popen(
                ["bash", "-c", enter, "enter", *unshare, *inside],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        assert until(lambda: self._process is not None and bool(children.read_text()), 10)
        self._init = int(children.read_text())
        assert until(self._up, 30, every=0.05), (self.folder / "boot.log").read_text()

    def _up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "boot.log").read_text()
        return self.run("systemctl", "is-system-running", check=False).stdout.strip() in {
            "running",
            "degraded",
        }

    def run(
        self, *command: str, check: bool = True, timeout: float = 60, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A command inside, as root."""
        line = [*self._enter(), *command]
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=timeout, input=given)
        assert not check or done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
        return done

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """A command inside, in the background."""
        return subprocess.Popen([*self._enter(), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _enter(self) -> list[str]:
        """What goes before a command that is to run inside."""
        enter = ["nsenter", "-t", str(self._init), "-m", "-u", "-i", "-n", "-p", "-C", "--root", "--wd"]
        return [*enter, "env", "-i", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]

    def show(self, unit: str, what: str) -> str:
        return self.run("systemctl", "show", "--value", "-p", what, unit).stdout.strip()

    def received(self) -> list[dict[str, Any]]:
        """What the sink accepted."""
        path = self.upper / "var/lib/sink.jsonl"
        return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []

    def install_relay(self, wheel: Path) -> None:
        """As `pip install` would, before the system boots."""
        with zipfile.ZipFile(wheel) as content:
            content.extractall(self.upper / tree.DEPENDENCIES.lstrip("/"))
        script = "#!/usr/bin/python3\nimport sys\nfrom relay.cli import main\nsys.exit(main())\n"
        self.write("/usr/bin/relay", script, 0o755)

    def add_sink(self) -> None:
        self.write("/usr/local/bin/sink.py", SINK)
        unit = "[Service]\nExecStart=/usr/bin/python3 /usr/local/bin/sink.py\n"
        self.write("/etc/systemd/system/sink.service", unit)

    def halt(self) -> None:
        """SIGRTMIN+14: power off. Then without asking."""
        if self._process is None:
            return
        os.kill(self._init, signal.SIGRTMIN + 14)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process = None
        for _ in range(50):
            for group in sorted(self._cgroup.rglob("*/"), key=lambda path: -len(path.parts)):
                if group.is_dir():
                    _rmdir(group)
            if _rmdir(self._cgroup):
                break
            time.sleep(0.1)


def _rmdir(path: Path) -> bool:
    try:
        path.rmdir()
    except OSError:
        return not path.exists()
    return True


@contextmanager
def booted(folder: Path, machine: Machine) -> Iterator[Machine]:
    try:
        machine.boot()
        yield machine
    finally:
        machine.halt()
        shutil.rmtree(folder, ignore_errors=True)


def build_wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=tree.TOP, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel
