"""`relay explain`: why an event would reach someone, or not; by the daemon's own functions."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from datetime import time as time_of_day
from typing import TYPE_CHECKING, Any, Final

from relay.cli.common import (
    FINE,
    PROBLEM,
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
    when,
)

if TYPE_CHECKING:
    from msgspec import Struct

    from relay.config.schema import Config, Rule
    from relay.explain import Judge
    from relay.models import Alert, Event, Level
    from relay.placing import Known
    from relay.routing.decide import Decision
    from relay.routing.hush import Hush
    from relay.rulebook import Rules

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def main(name: str, given: Sequence[str]) -> int:
    """Explain a pasted line, or an event given by its fields."""
    arguments = parser(
        name,
        "Say which rule takes an event, whom it would reach, by which addresses, and why. "
        "Live alerts and outages are taken into account if the daemon runs. "
        "`-m watchdog.NAME` alone is that check of the watchdog coming down.",
        'relay explain "2026-03-01 10:00:00,123 ERROR pay.refund: timeout after 3000 ms"',
    )
    add_event(arguments)
    add_rules(arguments)
    add_json(arguments)
    options = arguments.parse_args(given)
    path = rules_path(options.config)

    from relay.explain import explain  # noqa: PLC0415 - heavy, and not for --help

    found = asked(options, path)
    if isinstance(found, int):
        return found
    rules, event, now = found
    hushed, judge = _hushed(path, rules, now), _judge(path, options.at, rules, event, now)
    known, counted = _known(path, options.at), _counted(path, options.at)
    explanation = explain(rules, event, known, now, judge=judge, counted=counted, hushed=hushed).json()
    explanation["check"] = _check_note(path, options.at, event, rules.config)
    print(json.dumps(explanation, ensure_ascii=False, indent=2) if options.json else _text(explanation))
    return FINE


def add_event(arguments: argparse.ArgumentParser) -> None:
    """The arguments that say which event."""
    arguments.add_argument(
        "line", nargs="?", help="a log line as it stands in the file; `-` reads standard input"
    )
    arguments.add_argument("-m", "--module")
    arguments.add_argument("-l", "--level")
    arguments.add_argument("--message")
    arguments.add_argument("--source", help="the source's name in the rules")
    arguments.add_argument("--label", action="append", default=[], metavar="KEY=VALUE")
    arguments.add_argument(
        "--at", metavar="TIME", help="as if it were then: 2026-03-01T03:00, 03:00, or 'Sat 03:00'"
    )


def read_rules(path: str) -> Rules | int:
    """The rules, whatever secrets are missing here; else the exit status, and the problems are printed."""
    from relay.reload import prepare  # noqa: PLC0415 - heavy, and not for --help

    prepared = prepare(path, lenient_secrets=True)
    if prepared.rules is None:
        for problem in prepared.problems:
            print(problem, file=sys.stderr)
        return PROBLEM
    return prepared.rules


def asked(options: argparse.Namespace, path: str) -> tuple[Rules, Event, float] | int:
    """The rules, the event that is meant and when it is; else the exit status, and why is printed."""
    from relay.reload import parser as line_parser  # noqa: PLC0415 - heavy, and not for --help

    rules = read_rules(path)
    if isinstance(rules, int):
        return rules
    try:
        now = moment(options.at, time.time())
        return rules, _event(options, rules.config, line_parser(rules.config), now), now
    except ValueError as error:
        complain(error)
        return USAGE


def moment(text: str | None, now: float) -> float:
    """Seconds since the epoch of `--at`; a time of day (of a weekday) is the next one. ValueError."""
    if not text:
        return now
    try:
        return _next_time(text, datetime.fromtimestamp(now)).timestamp()  # noqa: DTZ006 - the host's zone is meant
    except ValueError:
        raise ValueError(f"--at {text!r} is no time: write 2026-03-01T03:00, 03:00 or 'Sat 03:00'") from None


def _next_time(text: str, now: datetime) -> datetime:
    day, _, clock = text.rpartition(" ")
    if len(clock) != 5 or (day and day[:3].lower() not in DAYS):
        return datetime.fromisoformat(text)
    at = datetime.combine(now.date(), time_of_day.fromisoformat(clock))
    if day:
        at += timedelta(days=(DAYS.index(day[:3].lower()) - now.weekday()) % 7)
    return at if at > now else at + timedelta(days=7 if day else 1)


def _event(options: argparse.Namespace, config: Config, parse: Callable[[str], Event], now: float) -> Event:
    from msgspec import structs  # noqa: PLC0415 - with the rest

    from relay.models import Event, Level  # noqa: PLC0415

    if options.line and options.message:
        raise ValueError("give a line, or an event by --module, --level and --message, not both")
    level = Level.of(options.level) if options.level else None
    if options.level and level is None:
        raise ValueError(f"unknown level {options.level!r}")
    labels = dict(label.partition("=")[::2] for label in options.label)
    if options.line:
        line = sys.stdin.read().rstrip("\n") if options.line == "-" else options.line
        event = parse(line)
        changes: dict[str, Any] = {"time": now, "labels": {**event.labels, **labels}}
        changes |= {key: value for key, value in (("module", options.module), ("level", level)) if value}
        if options.source:
            changes["source"] = options.source
        return structs.replace(event, **changes)
    if not (options.message or options.module):
        raise ValueError("give a log line, or an event by --module, --level and --message")
    if not options.source and (fallen := _fallen(options, level, labels, config, now)):
        return fallen
    return Event(
        time=now,
        source=options.source or "",
        module=options.module or "",
        level=level or Level.ERROR,
        message=options.message or "",
        labels=labels,
    )


def _fallen(
    options: argparse.Namespace, level: Level | None, labels: Mapping[str, str], config: Config, now: float
) -> Event | None:
    """How the watchdog tells that the check with that module came down; None if there is no such."""
    from msgspec.structs import replace  # noqa: PLC0415 - with the rest

    from relay.watchdog import told  # noqa: PLC0415

    name = told.entry_of(options.module or "")
    watch = config.watchdog.get(name)
    if watch is None:
        return None
    event = told.event(name, watch, told.DOWN, options.message or f"{name} is down", "", now)
    return replace(event, level=level or event.level, labels={**event.labels, **labels})


def _check_note(path: str, at: str | None, event: Event, config: Config) -> str:
    """Why the check whose event it is meant to be can't come down now; "" if it can, or it is no check's."""
    from relay.config.problems import hint, quoted  # noqa: PLC0415 - with the rest
    from relay.watchdog import told  # noqa: PLC0415

    name = told.entry_of(event.module)
    if not name:
        return ""
    if name not in config.watchdog:
        return f"no check of the watchdog is called {quoted(name)}{hint(name, list(config.watchdog))}"
    with contextlib.suppress(UnreachableError, RefusedError):
        for row in [] if at else ask(path, "watchdog"):
            if row["name"] != name:
                continue
            if row["resting"]:
                until = f" until {when(row['paused_until'])}" if row["state"] == "paused" else ""
                return f"{name} is {row['resting']}{until}: it isn't looked at, and nobody is told"
            if row["waits_for"]:
                return f"{name} depends on {row['waits_for']}, which fails: nobody is told of {name}"
    return ""


def _known(path: str, at: str | None) -> Known:
    """What the running daemon knows; nothing if it doesn't run.

    Of another time than now no alerts and outages are known.
    """
    from relay.placing import Known  # noqa: PLC0415 - with the rest

    try:
        known = ask(path, "known")
    except (UnreachableError, RefusedError):
        return Known(lambda _: {})
    if at:
        return Known(lambda _: {}, signature=known["signature"])
    return Known(lambda keys: _live(path, keys), known["down"], known["signature"])


def _live(path: str, fingerprints: Iterable[str]) -> Mapping[str, Alert]:
    """The running daemon's alerts of these fingerprints."""
    import msgspec  # noqa: PLC0415 - with the rest

    from relay.models import Alert  # noqa: PLC0415

    try:
        return msgspec.convert(ask(path, "live", fingerprints=list(fingerprints)), dict[str, Alert])
    except (UnreachableError, RefusedError):
        return {}


