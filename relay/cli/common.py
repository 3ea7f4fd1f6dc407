"""What the commands share: arguments, where the daemon is, and words for people. Cheap to import."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

Asked = TypeVar("Asked")

FINE: Final = 0
PROBLEM: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3

SYSTEM_RULES: Final = "/etc/relay/rules.yaml"
SYSTEM_CONTROL: Final = "/run/relay/control.sock"
SYSTEM_SOCKET: Final = "/run/relay/relay.sock"

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
RED, YELLOW, GREEN = "31", "33", "32"
COLOURS: Final = {
    **dict.fromkeys(("error", "dead", "down", "failed"), RED),
    **dict.fromkeys(
        ("warning", "firing", "pending", "unknown", "paused", "starting", "waiting", "late"), YELLOW
    ),
    **dict.fromkeys(("delivered", "up", "resolved", "held", "passed"), GREEN),
    "critical": "1;31",
}


class UnreachableError(Exception):
    """No daemon answers."""


class RefusedError(Exception):
    """The daemon answered with an error."""


class Described(Exception):  # noqa: N818 - no error: the answer to `DESCRIBE`
    """What a command takes."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


DESCRIBE: Final[Sequence[str]] = ("--describe",)  # as arguments: raise `Described` instead of doing anything


class _Parser(argparse.ArgumentParser):
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if args is DESCRIBE:
            raise Described(self)
        return super().parse_known_args(args, namespace)


def parser(name: str, text: str, example: str) -> argparse.ArgumentParser:
    """An argument parser in relay's manner."""
    return _Parser(
        prog=f"relay {name}",
        description=text,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_rules(arguments: argparse.ArgumentParser) -> None:
    """The option that says which rules."""
    arguments.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help=f"rules file or folder (default: {SYSTEM_RULES}, else ./rules.yaml)",
    )


def add_json(arguments: argparse.ArgumentParser) -> None:
    """The option for programs that read the output."""
    arguments.add_argument("--json", action="store_true", help="print JSON")


def rules_path(given: str | None) -> str:
    """The rules that are meant."""
    if given:
        return given
    return SYSTEM_RULES if Path(SYSTEM_RULES).exists() else "rules.yaml"


def sockets(path: str) -> tuple[str, str]:
    """(event socket, control socket) of the relay that runs by these rules; the system's if unreadable.

    A light look at three keys: the checker's job is not repeated here.
    """
    import yaml  # noqa: PLC0415 - 22 ms that most commands don't need

    where = Path(path)
    files = sorted(where.glob("*.yaml")) if where.is_dir() else [where]
    event = control = store = ""
    for file in files:
        try:
            data = yaml.load(file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
            sources = data.get("sources") or {}
            event = event or next((str(each["socket"]) for each in sources.values() if "socket" in each), "")
            control = control or str(data.get("control") or "")
            store = store or str(data.get("store") or "")
        except (OSError, yaml.YAMLError, AttributeError, TypeError, ValueError):
            continue
        base = file.parent.resolve()
        event, control, store = (str(base / each) if each else "" for each in (event, control, store))
    if not control and (event or store):
        control = str(Path(event or store).parent / "control.sock")
    return event or SYSTEM_SOCKET, control or SYSTEM_CONTROL


def ask(path: str, do: str, *, patience: float = 30.0, **request: Any) -> Any:
    """Ask the running daemon, and wait `patience` seconds; UnreachableError, RefusedError."""
    where = sockets(path)[1]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(patience)
            connection.connect(where)
            connection.sendall(json.dumps({"do": do, **request}).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer = json.loads(lines.readline() or b"null")
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        hint = "" if Path(path).exists() else f" ({path}, whose relay is meant, is not there)"
        raise UnreachableError(f"no relay answers at {where}: {why}{hint}") from None
    if answer is None:
        raise UnreachableError(f"relay at {where} closed the connection")
    if not answer["ok"]:
        raise RefusedError(answer["error"])
    return answer["data"]


def complain(text: object) -> None:
    """An error, for people."""
    print(f"relay: {text}", file=sys.stderr)


def coloured(text: str, word: str = "") -> str:
    """`text` in the colour of `word` (itself by default), on a terminal only."""
    code = COLOURS.get(word or text.strip())
    if code is None or not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns; the last one is as long as it is."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head) - 1)]
    lines = []
    for row in [head, *rows]:
        cells = [coloured(cell.ljust(width), cell) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return "\n".join(lines)


def when(seconds: float) -> str:
    """A time as people read it: today's without the date."""
    moment = time.localtime(seconds)
    today = time.localtime()[:3] == moment[:3]
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M", moment)


def since(seconds: float, now: float | None = None) -> str:
    """A time with how long ago it was: `03:12:44 (2 h)`; `-` for never."""
    if not seconds:
        return "-"
    ago = max(0.0, (time.time() if now is None else now) - seconds)
    size, unit = next((size, unit) for size, unit in _UNITS if ago >= size or size == 1)
    return f"{when(seconds)} ({ago // size:.0f} {unit})"


def printable(text: str) -> str:
    """One line that can't do anything to a terminal."""
    return "".join(letter if letter.isprintable() else "·" for letter in text.split("\n", 1)[0])


def answered(call: Callable[[Asked], int], asked: Asked) -> int:
    """`call(asked)`, its exit status; where the daemon can't be reached or refuses, that said."""
    try:
        return call(asked)
    except UnreachableError as error:
        complain(error)
        return UNREACHABLE
    except RefusedError as error:
        complain(error)
        return PROBLEM
