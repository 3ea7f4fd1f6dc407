"""`relay oncall`: who is on duty, until when, and who comes next."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from relay.cli.common import FINE, USAGE, add_json, add_rules, complain, parser, rules_path, when
from relay.cli.explain import moment, read_rules

if TYPE_CHECKING:
    from relay.config.schema import Config, Rota


def main(name: str, given: Sequence[str]) -> int:
    """Print one line for each rota, and how its people are reached at that time."""
    arguments = parser(
        name,
        "Say who is on duty, until when, who comes next, and how they are reached at that time.",
        'relay oncall --at "Sat 03:00"',
    )
    arguments.add_argument("rota", nargs="*", help="names of rotas (default: all)")
    arguments.add_argument(
        "--at", metavar="TIME", help="as if it were then: 2026-03-01T03:00, 03:00, or 'Sat 03:00'"
    )
    add_rules(arguments)
    add_json(arguments)
    options = arguments.parse_args(given)
    rules = read_rules(rules_path(options.config))
    if isinstance(rules, int):
        return rules

    from relay.config.schema import Rota  # noqa: PLC0415 - heavy, and not for --help

    config = rules.config
    rotas = {each: rota for each, rota in config.recipients.items() if isinstance(rota, Rota)}
    if unknown := [each for each in options.rota if each not in rotas]:
        complain(f"no rota is called {unknown[0]!r}; there are: {', '.join(rotas) or 'none'}")
        return USAGE
    try:
        now = moment(options.at, time.time())
    except ValueError as error:
        complain(error)
        return USAGE
    wanted = options.rota or list(rotas)
    shown = [duty(config, each, rotas[each], now) for each in wanted]
    if options.json:
        print(json.dumps(shown, ensure_ascii=False, indent=2))
    else:
        print(
            "\n".join(map(_text, shown))
            or "no rota: recipients: {oncall: {rota: [wang, li], every: 1w, ...}}"
        )
    return FINE


def duty(config: Config, name: str, rota: Rota, now: float) -> dict[str, Any]:
    """Who is on duty, until when, and how they are reached now; who comes next."""
    from relay.routing.recipients import addresses  # noqa: PLC0415 - heavy, and not for --help
    from relay.routing.rota import turn  # noqa: PLC0415

    this = turn(rota, now)
    people = addresses(config, (name,), now)
    return {
        "rota": name,
        "at": now,
        "on_duty": list(this.names),
        "override": this.instead,
        "until": this.until,
        "next": list(turn(rota, this.until).names),
        "reached": [
            {
                "recipient": each.recipient,
                "addresses": [[way.backend, way.to] for way in each.addresses],
                "opens_at": None if each.opens_at in {0.0, float("inf")} else each.opens_at,
                "now": not each.opens_at,
            }
            for each in people
        ],
    }


def _text(shown: dict[str, Any]) -> str:
    instead = " (an override)" if shown["override"] else ""
    now, after = ", ".join(shown["on_duty"]), ", ".join(shown["next"])
    lines = [f"{shown['rota']}: {now}{instead} until {when(shown['until'])}, then {after}"]
    for each in shown["reached"]:
        way = ", then ".join(f"{backend} ({to})" for backend, to in each["addresses"])
        if each["now"]:
            lines.append(f"  {each['recipient']} by {way}")
        else:
            off = f"from {when(each['opens_at'])} by {way}" if each["opens_at"] else "never"
            lines.append(f"  {each['recipient']} is outside of their hours: reached {off}")
    if not shown["reached"]:
        lines.append("  nobody is reached: no address, or unknown names")
    return "\n".join(lines)