def _waits(opens: float | None) -> str:
    if opens is None:
        return "is never told: outside of their hours, or the rule's, at all times"
    return f"is outside of their hours, or the rule's: told from {when(opens)} on what happened meanwhile"


def _counted(path: str, at: str | None) -> Callable[[str, str], Struct | None]:
    """What the running daemon's rule has counted under a key; nothing where `_live` knows nothing."""

    def look(rule: str, key: str) -> Struct | None:
        import msgspec  # noqa: PLC0415 - with the rest

        from relay.routing.meters.kinds import read  # noqa: PLC0415

        if at:
            return None
        try:
            return read(msgspec.json.encode(ask(path, "counted", rule=rule, key=key)))
        except (UnreachableError, RefusedError):
            return None

    return look


def _judge(path: str, at: str | None, rules: Rules, event: Event, now: float) -> Judge:
    """What holds messages back in the running daemon, in a copy: nothing changes there."""
    from relay.holds import Holds, due_of  # noqa: PLC0415 - with the rest
    from relay.routing.hold import restored  # noqa: PLC0415

    holds = Holds(lambda hold: due_of(hold, rules.by_name, rules.config, now))
    with contextlib.suppress(UnreachableError, RefusedError):
        holds.load(map(restored, [] if at else ask(path, "holds")))

    def judge(rule: Rule, decision: Decision, before: Alert | None) -> Decision:
        by = None if rule.name == rules.own.name else rule  # as `Deciding` does
        return holds.judge(rules.config, by, decision, before, event, now)

    return judge


