"""kill -9 in a loop while a writer appends numbered lines and logrotate turns the file; then it is counted.

    python -m tests.e2e.chaos --kills 100 --seconds 60 [--rotate create|copytruncate|compress|none] [--socket]

Every tenth line is an alert of its own (`fingerprint: event`), the others are counted by a few alerts.
Prints its seed and its figures, and ends with status 1 if one of them is not as promised.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from msgspec import Struct

from tests.e2e.rig import Background, Relay, Sink, until

PARTS = 7  # alerts that count lines
NUMBER = re.compile(r"number (\d+)")

LINE = re.compile(rb"^ERROR (?:single|counted [a-z]) number \d+$", re.MULTILINE)

RULES = """\
store: {folder}/relay.db
operators: [people]
budget: []
sources:
  file: {{tail: {folder}/app.log, format: plain, module: app}}
  apps: {{socket: {folder}/relay.sock}}
backends:
  hook: {{type: webhook, url: "{url}"}}
recipients:
  people: {{hook: people}}
rules:
  - {{name: single, match: {{message: single number}}, to: people, fingerprint: event, storm: false}}
  - {{name: counted, match: {{message: counted}}, to: people, repeat: [1h]}}
"""


class Result(Struct):
    seed: int
    kills: int
    rotations: int
    written: int
    on_disk: int  # lines that exist in some file at the end (or were acknowledged on the socket)
    counted: int  # events that the store's alerts account for
    lost: int  # single lines that exist and never arrived
    invented: int
    duplicates: int
    most_copies: int
    per_kill: float

    @property
    def fine(self) -> bool:
        kept = self.on_disk <= self.counted <= self.written
        return kept and not self.lost and not self.invented and self.per_kill <= 1.0


class Lines(Background):
    """A writer of numbered lines to a file, about one in a hundred torn in two writes."""

    def __init__(self, path: Path, rate: int, chance: random.Random) -> None:
        super().__init__()
        self.path = path
        self.rate = rate
        self.written = 0
        self.reopen = threading.Event()
        self._chance = chance

    def start(self) -> None:
        self.path.touch()
        super().start()

    def _run(self) -> None:
        out = self.path.open("ab", buffering=0)
        began = time.monotonic()
        while not self._stop.is_set():
            if self.reopen.is_set():
                self.reopen.clear()
                out.close()
                out = self.path.open("ab", buffering=0)
            due = int((time.monotonic() - began) * self.rate)
            for _ in range(due - self.written):
                line = text_of(self.written).encode() + b"\n"
                if self._chance.random() < 0.01:
                    out.write(line[:9])
                    time.sleep(0.0005)
                    line = line[9:]
                out.write(line)
                self.written += 1
            time.sleep(0.001)
        out.close()


class Events(Background):
    """A writer of the same lines to the socket, each with an id; what saw no answer is sent again."""

    def __init__(self, path: Path, rate: int) -> None:
        super().__init__()
        self.path = path
        self.rate = rate
        self.written = 0
        self._unanswered: dict[str, bytes] = {}

    def _run(self) -> None:
        began = time.monotonic()
        while not self._stop.is_set() or self._unanswered:
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                    connection.settimeout(1.0)
                    connection.connect(str(self.path))
                    self._talk(connection, began)
            except OSError:
                time.sleep(0.01)

    def _talk(self, connection: socket.socket, began: float) -> None:
        connection.sendall(b"".join(self._unanswered.values()))
        rest = b""
        while not self._stop.is_set() or self._unanswered:
            due = 0 if self._stop.is_set() else int((time.monotonic() - began) * self.rate) - self.written
            fresh = []
            for _ in range(min(due, 200)):
                event = {
                    "module": "app",
                    "level": "error",
                    "message": text_of(self.written),
                    "id": str(self.written),
                }
                line = json.dumps(event).encode() + b"\n"
                self._unanswered[str(self.written)] = line
                fresh.append(line)
                self.written += 1
            connection.sendall(b"".join(fresh))
            if not self._unanswered:
                time.sleep(0.002)
                continue
            data = connection.recv(65536)
            if not data:
                return
            *answers, rest = (rest + data).split(b"\n")
            for answer in map(json.loads, answers):
                assert answer["ok"], answer
                self._unanswered.pop(answer["id"], None)


def text_of(number: int) -> str:
    if number % 10 == 0:
        return f"ERROR single number {number}"
    return f"ERROR counted {'abcdefghij'[number % PARTS]} number {number}"


def run(
    folder: Path, *, kills: int, seconds: float, rate: int, rotate: str, use_socket: bool, seed: int
) -> Result:
    chance = random.Random(seed)
    sink = Sink()
    sink.start()
    relay = Relay(folder)
    relay.write_rules(RULES.format(folder=folder, url=sink.url))
    log = folder / "app.log"
    log.touch()
    relay.start()
    writer = Events(folder / "relay.sock", rate) if use_socket else Lines(log, rate, chance)
    writer.start()
    rotations = 0
    began = time.monotonic()
    for number in range(1, kills + 1):
        at = began + seconds * (number + chance.uniform(-0.4, 0.4)) / kills
        time.sleep(max(0.0, at - time.monotonic()))
        relay.kill()
        if isinstance(writer, Lines) and rotate != "none" and number % 3 == 0:
            turn(folder, rotate)
            writer.reopen.set()
            rotations += 1
        relay.start(wait=False)
    writer.stop()
    on_disk = writer.written if use_socket else count_lines(folder)
    settle(relay, sink, writer.written)
    relay.stop()
    sink.stop()
    return judge(
        relay, sink, seed, kills, rotations, writer.written, on_disk, singles_on_disk(folder, writer)
    )


def turn(folder: Path, how: str) -> None:
    """One turn by the real logrotate."""
    options = {"create": "create", "copytruncate": "copytruncate", "compress": "create\n compress"}[how]
    conf = folder / "logrotate.conf"
    conf.write_text(f"{folder}/app.log {{\n su root root\n rotate 1000\n {options}\n}}\n")
    conf.chmod(0o644)
    subprocess.run(["logrotate", "-f", "-s", str(folder / "state"), str(conf)], check=True)


def files(folder: Path) -> list[bytes]:
    return [gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            for path in folder.glob("app.log*")]  # fmt: skip


def count_lines(folder: Path) -> int:
    """Whole ones: copytruncate may cut a line in two, and neither half is one."""
    return sum(len(LINE.findall(data)) for data in files(folder))


def singles_on_disk(folder: Path, writer: Lines | Events) -> set[int]:
    if isinstance(writer, Events):
        return set(range(0, writer.written, 10))
    return {int(each) for data in files(folder) for each in re.findall(rb"single number (\d+)\n", data)}


def settle(relay: Relay, sink: Sink, written: int) -> None:
    """Lost is only what doesn't come although nothing has moved for 8 seconds."""
    until(relay.answers, 15)
    seen, since = -1, time.monotonic()
    while time.monotonic() - since < 8:
        now = len(sink.received)
        if now != seen:
            seen, since = now, time.monotonic()
        if (
            len({each["message"] for each in sink.received if each["rule"] == "single"})
            >= (written + 9) // 10
        ):
            time.sleep(1.0)
            return
        time.sleep(0.1)


