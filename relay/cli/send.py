"""`relay send`: imports nothing heavy."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from relay.cli.common import (
    FINE,
    PROBLEM,
    SYSTEM_SOCKET,
    UNREACHABLE,
    USAGE,
    RefusedError,
    UnreachableError,
    add_rules,
    ask,
    complain,
    parser,
    rules_path,
    sockets,
)

LEVELS = ("debug", "info", "notice", "warning", "error", "critical")


def main(name: str, given: Sequence[str]) -> int:
    """Send one event and wait until it is durable."""
    arguments = parser(
        name,
        "Send one event to the running relay and wait until it is stored. `-`: standard input.",
        'relay send --module pay.refund --level error --label order=42 "timeout after 3000 ms"',
    )
    arguments.add_argument("message", nargs="?", help="the text; `-` or nothing reads standard input")
    arguments.add_argument("-m", "--module", default="", help="dotted name, e.g. pay.refund (default: send)")
    arguments.add_argument("-l", "--level", choices=LEVELS, help="default: error; of a beat: info")
    arguments.add_argument("--label", action="append", default=[], metavar="KEY=VALUE")
    arguments.add_argument(
        "--beat", metavar="NAME", help="a sign of life for that heartbeat; with `--level error`: it failed"
    )
    arguments.add_argument("--id", help="the event's own id: the same id is stored once")
    arguments.add_argument(
        "--socket", metavar="PATH", help="relay's socket (default: $RELAY_SOCKET, the rules')"
    )
    arguments.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS")
    add_rules(arguments)
    options = arguments.parse_args(given)
    labels = dict(label.partition("=")[::2] for label in options.label)
    if not all("=" in label for label in options.label):
        complain("a label is written KEY=VALUE")
        return USAGE
    message = options.message
    if options.beat:
        if wrong := _beat_problem(options):
            complain(wrong)
            return PROBLEM
        labels["beat"] = options.beat
        message = message or f"{options.beat} gives a sign of life"
    if message in {None, "-"}:
        message = sys.stdin.read().rstrip("\n")
    if not message:
        complain("there is nothing to send")
        return PROBLEM

    from relay import client  # noqa: PLC0415 - not for --help

    try:
        client.send(
            message,
            module=options.module or (f"beat.{options.beat}" if options.beat else "send"),
            level=options.level or ("info" if options.beat else "error"),
            labels=labels,
            id=options.id,
            socket_path=options.socket or socket_path(options.config),
            timeout=options.timeout,
        )
    except client.RelayRefused as error:
        complain(error)
        return PROBLEM
    except client.RelayUnavailable as error:
        complain(error)
        return UNREACHABLE
    return FINE


def _beat_problem(options: argparse.Namespace) -> str:
    """Why it is nobody's sign of life; "" if it is somebody's, or the relay that hears it can't be asked."""
    if options.socket or (not options.config and "RELAY_SOCKET" in os.environ):
        return ""  # only that relay's rules say where its commands are
    try:
        rows = ask(rules_path(options.config), "watchdog", patience=options.timeout)
    except (UnreachableError, RefusedError):
        return ""  # sending it says what is wrong
    known = any(row["heartbeat"] and row["name"] == options.beat for row in rows)
    return "" if known else f"no heartbeat is called {options.beat[:60]!r}: `relay watchdog list` shows them"


def socket_path(config: str | None) -> str:
    """Where the events go: the environment, the rules named, the system's socket, the rules here."""
    if not config and "RELAY_SOCKET" in os.environ:
        return os.environ["RELAY_SOCKET"]
    if not config and Path(SYSTEM_SOCKET).exists():
        return SYSTEM_SOCKET
    return sockets(rules_path(config))[0]
