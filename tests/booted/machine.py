"""A real systemd as process 1, in namespaces of its own, on a throw-away copy of the tree."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

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
import http.server, json, time
class Take(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        taken = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        taken["taken_at"] = time.time()
        with open("/var/lib/sink.jsonl", "a") as out:
            out.write(json.dumps(taken) + "\\n")
        self.send_response(200); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8099), Take).serve_forever()
"""


class Machine:
    """`root` is where the system's files can be read and written from outside before it boots."""

    def __init__(self) -> None:
        self.folder = folder = Path(tempfile.mkdtemp(prefix="relay-booted-"))
        self.lower = tree.place()
        self.upper = folder / "upper"  # what differs from the tree
        self._process: subprocess.Popen[bytes] | None = None
        self._init = 0
        hierarchy = tree.hierarchy()
        assert hierarchy is not None
        self._cgroup = hierarchy / folder.name

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
        inside = ["bash", "-c", BOOT, "boot", *map(str, places)]
        with (self.folder / "boot.log").open("wb") as out:
            self._process = subprocess.Popen(
                ["bash", "-c", enter, "enter", *tree.NAMESPACES, *inside],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        assert until(lambda: self._process is not None and bool(children.read_text()), 10)
        self._init = int(children.read_text())
        assert until(self._up, 60, every=0.05), (self.folder / "boot.log").read_text()

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
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
        return [json.loads(line) for line in whole.splitlines()]

    def times(self, unit: str, what: str) -> float:
        """When that was, on the clock of time.monotonic()."""
        return int(self.show(unit, f"{what}Monotonic")) / 1e6

    def messages(self) -> list[str]:
        """Their texts."""
        return [each["message"] for each in self.received()]

    def log(self, lines: int = 50) -> str:
        """The last that relay and systemd said of it."""
        shown = self.run("journalctl", "-u", "relay.service", "--no-pager", "-n", str(lines), check=False)
        return shown.stdout

    def is_serving(self, since_pid: str = "") -> bool:
        """Whether relay is ready, as another process than that."""
        state, pid = self.show("relay.service", "ActiveState"), self.show("relay.service", "MainPID")
        return state == "active" and pid not in {"0", since_pid}

    def install_relay(self) -> None:
        """As `pip install` would, before the system boots."""
        with zipfile.ZipFile(_wheel(self.folder / "wheel")) as content:
            content.extractall(self.upper / tree.DEPENDENCIES.lstrip("/"))
        script = "#!/usr/bin/python3\nimport sys\nfrom relay.cli import main\nsys.exit(main())\n"
        self.write("/usr/bin/relay", script, 0o755)

    def add_sink(self) -> None:
        self.write("/usr/local/bin/sink.py", SINK)
        unit = "[Service]\nExecStart=/usr/bin/python3 /usr/local/bin/sink.py\n"
        self.write("/etc/systemd/system/sink.service", unit)

    def halt(self) -> None:
        """SIGRTMIN+14: power off. Then without asking; nothing is left, however far it came."""
        if self._process is not None:
            if self._init and self._process.poll() is None:
                os.kill(self._init, signal.SIGRTMIN + 14)
            try:
                self._process.wait(15 if self._init else 0.1)
            except subprocess.TimeoutExpired:
                self._process.kill()  # and by that all in its namespaces
                self._process.wait(10)
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)
        assert until(lambda: _without_groups(self._cgroup), 10, every=0.1), self._cgroup


def _without_groups(path: Path) -> bool:
    """Whether that control group is gone, with those in it; they go once their processes have."""
    if not path.exists():
        return True
    below = (Path(folder) for folder, _, _ in os.walk(path, topdown=False))
    for folder in below:
        with suppress(OSError):
            folder.rmdir()
    return not path.exists()


@contextmanager
def prepared() -> Iterator[Machine]:
    """A machine with relay and a sink, to be booted; the test is skipped where that can't be."""
    if why := tree.missing():
        pytest.skip(why)
    machine = Machine()
    try:
        machine.install_relay()
        machine.add_sink()
        yield machine
    finally:
        machine.halt()


def _wheel(folder: Path) -> Path:
    folder.mkdir()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=tree.TOP, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel
