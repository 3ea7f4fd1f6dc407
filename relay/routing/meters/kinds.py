"""Which meter a rule has, what it counts together, and how its states are written."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

import msgspec

from relay.config import schema
from relay.config.schema import Rule
from relay.models import Event
from relay.routing.fingerprint import Fingerprint, fingerprint, of_parts, template
from relay.routing.group import problem as problem_of
from relay.routing.meters.absent import Absent, Last
from relay.routing.meters.base import Meter
from relay.routing.meters.distinct import Distinct, Values
from relay.routing.meters.fields import value_of
from relay.routing.meters.new import Known, New
from relay.routing.meters.pair import Open, Pair
from relay.routing.meters.rate import Counts, Rate
from relay.routing.meters.threshold import Points, Threshold

State = Points | Values | Last | Counts | Known | Open

_encode: Final = msgspec.json.Encoder().encode
_decode: Final[Callable[[bytes], State]] = msgspec.json.Decoder(State).decode


def meter_of(rule: Rule) -> Meter | None:
    """What the rule counts before it tells; None: nothing, each event goes on."""
    if rule.threshold is not None:
        return Threshold(rule.threshold)
    if rule.distinct is not None:
        return Distinct(rule.distinct)
    if rule.absent is not None:
        given = rule.absent
        settings = given if isinstance(given, schema.Absent) else schema.Absent(for_=given)
        return Absent(settings, rule.name)
    if rule.rate is not None:
        return Rate(rule.rate)
    if rule.pair is not None:
        return Pair(rule.pair)
    return New() if rule.new else None


def subject(event: Event, rule: Rule, serial: str = "") -> Fingerprint:
    """The alert that an event would belong to: what the rule counts together is one alert."""
    if rule.absent is not None or rule.rate is not None:
        return of_rule(rule)
    if rule.pair is not None:
        return of_parts(rule.name, template(event.message), "pair", *_fields(event, rule.pair.by))
    counted = rule.threshold or rule.distinct
    if counted is None or counted.by == ("fingerprint",):
        return problem_of(event, rule, serial)
    fields = [_counted_by(event, rule, name, serial) for name in counted.by]
    return of_parts(rule.name, template(event.message), "by", *fields)


def of_rule(rule: Rule) -> Fingerprint:
    """The one alert of a rule that counts all that it takes."""
    what = f": {rule.rate.factor:g} times as many as usual" if rule.rate is not None else ""
    return of_parts(rule.name, f"{rule.name}{what}", "rule")


def written(state: msgspec.Struct) -> bytes:
    """The state as the store has it: JSON; what UTF-8 can't hold becomes a question mark."""
    try:
        return _encode(state)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(state)).encode()


def read(data: bytes) -> State | None:
    """A stored state; None for one that this relay doesn't know."""
    try:
        return _decode(data)
    except msgspec.DecodeError:
        return None


def _counted_by(event: Event, rule: Rule, name: str, serial: str) -> str:
    match name:
        case "fingerprint":
            return fingerprint(event, rule, serial).key
        case "rule":
            return ""
        case _:
            return value_of(event, name)


def _fields(event: Event, names: tuple[str, ...]) -> list[str]:
    return [value_of(event, name) for name in names]