def judge(
    relay: Relay,
    sink: Sink,
    seed: int,
    kills: int,
    rotations: int,
    written: int,
    on_disk: int,
    exist: set[int],
) -> Result:
    copies = Counter(int(number) for each in sink.received if each["rule"] == "single"
                     for number in NUMBER.findall(each["message"]))  # fmt: skip
    with relay.store() as store:
        (counted,) = store.execute(
            "SELECT sum(count) FROM alerts WHERE rule IN ('single', 'counted')"
        ).fetchone()
    duplicates = sum(copies.values()) - len(copies)
    return Result(
        seed=seed,
        kills=kills,
        rotations=rotations,
        written=written,
        on_disk=on_disk,
        counted=counted,
        lost=len(exist - set(copies)),
        invented=sum(number >= written or number % 10 for number in copies),
        duplicates=duplicates,
        most_copies=max(copies.values(), default=0),
        per_kill=round(duplicates / max(1, kills), 2),
    )


def main() -> int:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--kills", type=int, default=100)
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--rate", type=int, default=2000)
    arguments.add_argument(
        "--rotate", default="create", choices=["create", "copytruncate", "compress", "none"]
    )
    arguments.add_argument("--socket", action="store_true")
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    arguments.add_argument("--keep", action="store_true", help="leave the folder")
    options = arguments.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="relay-chaos-"))
    result = run(
        folder,
        kills=options.kills,
        seconds=options.seconds,
        rate=options.rate,
        rotate=options.rotate,
        use_socket=options.socket,
        seed=options.seed,
    )
    for name in result.__struct_fields__:
        print(f"{name:12} {getattr(result, name)}")
    print("fine" if result.fine else f"NOT FINE (kept in {folder})")
    if result.fine and not options.keep:
        shutil.rmtree(folder)
    return 0 if result.fine else 1


if __name__ == "__main__":
    sys.exit(main())
