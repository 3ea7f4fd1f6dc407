"""`relay fingerprint`: which lines of a file are the same problem, by the daemon's own function."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from relay.cli.common import FINE, PROBLEM, add_json, complain, parser, printable, table
from relay.cli.progress import Progress

if TYPE_CHECKING:
    from relay.models import Event

_MOST: Final = 50  # problems shown by default

Read = Callable[[bytes], "Event"]
"""What event a line is; ValueError for one that is none."""


def main(name: str, given: Sequence[str]) -> int:
    """Print the fingerprint of each line, or the problems a file holds."""
    options = _arguments(name).parse_args(given)
    try:
        with _opened(options.file) as file:
            lines = Progress(file, sys.stderr).lines()
            return _each(lines, _reader(options)) if options.json else _grouped(lines, options)
    except BrokenPipeError:
        raise
    except OSError as error:
        complain(f"cannot read {options.file}: {error.strerror}")
        return PROBLEM


def _arguments(name: str) -> argparse.ArgumentParser:
    arguments = parser(
        name,
        "Say which lines of a file are the same problem: its problems with their counts, or with --json one "
        "object per line (`line`, counted from 1, `fingerprint` and `template`). Needs no rules and no "
        "daemon; the same line has the same fingerprint in any file, in any order, on every server.",
        "relay fingerprint /var/log/app.log\n  relay fingerprint --json --format json events.jsonl",
    )
    arguments.add_argument("file", help="the file to read; `-` reads standard input")
    arguments.add_argument("-m", "--module", default="", help="the module of lines that name none")
    arguments.add_argument(
        "--raw",
        action="store_true",
        help="the lines are as in a log file: peel time, level, process ... first",
    )
    arguments.add_argument(
        "--format",
        choices=("plain", "json"),
        default="plain",
        help="plain: each line is a message (default); json: an event as on relay's socket",
    )
    arguments.add_argument("--top", type=int, default=_MOST, metavar="N", help=f"problems shown ({_MOST})")
    add_json(arguments)
    return arguments


def _opened(path: str) -> BinaryIO:
    return Path("/dev/stdin" if path == "-" else path).open("rb")


def _reader(options: argparse.Namespace) -> Read:
    from relay.models import Event, Level  # noqa: PLC0415 - not for --help
    from relay.routing.headers import peel  # noqa: PLC0415

    def of_message(message: str, module: str) -> Event:
        return Event(time=0.0, source="", module=module, level=Level.ERROR, message=message)

    def plain(line: bytes) -> Event:
        text = line.decode(errors="replace")
        return of_message(peel(text) if options.raw else text, options.module)

    def as_on_the_socket(line: bytes) -> Event:
        import msgspec  # noqa: PLC0415 - with the rest

        try:
            members = msgspec.json.decode(line, type=dict[str, object])
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise ValueError(f"not a JSON object: {error}") from None
        message, module = members.get("message"), members.get("module") or options.module
        if not (isinstance(message, str) and isinstance(module, str)):
            raise ValueError("`message` must be a text, and so must `module`")  # noqa: TRY004 - of the file
        return of_message(peel(message) if options.raw else message, module)

    return as_on_the_socket if options.format == "json" else plain


def _each(lines: Iterator[bytes], read: Read) -> int:
    from msgspec import json  # noqa: PLC0415 - not for --help

    from relay.config.schema import Rule  # noqa: PLC0415
    from relay.routing.fingerprint import fingerprint  # noqa: PLC0415

    code, rule = FINE, Rule(name="")
    for number, line in enumerate(lines, 1):
        try:
            found = fingerprint(read(line), rule)
            row: dict[str, object] = {"line": number, "fingerprint": found.key, "template": found.title}
        except ValueError as error:
            code, row = PROBLEM, {"line": number, "error": str(error)}
        sys.stdout.buffer.write(json.encode(row) + b"\n")
    sys.stdout.buffer.flush()
    return code


def _grouped(lines: Iterator[bytes], options: argparse.Namespace) -> int:
    from relay.config.schema import Rule  # noqa: PLC0415 - not for --help
    from relay.routing.fingerprint import fingerprint  # noqa: PLC0415

    read, rule = _reader(options), Rule(name="")
    groups: dict[str, list[int]] = {}  # by fingerprint: how many, the first line's number
    titles: dict[str, str] = {}
    number = bad = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = fingerprint(read(line), rule)
        except ValueError as error:
            complain(f"line {number}: {error}")
            bad += 1
            continue
        group = groups.setdefault(found.key, [0, number])
        group[0] += 1
        titles.setdefault(found.key, found.title)
    shown = sorted(groups.items(), key=lambda each: (-each[1][0], each[1][1]))[: max(0, options.top)]
    rows = [(str(count), str(first), key, printable(titles[key])) for key, (count, first) in shown]
    print(table(("COUNT", "FIRST LINE", "FINGERPRINT", "PROBLEM"), rows))
    rest = f", {len(groups) - len(rows)} not shown" if len(rows) < len(groups) else ""
    print(f"\n{_many(number, 'line')}, {_many(len(groups), 'problem')}{rest}")
    return PROBLEM if bad else FINE


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
