"""`relay outbox`: the deliveries, and what a person may do with them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from relay.cli.common import (
    FINE,
    PROBLEM,
    USAGE,
    add_json,
    add_rules,
    answered,
    ask,
    complain,
    parser,
    printable,
    rules_path,
    table,
    when,
)
from relay.cli.desk import delivery_line

STATES = ("pending", "sending", "delivered", "dead", "cancelled")


def main(name: str, given: Sequence[str]) -> int:
    """List, show, retry or drop."""
    arguments = parser(
        name, "The deliveries that relay owes, and what became of them.", "relay outbox retry --all-dead"
    )
    verbs = arguments.add_subparsers(dest="verb", metavar="list|show|retry|drop", required=True)
    listing = verbs.add_parser("list", help="deliveries, newest first (default: those not settled well)")
    listing.add_argument("-s", "--state", action="append", choices=STATES, help="only these; may be repeated")
    listing.add_argument("-n", "--most", type=int, default=50)
    showing = verbs.add_parser("show", help="one delivery with its attempts")
    showing.add_argument("id", type=int)
    for verb, what in (("retry", "make dead deliveries due again"), ("drop", "give pending or dead ones up")):
        changing = verbs.add_parser(verb, help=what)
        changing.add_argument("id", nargs="*", type=int)
        changing.add_argument("--all-dead", action="store_true", help="every dead delivery")
    for each in verbs.choices.values():
        add_rules(each)
        add_json(each)
    options = arguments.parse_args(given)
    return answered({"list": _list, "show": _show, "retry": _change, "drop": _change}[options.verb], options)


def _list(options: argparse.Namespace) -> int:
    states = options.state or ["pending", "sending", "dead"]
    rows = ask(rules_path(options.config), "outbox", states=states, most=options.most)
    if options.json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
    elif not rows:
        print(f"no deliveries that are {' or '.join(states)}")
    else:
        head = ("id", "state", "created", "recipient", "backend", "attempts", "reason", "message")
        print(table(head, [_row(row) for row in rows]))
    return FINE


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    message = row["message"]
    return (
        str(row["id"]),
        row["state"],
        when(row["created_at"]),
        row["recipient"],
        row["address"][0],
        str(row["attempts"]),
        row["reason"],
        printable(
            f"{message['module']}: {message['title']}" + (f" -- {row['error']}" if row["error"] else "")
        ),
    )


def _show(options: argparse.Namespace) -> int:
    data = ask(rules_path(options.config), "delivery", id=options.id)
    if data is None:
        complain(f"there is no delivery {options.id}")
        return PROBLEM
    if options.json:
        print(json.dumps(data, ensure_ascii=False, indent=2))
        return FINE
    delivery = data["delivery"]
    print(delivery_line(delivery))
    print(f"  created {when(delivery['created_at'])}, expires {when(delivery['expires_at'])}", end="")
    print(f", next attempt {when(delivery['next_at'])}" if delivery["state"] == "pending" else "")
    for backend, to in delivery["fallbacks"]:
        print(f"  then by {backend} ({to})")
    print("\nattempts")
    for attempt in data["attempts"]:
        said = " ".join(part for part in (attempt["code"], printable(attempt["detail"])) if part)
        print(f"  {when(attempt['started_at'])}  {attempt['backend']}  {attempt['outcome']}  {said}")
    print("\nmessage")
    for line in delivery["message"]["text"].split("\n"):
        print(f"  {printable(line)}")
    return FINE


def _change(options: argparse.Namespace) -> int:
    if bool(options.id) == options.all_dead:
        complain("name the deliveries by their ids, or say --all-dead")
        return USAGE
    wanted = {"all_dead": True} if options.all_dead else {"ids": options.id}
    data = ask(rules_path(options.config), options.verb, **wanted)
    if options.json:
        print(json.dumps(data))
    else:
        done = {"retry": "due again", "drop": "dropped"}[options.verb]
        print(f"{data['count']} deliver{'y' if data['count'] == 1 else 'ies'} {done}")
    return FINE if data["count"] or options.all_dead else PROBLEM
