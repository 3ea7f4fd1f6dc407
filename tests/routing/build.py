"""Short ways to the records that the routing tests are about."""

from __future__ import annotations

from typing import Any

from relay.config.schema import Config, Match, Rule, Text
from relay.models import Address, Event, Level
from relay.routing.fingerprint import Fingerprint
from relay.routing.recipients import Reached

NOW = 1_767_600_000.0  # 2026-01-05 08:00 UTC
WANG = Reached("wang", (Address("rtx", "wangwei"), Address("mail", "wang@example.com")))
PROBLEM = Fingerprint("0123456789abcdef", "timeout after <num> ms")


def event(message: str = "timeout after 3000 ms", **fields: Any) -> Event:
    given = {"time": NOW, "source": "shop", "module": "pay.refund", "level": Level.ERROR, **fields}
    return Event(message=message, **given)


def text(written: str, *, message: bool = False) -> Text:
    """A condition as rules.yaml writes it: /regex/i, a glob, or plain."""
    if written.startswith("/"):
        pattern, _, flags = written[1:].rpartition("/")
        return Text("regex", pattern, ignore_case=flags == "i")
    if message:
        return Text("part", written)
    return Text("glob" if set(written) & set("*?") else "exact", written)


def match(
    *,
    source: str = "",
    module: str = "",
    level: Level | None = None,
    message: str = "",
    **labels: str,
) -> Match:
    """Each a list of conditions, by spaces."""
    return Match(
        source=tuple(map(text, source.split())),
        module=tuple(map(text, module.split())),
        level=level,
        message=(text(message, message=True),) if message else (),
        labels={name: tuple(map(text, value.split())) for name, value in labels.items()},
    )


def rule(name: str = "payments", **fields: Any) -> Rule:
    return Rule(name=name, **{"to": ("wang",), **fields})


def config(*rules: Rule, **recipients: Any) -> Config:
    return Config(rules=rules, recipients=recipients)
