"""`relay render`: what people would read at each backend, down to the bytes; nothing is sent."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from relay.cli.common import (
    FINE,
    PROBLEM,
    USAGE,
    add_json,
    add_rules,
    complain,
    parser,
    rules_path,
)
from relay.cli.explain import add_event, asked
from relay.cli.payload import masked, text

if TYPE_CHECKING:
    from relay.backends.base import Backend, Settings
    from relay.config.schema import Config, Rule
    from relay.models import Event, Message
    from relay.rulebook import Rules

REASONS: Final = ("first", "reminder", "resolved", "digest")
Way = tuple[str, str, str]  # backend, recipient, address


def main(name: str, given: Sequence[str]) -> int:
    """Take an event through the rules, and print each message it would become."""
    arguments = parser(
        name,
        "Show the messages an event would become: what each backend it reaches would send, as its service "
        "gets it, secrets masked. No service is asked and nothing is sent.",
        'relay render -m pay.refund --message "timeout after 3000 ms" --reason reminder',
    )
    add_event(arguments)
    arguments.add_argument(
        "--backend", action="append", default=[], metavar="NAME", help="show this one, reached or not"
    )
    arguments.add_argument("--all", action="store_true", help="show every backend")
    arguments.add_argument("--reason", choices=REASONS, default="first", help="which of an alert's messages")
    add_rules(arguments)
    add_json(arguments)
    options = arguments.parse_args(given)
    found = asked(options, rules_path(options.config))
    if isinstance(found, int):
        return found
    rules, event, now = found
    if unknown := set(options.backend) - set(rules.config.backends):
        complain(f"unknown backend {min(unknown)!r}; there are: {', '.join(sorted(rules.config.backends))}")
        return USAGE
    shown = asyncio.run(_rendered(rules, event, now, options))
    if options.json:
        print(json.dumps(shown, ensure_ascii=False, indent=2))
    else:
        print("\n\n".join(map(text, shown)) or "no rule takes it: nobody is told (try --all)")
    return PROBLEM if any("error" in each for each in shown) else FINE


async def _rendered(
    rules: Rules, event: Event, now: float, options: argparse.Namespace
) -> list[dict[str, Any]]:
    from relay.routing.recipients import reached_by  # noqa: PLC0415 - heavy, and not for --help

    shown = []
    taking = rules.route(event)
    for rule in taking:
        for reached in reached_by(rules.config, rule, now, event):
            for way in reached.addresses:
                if way.backend in options.backend or not options.backend:
                    told = (way.backend, reached.recipient, way.to)
                    shown.append(await _one(rules.config, _message(rule, event, now, options.reason), told))
    there = {each["backend"] for each in shown}
    wanted = rules.config.backends if options.all else options.backend
    for name in (name for name in wanted if name not in there):
        message = _message(taking[0] if taking else _no_rule(), event, now, options.reason)
        shown.append(await _one(rules.config, message, (name, *_somebody(rules.config, name))))
    return shown


async def _one(config: Config, message: Message, way: Way) -> dict[str, Any]:
    """What one backend would send to one address: its last request, as those before it are questions."""
    from relay.backends.rehearsal import Rehearsal  # noqa: PLC0415 - with the rest
    from relay.errors import BackendError  # noqa: PLC0415
    from relay.templates import Templates  # noqa: PLC0415

    name, recipient, to = way
    settings = config.backends[name]
    shown: dict[str, Any] = {
        "backend": name,
        "type": str(type(settings).__struct_config__.tag),
        "recipient": recipient,
        "to": to,
        "rule": message.rule,
    }
    rehearsal = Rehearsal()
    failed: list[str] = []

    def report(kind: str, subject: str, text: str, *, avoid: str = "", cleared: bool = False) -> None:
        del kind, subject, avoid, cleared
        failed.append(text)

    templates = Templates(report)
    templates.apply(config)
    try:
        backend = await _backend(name, settings, rehearsal)
        message = templates.worded(message, backend)
        await backend.send(message, to)
    except BackendError as error:
        if not rehearsal.requests:
            return {**shown, "error": str(error)}
    except Exception as error:  # noqa: BLE001 - settings with a stand-in for a secret may be impossible
        return {**shown, "error": f"can't be shown ({type(error).__name__}): are its secrets here?"}
    request = masked(rehearsal.requests[-1], settings) if rehearsal.requests else None
    return {**shown, **({"error": "; ".join(failed)} if failed else {}), "request": request}


async def _backend(name: str, settings: Settings, rehearsal: Any) -> Backend:
    from relay.backends.base import Door  # noqa: PLC0415 - with the rest
    from relay.backends.registry import build  # noqa: PLC0415
    from relay.clock import SystemClock  # noqa: PLC0415

    class NoSession:
        """A backend that goes past `HttpBackend.ask` gets nowhere, and sends nothing."""

    session: Any = NoSession()
    return build(settings, Door(session=session, clock=SystemClock(), name=name, rehearsal=rehearsal))


def _message(rule: Rule, event: Event, now: float, reason: str) -> Message:
    """The message of a new alert; or of one that has gone on, is over, or shares its message with another."""
    from msgspec import structs  # noqa: PLC0415 - with the rest

    from relay.digest import line  # noqa: PLC0415
    from relay.models import AlertState, Reason  # noqa: PLC0415
    from relay.routing.decide import decide, fold  # noqa: PLC0415
    from relay.routing.group import problem  # noqa: PLC0415
    from relay.routing.render import message as rendered  # noqa: PLC0415

    decision = decide(rule, None, fold([event]), (), now, new_id=1, fingerprint=problem(event, rule))
    message = structs.replace(rendered(decision, None, event, f"render-{now:.0f}"), reason=Reason.FIRST)
    later = {"count": 13, "more": 12, "first_seen": event.time - 600, "since": event.time - 600}
    match reason:
        case "reminder":
            return structs.replace(message, reason=Reason.REMINDER, **later)
        case "resolved":
            over = {"reason": Reason.RESOLVED, "state": AlertState.RESOLVED}
            return structs.replace(message, **over, **later)
        case "digest":
            return structs.replace(message, digest=(line(structs.replace(message, alert=2)),))
    return message


def _no_rule() -> Rule:
    from relay.config.schema import Rule  # noqa: PLC0415 - with the rest

    return Rule(name="(no rule takes it)")


def _somebody(config: Config, backend: str) -> tuple[str, str]:
    """A recipient who has an address at that backend, and the address."""
    from relay.config.people import address_of, ways_of  # noqa: PLC0415 - with the rest

    for name, recipient in config.recipients.items():
        if way := ways_of(recipient).get(backend):
            return name, address_of(way)
    return "", "nobody"
