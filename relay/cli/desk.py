"""`relay status`, `relay alerts`, `relay reload`: questions to the running daemon."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from relay.cli.common import (
    FINE,
    PROBLEM,
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
from relay.cli.muting import acked_words
from relay.cli.watchdog import about

SHOWN: Final = 20  # entries of the watchdog that `relay status` names
WORST_FIRST: Final = ("down", "unknown", "waiting", "starting", "paused", "up")
LEVELS: Final = {10: "debug", 20: "info", 25: "notice", 30: "warning", 40: "error", 50: "critical"}


def main(name: str, given: Sequence[str]) -> int:
    """Ask, and print the answer."""
    return answered({"status": status, "alerts": alerts, "reload": reload}[name], given)


def status(given: Sequence[str]) -> int:
    """How the daemon is doing."""
    arguments = parser("status", "How the running daemon is doing.", "relay status")
    add_rules(arguments)
    add_json(arguments)
    options = arguments.parse_args(given)
    data = ask(rules_path(options.config), "status")
    print(json.dumps(data, ensure_ascii=False, indent=2) if options.json else _status_text(data))
    return FINE


def reload(given: Sequence[str]) -> int:
    """Take an edit of the rules now."""
    arguments = parser("reload", "Make the running daemon read its rules again.", "relay reload")
    add_rules(arguments)
    options = arguments.parse_args(given)
    data = ask(rules_path(options.config), "reload")
    for problem in data["problems"]:
        print(problem)
    print("the rules were taken" if data["taken"] else "the rules were refused; the old ones go on")
    return FINE if data["taken"] else PROBLEM


def alerts(given: Sequence[str]) -> int:
    """List alerts, or show one."""
    arguments = parser(
        "alerts", "List live alerts, or show one with its events and deliveries.", "relay alerts 12"
    )
    arguments.add_argument("id", nargs="?", type=int, help="show this one")
    arguments.add_argument("-a", "--all", action="store_true", help="resolved ones too")
    arguments.add_argument("-n", "--most", type=int, default=50, help="at most so many (default: 50)")
    add_rules(arguments)
    add_json(arguments)
    options = arguments.parse_args(given)
    path = rules_path(options.config)
    if options.id is not None:
        return _show_alert(ask(path, "alert", id=options.id), options.id, as_json=options.json)
    states = [] if options.all else ["firing", "acked"]
    rows = ask(path, "alerts", states=states, most=options.most)
    if options.json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
    elif not rows:
        print("no alerts" if options.all else "no live alerts (--all shows resolved ones)")
    else:
        head = ("id", "state", "level", "count", "first", "last", "module", "title")
        print(table(head, [_alert_row(row["alert"]) for row in rows]))
    return FINE


def _alert_row(alert: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(alert["id"]),
        alert["state"],
        LEVELS[alert["level"]],
        str(alert["count"]),
        when(alert["first_seen"]),
        when(alert["last_seen"]),
        printable(alert["module"]),
        printable(alert["title"]),
    )


def _show_alert(data: dict[str, Any] | None, number: int, *, as_json: bool) -> int:
    if data is None:
        complain(f"there is no alert {number}")
        return PROBLEM
    if as_json:
        print(json.dumps(data, ensure_ascii=False, indent=2))
        return FINE
    alert = data["alert"]
    print(
        f"alert {alert['id']}  {coloured(alert['state'])}  {LEVELS[alert['level']]}  rule {alert['rule']!r}"
    )
    print(f"  {printable(alert['module'])}: {printable(alert['title'])}")
    if alert["state"] == "acked":
        print(f"  {acked_words(alert)}")
    if alert["hushed"]:
        print(f"  messages are held back by {printable(alert['hushed'])}")
    print(f"  {alert['count']} events, first {when(alert['first_seen'])}, last {when(alert['last_seen'])}")
    if why := (data["trace"] or {}).get("why"):
        print(f"  last decision: {data['trace'].get('reason')}: {why}")
    if counted := (data["trace"] or {}).get("counted"):
        print(f"  counted {'; '.join(map(printable, counted))}")
    print("\nlatest events")
    for row in data["events"]:
        event = row["event"]
        print(f"  {when(event['time'])}  {printable(event.get('origin', ''))}  {printable(event['message'])}")
    print("\ndeliveries")
    for delivery in data["deliveries"]:
        print(f"  {delivery_line(delivery)}")
    return FINE


def delivery_line(delivery: dict[str, Any]) -> str:
    """One delivery in a line."""
    backend, to = delivery["address"]
    state = coloured(delivery["state"])
    error = f": {printable(delivery['error'])}" if delivery.get("error") else ""
    what = f"{delivery['reason']} to {delivery['recipient']} by {backend} ({to})"
    return f"{delivery['id']}  {state}  {what}{error}"


def _status_text(data: dict[str, Any]) -> str:
    pipeline, store = data["pipeline"], data["store"]
    events = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in pipeline["events"].items())
    parts = [
        f"relay {data['version']}, pid {data['pid']}, since {when(data['started_at'])}: {data['config']}",
        f"rules    {data['rules']}",
        f"events   {events or 'none yet'}; {pipeline['waiting']} waiting",
        f"alerts   {pipeline['live_alerts']} live; {pipeline['silences']} silences in force",
        f"store    {pipeline['store']}; {_counts(store)}",
    ]
    if http := data.get("http"):
        parts.append(f"http     {http['listen']}: {http['state']}, {http['requests']} requests")
    parts += _watchdog_lines(data.get("watchdog"))  # a daemon of before an update says nothing of it
    if ping := data.get("ping"):
        parts.append(f"ping     {_ping_words(ping)}")
    if drill := data.get("drill"):
        parts.append(f"drill    {_drill_words(drill)}")
    if data["refused"]:
        parts.append(f"the edited rules were refused:\n{data['refused']}")
    backends = [
        (
            each["backend"],
            each["type"],
            each["state"],
            str(each["in_flight"]),
            str(each["accepted"]),
            each["why"],
        )
        for each in data["backends"]
    ]
    parts += ["", table(("backend", "type", "state", "in flight", "accepted", ""), backends)]
    parts += ["", *(_source_line(source) for source in data["sources"])]
    parts.append(f"log files are scanned by {data['scan']}")
    return "\n".join(parts)


def _watchdog_lines(watchdog: dict[str, Any] | None) -> Iterator[str]:
    """How many checks stand how; then those that aren't well, the worst first."""
    if not watchdog or not watchdog["checks"]:
        return
    states = sorted(watchdog["states"].items(), key=lambda each: _badness(each[0]))
    stand = ", ".join(f"{count} {coloured(state)}" for state, count in states)
    if watchdog["gave_up"]:
        stand += f"; {coloured(str(watchdog['gave_up']) + ' given up', 'down')}"
    count = watchdog["checks"]
    yield f"watchdog {count} check{'s' * (count != 1)}: {stand}"
    unwell = sorted(watchdog["unwell"], key=lambda row: _badness(row["state"]))
    width = max((len(row["name"]) for row in unwell[:SHOWN]), default=0)
    for row in unwell[:SHOWN]:
        state = coloured(f"{row['state']:8}", row["state"])
        began = f"since {since(row['since'])}: " if row["since"] else ""
        yield f"         {state} {row['name']:{width}}  {began}{about(row)}"
    if len(unwell) > SHOWN:
        yield f"         and {len(unwell) - SHOWN} more: relay watchdog list"


