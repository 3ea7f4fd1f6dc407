"""`relay ack`, `relay silence`, `relay links`: what people do about noise, asked of the running daemon."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from relay.cli.common import (
    FINE,
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
    table,
    when,
)


def main(name: str, given: Sequence[str]) -> int:
    """Ask, and print the answer."""
    return answered({"ack": ack, "silence": silence, "links": links}[name], given)


def ack(given: Sequence[str]) -> int:
    """Say that someone works on an alert."""
    arguments = parser(
        "ack",
        "Say that you work on an alert: no reminders, no escalation, until that lapses. Its end is told.",
        "relay ack 17 --for 2h",
    )
    arguments.add_argument("alert", type=int, help="the alert's number, as in its messages")
    arguments.add_argument("--for", dest="span", type=_span, help="how long (default: its rule's ack_for)")
    arguments.add_argument("--by", help="who works on it (default: your user name)")
    arguments.add_argument("--undo", action="store_true", help="nobody works on it any more")
    add_rules(arguments)
    add_json(arguments)
    options = arguments.parse_args(given)
    request = {"alert": options.alert, "for": options.span, "by": options.by, "undo": options.undo}
    data = ask(rules_path(options.config), "ack", **request)
    if options.json:
        print(json.dumps(data, ensure_ascii=False, indent=2))
    else:
        what = f"{printable(data['module'])}: {printable(data['title'])}"
        print(f"alert {data['id']} is {acked_words(data)}: {what}")
    return FINE


def acked_words(alert: dict[str, Any]) -> str:
    """`acknowledged by wang until 04:10:00`, or its state."""
    if alert["state"] != "acked":
        return str(alert["state"])
    by = f" by {printable(alert['acked_by'])}" if alert["acked_by"] else ""
    return f"acknowledged{by}" + (f" until {when(alert['acked_until'])}" if alert["acked_until"] else "")


def silence(given: Sequence[str]) -> int:
    """Add, list or end silences."""
    arguments = parser(
        "silence",
        "Hold messages back for a time. Nothing is lost: events are counted, and told of when it ends.",
        'relay silence add module=pay.* level=error --for 2h --reason "deploy"',
    )
    verbs = arguments.add_subparsers(dest="verb", required=True)
    add = verbs.add_parser("add", help="begin one")
    add.add_argument(
        "matchers",
        nargs="+",
        metavar="MATCHER",
        help="KEY=VALUE (or !=, =~, !~), all must hold; KEY is source, module (a glob), level (or above), "
        "message, rule, alert, fingerprint or a label; VALUE may be /a regular expression/i",
    )
    add.add_argument("--for", dest="span", type=_span, help="how long, such as 2h")
    add.add_argument("--reason", default="", help="why: everyone sees it")
    add.add_argument("--by", help="whose it is (default: your user name)")
    add.add_argument("--until-quiet", type=_span, metavar="SPAN", help="end it once it is quiet for so long")
    add.add_argument(
        "--preview", action="store_true", help="only say what it would have held back since yesterday"
    )
    end = verbs.add_parser("end", help="end one now")
    end.add_argument("id", type=int)
    listing = verbs.add_parser("list", help="those in force, and those of the rules")
    listing.add_argument("-a", "--all", action="store_true", help="those that ended, too")
    for each in (add, end, listing):
        add_rules(each)
        add_json(each)
    options = arguments.parse_args(given)
    return {"add": _add, "end": _end, "list": _list}[options.verb](options)


def links(given: Sequence[str]) -> int:
    """Make a new key for the links in messages."""
    arguments = parser(
        "links",
        "Sign the links in new messages with a new key. Links of the key before still work; after a second "
        "time only those of the newest two keys do.",
        "relay links rotate",
    )
    arguments.add_argument("verb", choices=["rotate"])
    add_rules(arguments)
    options = arguments.parse_args(given)
    ask(rules_path(options.config), "rotate_links")
    print("links are signed with a new key")
    return FINE


def _add(options: argparse.Namespace) -> int:
    path = rules_path(options.config)
    if options.preview:
        data = ask(path, "preview", matchers=options.matchers)
        print(json.dumps(data, ensure_ascii=False, indent=2) if options.json else _preview(data))
        return FINE
    if options.span is None:
        complain("how long? write --for 2h")
        return USAGE
    data = ask(
        path,
        "silence",
        matchers=options.matchers,
        reason=options.reason,
        by=options.by,
        until_quiet=options.until_quiet,
        **{"for": options.span},
    )
    if options.json:
        print(json.dumps(data, ensure_ascii=False, indent=2))
    else:
        print(f"{printable(data['words'])} ends at {when(data['ends_at'])}")
        print(_preview(data["preview"]))
    return FINE


def _end(options: argparse.Namespace) -> int:
    data = ask(rules_path(options.config), "end_silence", id=options.id)
    print(json.dumps(data) if options.json else f"silence {options.id} is over")
    return FINE


def _list(options: argparse.Namespace) -> int:
    rows = ask(rules_path(options.config), "silences", all=options.all)
    if options.json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
    elif not rows:
        print("no silences" if options.all else "no silences in force (--all shows those that ended)")
    else:
        print(
            table(("id", "state", "until", "holds", "author", "what", "reason"), [_row(row) for row in rows])
        )
    return FINE


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    planned = "matchers" not in row
    state = "in force" if row["in_force"] else "waiting" if planned else "over"
    what = (row["every"] or row["until"]) if planned else " ".join(row["matchers"])
    until = row["ends_at"] if not row.get("ended_at") else row["ended_at"]
    return (
        str(row["id"]),
        coloured(state),
        when(until) if until else "-",
        f"{row['held']} alerts",
        printable(row["author"]),
        printable(what),
        printable(row["reason"]),
    )


def _preview(data: dict[str, Any]) -> str:
    head = (
        f"in the last {data['hours']} h it would have held back {data['messages']} messages "
        f"about {data['count']} alerts"
    )
    if not data["whole"]:
        head += " (of the latest thousand)"
    lines = [
        f"  #{each['id']}  {printable(each['module'])}: {printable(each['title'])}  (x{each['count']})"
        for each in data["alerts"]
    ]
    return "\n".join([head, *lines])


def _span(text: str) -> float:
    from relay.values import parse_duration  # noqa: PLC0415 - msgspec and not for --help

    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
