"""`relay check`: every problem of the rules, and who can be reached, when, by what."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from relay.cli.common import (
    FINE,
    PROBLEM,
    UNREACHABLE,
    USAGE,
    RefusedError,
    UnreachableError,
    add_json,
    add_rules,
    ask,
    coloured,
    complain,
    parser,
    printable,
    rules_path,
)
from relay.cli.explain import moment

if TYPE_CHECKING:
    from relay.config.problems import Problem
    from relay.reload import Prepared
    from relay.rulebook import Rules

DAYS: Final = 30  # looked back, as far as the store keeps events
SHOWN: Final = 20  # modules, or recipients


def main(name: str, given: Sequence[str]) -> int:
    """Print every problem at once; status 1 if one of them is an error."""
    arguments = parser(
        name,
        "Check rules.yaml: every problem at once, its examples, and hours in which nobody is reached.",
        "relay check rules.yaml",
    )
    arguments.add_argument("file", nargs="?", help="rules file or folder")
    arguments.add_argument("--at", metavar="TIME", help="look at the weeks from then on (default: now)")
    arguments.add_argument(
        "--store",
        action="store_true",
        help=f"also ask the running relay which modules of the last {DAYS} days no rule of this file would"
        " take, and whose addresses all refused the latest message. It knows the events that it stored:"
        " a line of a log file that no rule took is not among them",
    )
    add_rules(arguments)
    add_json(arguments)
    options = arguments.parse_args(given)
    path = options.file or rules_path(options.config)

    from relay.reload import prepare  # noqa: PLC0415 - heavy, and not for --help

    prepared = prepare(path, lenient_secrets=True, scan=True)
    try:
        found = [*prepared.problems, *_reach(prepared, path, options)]
    except ValueError as error:
        complain(error)
        return USAGE
    except (UnreachableError, RefusedError) as error:
        complain(error)
        return UNREACHABLE
    errors = sum(problem.severity == "error" for problem in found)
    warnings = len(found) - errors
    if options.json:
        rows = [
            {
                "severity": problem.severity,
                "file": problem.place.file,
                "line": problem.place.line,
                "column": problem.place.column,
                "text": problem.text,
            }
            for problem in found
        ]
        print(json.dumps({"ok": not errors, "problems": rows}, ensure_ascii=False, indent=2))
    else:
        for problem in found:
            print(coloured(str(problem), problem.severity))
        if prepared.rules is not None:
            config = prepared.rules.config
            examples = sum(len(rule.examples) for rule in config.rules)
            proved = f", {examples} example{'s' * (examples != 1)} proved" if examples else ""
            print(
                f"{path}: fine: {len(config.rules)} rules{proved}, {warnings} warning{'s' * (warnings != 1)}"
            )
        else:
            print(f"{path}: {errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}")
    return PROBLEM if errors else FINE


def _reach(prepared: Prepared, path: str, options: argparse.Namespace) -> list[Problem]:
    """Who can be reached, when, by what. ValueError, UnreachableError, RefusedError."""
    now = moment(options.at, time.time())
    if prepared.rules is None:
        return []
    from relay.routing.reach import findings  # noqa: PLC0415 - heavy, and not for --help

    stored = list(_stored(prepared.rules, path, time.time())) if options.store else []
    return [*findings(prepared.rules.config, now), *stored]


def _stored(rules: Rules, path: str, now: float) -> Iterator[Problem]:
    """What the running relay has seen that these rules would leave to nobody."""
    import msgspec  # noqa: PLC0415 - with the rest

    from relay.config.problems import Problem  # noqa: PLC0415
    from relay.config.schema import Place  # noqa: PLC0415
    from relay.models import Attempt  # noqa: PLC0415
    from relay.outbox.store import Seen  # noqa: PLC0415
    from relay.routing.reach import unmatched, unreachable  # noqa: PLC0415

    data = ask(path, "seen", since=now - DAYS * 86400)
    place = Place(path, 1, 1)
    seen = [each.event for each in msgspec.convert(data["events"], list[Seen])]
    missed = unmatched(rules.ruleset, seen)
    for module, events in sorted(missed.items())[:SHOWN]:
        levels = ", ".join(sorted({event.level.word for event in events}))
        said = printable(events[0].message)[:80]
        text = f"no rule takes what module {printable(module)!r} wrote ({levels}), such as: {said}"
        yield Problem("warning", place, text)
    if len(missed) > SHOWN:
        yield Problem("warning", place, f"and {len(missed) - SHOWN} more modules that no rule takes")
    attempts = msgspec.convert(data["attempts"], list[Attempt])
    for name, refusals in sorted(unreachable(rules.config, attempts).items())[:SHOWN]:
        words = "; ".join(f"{each.backend}: {printable(each.detail)[:80]}" for each in refusals)
        yield Problem("warning", place, f"recipient {name!r} has no address that works: {words}")