def _hushed(path: str, rules: Rules, now: float) -> Callable[[Alert, Event], list[Hush]]:
    """What the running daemon would hold the event back by; if it doesn't run, the rules' own silences."""

    def look(alert: Alert, event: Event) -> list[Hush]:
        import msgspec  # noqa: PLC0415 - with the rest

        from relay.hushes import Hushes  # noqa: PLC0415
        from relay.routing.hush import Hush  # noqa: PLC0415

        asked = {"event": msgspec.to_builtins(event), "alert": msgspec.to_builtins(alert)}
        try:
            found = ask(path, "hushes", fingerprint=alert.fingerprint, at=now, **asked)
        except (UnreachableError, RefusedError):
            return list(Hushes(rules.config).all_on(alert, event, now))
        return [Hush.of(each) for each in found]

    return look


def _text(data: dict[str, Any]) -> str:
    event = data["event"]
    lines = [
        f"event   {event['level']} {printable(event['module'])}: {printable(event['message'])}",
        f"at      {when(data['at'])}",
        "",
    ]
    width = max((len(step["rule"]) for step in data["steps"]), default=0)
    for step in data["steps"]:
        mark = {"matched": "->", "failed": "  ", "not reached": " ."}[step["outcome"]]
        lines.append(f"{mark} {step['rule']:{width}}  {step['outcome']}: {printable(step['why'])}")
    if data["own_line"]:
        lines += ["", "it is a line of relay's own log: no rule takes it, or it would go round"]
    elif not data["routes"]:
        lines += ["", "no rule takes it: nobody is told"]
    if data["outage"]:
        lines += ["", f"{data['outage']} is down: it is counted into that outage, not told apart"]
    if data["check"]:
        lines += ["", f"now: {printable(data['check'])}"]
    for route in data["routes"]:
        lines += ["", *_route_lines(route)]
    return "\n".join(lines)


def _route_lines(route: dict[str, Any]) -> Iterator[str]:
    """What becomes of it by one rule."""
    yield f"rule {route['rule']!r}: {coloured(route['reason'])}: {printable(route['why'])}"
    if route["counted"]:
        yield f"  counted {'; '.join(map(printable, route['counted']))}"
    yield f"  same problem as  {printable(route['title'])}  ({route['fingerprint']})"
    for hush in route["hushes"]:
        until = f", until {when(hush['ends_at'])}" if hush["ends_at"] else ""
        yield f"  {hush['kind']} by {printable(hush['words'])}{until}"
    for told in route["told"]:
        way = ", then ".join(f"{backend} ({to})" for backend, to in told["addresses"])
        yield f"  tells {told['recipient']} by {way}"
    for recipient, opens in route["waiting"].items():
        yield f"  {recipient} {_waits(opens)}"
    if held := route["held"]:
        until = f", until {when(held['until'])}" if held["until"] else ""
        yield f"  held back from {', '.join(held['to'])} by {held['by']}: {printable(held['why'])}{until}"
    if not route["told"]:
        yield "  nobody is told now"
