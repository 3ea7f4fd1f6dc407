"""`relay watchdog list|check|pause|resume|polkit`: the checks of the running daemon."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any, Final

from relay.cli.common import (
    FINE,
    PROBLEM,
    USAGE,
    add_json,
    add_rules,
    answered,
    ask,
    coloured,
    complain,
    parser,
    printable,
    rules_path,
    since,
    table,
    when,
)

LONG: Final = 600.0  # seconds that a look may take: an entry may have many checks, each with its time limit


def main(name: str, given: Sequence[str]) -> int:
    """Ask, and print the answer."""
    arguments = parser(
        name,
        "List the watchdog's checks, look at one now, leave one alone for a while; or print the polkit rule "
        "that lets relay restart the units that the rules name. `check`: exit status 0 if it holds.",
        "relay watchdog pause orders-worker --for 30m",
    )
    arguments.add_argument("action", choices=tuple(_ACTIONS), nargs="?", default="list")
    arguments.add_argument("name", nargs="?", help="the entry in rules.yaml")
    arguments.add_argument(
        "--for", dest="time", default="1h", metavar="TIME", help="how long to pause: 30m, 2h (default: 1h)"
    )
    add_rules(arguments)
    add_json(arguments)
    options = arguments.parse_args(given)
    if (options.name is None) != (options.action in {"list", "polkit"}):
        complain(f"relay watchdog {options.action} {'takes no name' if options.name else 'needs a name'}")
        return USAGE
    return answered(_ACTIONS[options.action], options)


def _list(options: argparse.Namespace) -> int:
    rows = ask(rules_path(options.config), "watchdog")
    if options.json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
    elif not rows:
        print("no checks: `watchdog:` of the rules is empty")
    else:
        print(table(("name", "state", "since", "judged", "restarts", "found"), [_row(row) for row in rows]))
    return FINE


def _check(options: argparse.Namespace) -> int:
    found = ask(rules_path(options.config), "watchdog_check", patience=LONG, name=options.name)
    if options.json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        print(f"{found['name']}: {coloured(found['outcome'])}: {printable(found['text'])}")
    return FINE if found["outcome"] == "held" else PROBLEM


def _pause(options: argparse.Namespace) -> int:
    from relay.values import parse_duration  # noqa: PLC0415 - msgspec, only here

    try:
        seconds = parse_duration(options.time)
    except ValueError as error:
        complain(error)
        return USAGE
    row = ask(rules_path(options.config), "watchdog_pause", name=options.name, seconds=seconds)
    return _done(options, row, f"{options.name} is not looked at until {when(row['paused_until'])}")


def _resume(options: argparse.Namespace) -> int:
    row = ask(rules_path(options.config), "watchdog_resume", name=options.name)
    until = f", but {row['resting']} now" if row["resting"] else ""
    return _done(options, row, f"{options.name} is looked at again{until}")


def _polkit(options: argparse.Namespace) -> int:
    """Needs no daemon: it is for whoever installs relay."""
    from relay.reload import prepare  # noqa: PLC0415 - as above
    from relay.watchdog.polkit import verbs_by_unit, written  # noqa: PLC0415

    prepared = prepare(rules_path(options.config), lenient_secrets=True)
    if prepared.rules is None:
        complain("\n".join(str(each) for each in prepared.problems if each.severity == "error"))
        return PROBLEM
    print(written(verbs_by_unit(prepared.rules.config.watchdog.values())).rstrip())
    return FINE


def _done(options: argparse.Namespace, row: dict[str, Any], text: str) -> int:
    print(json.dumps(row, ensure_ascii=False, indent=2) if options.json else text)
    return FINE


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    restarts = f"{row['restarts']} of {row['max_restarts']}" if row["max_restarts"] else "-"
    return row["name"], row["state"], since(row["since"]), since(row["looked_at"]), restarts, about(row)


def about(row: dict[str, Any]) -> str:
    """What there is to know of an entry, the most important first."""
    parts = []
    if row["resting"]:
        until = f" until {when(row['paused_until'])}" if row["resting"] == "paused" else ""
        was = f", {row['standing']} before" if row["standing"] not in {"up", "starting"} else ""
        parts.append(f"{row['resting']}{until}{was}")
    if row["gave_up"]:
        parts.append(f"given up (relay watchdog resume {row['name']})")
    if row["waits_for"]:
        parts.append(f"waits for {row['waits_for']}")
    if row["failing"] and row["state"] == "up":
        parts.append("fails, but isn't down yet")
    if row["text"]:
        parts.append(printable(row["text"]))
    else:
        parts.append(f"{printable(row['target'])}: not looked at yet")
    return ": ".join(parts)


_ACTIONS: Final = {"list": _list, "check": _check, "pause": _pause, "resume": _resume, "polkit": _polkit}