def _badness(state: str) -> int:
    return WORST_FIRST.index(state) if state in WORST_FIRST else len(WORST_FIRST)


def _ping_words(ping: dict[str, Any]) -> str:
    answered = f"answered {since(ping['answered_at'])}" if ping["answered_at"] else "no answer yet"
    if ping["withheld"]:
        return f"{coloured('withheld', 'down')}: {printable(ping['withheld'])}; {answered}"
    if ping["failures"]:
        count = ping["failures"]
        return f"{coloured('failed', 'down')} {count} time{'s' * (count != 1)} in a row; {answered}"
    return answered


def _drill_words(drill: dict[str, Any]) -> str:
    following = f"the next {when(drill['next_at'])}"
    last = drill["last"]
    if last is None:
        return f"none yet, {following}"
    outcome = f"{coloured('failed')}: {printable(last['wrong'])}" if last["wrong"] else coloured("passed")
    return f"{since(last['at'])} {outcome}; {following}"


def _source_line(source: dict[str, Any]) -> str:
    rest = ", ".join(
        f"{key.replace('_', ' ')} {value}"
        for key, value in source.items()
        if key != "source" and value not in ({}, [])
    )
    return f"source {source['source']}: {rest}"


def _counts(counts: dict[str, Any]) -> str:
    """`3 events, 2 alerts firing, 3 deliveries delivered by hook, 205 KiB`."""
    alerts = [f"{count} alerts {state}" for state, count in counts["alerts"].items() if count]
    deliveries = [
        f"{count} deliveries {state} by {backend}"
        for backend, states in counts["deliveries"].items()
        for state, count in states.items()
        if count
    ]
    return ", ".join([f"{counts['events']} events", *alerts, *deliveries, f"{counts['bytes'] // 1024} KiB"])
