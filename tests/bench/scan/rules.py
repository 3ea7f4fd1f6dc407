"""Sets of rules of the kinds people write, each with lines that it must find and lines that it must not.

Rule `number` is of kind `number % 10` about part `number // 10` of an imaginary plant, so a set of 10 has
every kind once and a set of 1,000 a hundred of each. `for_peers` says the same to tools that know lines only.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from tests.bench.scan.java import HEAD, record
from tests.bench.scan.lines import KINDS, Kind, fill

_PARTS: Final = """
abacus airship anvil atrium aviary bakery barge beacon bellows bilge boiler bollard bracket buoy burner
cabin cadenza candle canopy capstan carousel cellar chimney cistern clutch compass conveyor cooler
crane crucible cupola cylinder damper davit derrick dredger drydock dynamo elevator exhaust extruder
ferry filter flange flume flywheel foundry funnel furnace gantry gasket gauge girder glazier granary
grinder gyro hangar harbour hatch hopper hydrant igniter impeller inlet jetty jigsaw keel kiln ladle
lantern lathe lever lighthouse lock loom manifold mast mill mixer mooring nozzle orchard oven paddle
pantry piston planer plough pontoon press pulley quarry rafter reactor rudder sextant shaft silo sluice
""".split()  # noqa: SIM905 - words

MIXED: Final = "mixed"
JAVA: Final = "java"

Plant = Callable[[random.Random], str]
_WARNING_KINDS: Final = tuple(kind for kind in KINDS.values() if kind.warning)
_INFO_KINDS: Final = tuple(kind for kind in KINDS.values() if "INFO" in kind.levels and kind.warning)
_ALL_KINDS: Final = tuple(KINDS.values())


class Written(Struct, frozen=True, kw_only=True):
    """One rule of rules.yaml, and what the corpus plants for it."""

    name: str
    match: dict[str, Any]
    except_: dict[str, Any] | None = None
    for_peers: str  # the same as one pattern on lines: `\\d`, `\\w`, groups; no exceptions, no labels
    ignore_case: bool = False
    plants: dict[str, Plant]  # by log: lines that it finds
    decoys: dict[str, Plant] = {}  # by log: lines that it doesn't find though most of it fits
    peers_fall_for_decoys: bool = False


def rules(count: int) -> tuple[Written, ...]:
    """The first `count` rules; a set holds every smaller one."""
    assert count <= len(_PARTS) * len(_MAKERS), "no more parts to write rules about"
    return tuple(_MAKERS[number % len(_MAKERS)](_PARTS[number // len(_MAKERS)]) for number in range(count))


def yaml(written: tuple[Written, ...], sources: dict[str, Any], folder: str) -> str:
    """A rules.yaml: `sources` beside the rules, told on standard output."""
    entries = []
    for rule in written:
        entry: dict[str, Any] = {"name": rule.name, "match": rule.match, "to": ["ops"]}
        if rule.except_ is not None:
            entry["except"] = rule.except_
        entries.append(f"  - {json.dumps(entry)}\n")
    head = {
        "store": f"{folder}/relay.db",
        "operators": ["ops"],
        "sources": sources,
        "backends": {"out": {"type": "console"}},
        "recipients": {"ops": {"out": "ops"}},
    }
    lines = [f"{key}: {json.dumps(value)}\n" for key, value in head.items()]
    return "".join([*lines, "rules:\n", *entries])


def sources(folder: str) -> dict[str, Any]:
    """The two logs of a corpus as sources of rules.yaml."""
    return {
        MIXED: {
            "tail": f"{folder}/{MIXED}.log",
            "format": "plain",
            "level": "info",
            "start": "beginning",
            "labels": {"host": "web-1"},
        },
        JAVA: {"tail": f"{folder}/{JAVA}.log", "format": "java", "start": "beginning"},
    }


# --- planting -----------------------------------------------------------------------------------------


def _said(text: str, kinds: tuple[Kind, ...] = _ALL_KINDS, *, warning: bool = False) -> Plant:
    """A line of some kind that says it."""

    def plant(chance: random.Random) -> str:
        kind = chance.choice(kinds)
        return fill(kind.head + text, chance, level=kind.warning if warning else kind.levels[0])

    return plant


def _logged(text: str, level: str = "WARN", module: str = "com.example.web.Gate") -> Plant:
    """A Java record that says it."""
    return lambda chance: fill(HEAD + text, chance, level=level, module=module)


def _both(text: str) -> dict[str, Plant]:
    return {MIXED: _said(text), JAVA: _logged(text)}


# --- the kinds of rules -------------------------------------------------------------------------------


def _word(part: str) -> Written:
    text = f"{part} checksum mismatch"
    return Written(
        name=f"{part}: words",
        match={"message": text},
        for_peers=text,
        plants=_both(f"{text} in segment <n6>"),
        decoys=_both(f"{part.upper()} CHECKSUM MISMATCH in segment <n6>"),
    )


def _any_case(part: str) -> Written:
    text = f"{part} pressure lost"
    return Written(
        name=f"{part}: any case",
        match={"message": f"/{text}/i"},
        for_peers=text,
        ignore_case=True,
        plants={MIXED: _said(f"{text.title()} at <n3> kPa"), JAVA: _logged(f"{text.upper()} at <n3> kPa")},
    )


def _groups(part: str) -> Written:
    pattern = rf"{part}-(\d+) (lost|dropped) (\w+) after \d+ ms"
    return Written(
        name=f"{part}: groups",
        match={"message": f"/{pattern}/"},
        for_peers=pattern,
        plants=_both(f"{part}-<n3> dropped <word> after <n4> ms"),
        decoys=_both(f"{part}-<word> dropped <word> after <n4> ms"),
    )


def _module(part: str) -> Written:
    return Written(
        name=f"{part}: module and level",
        match={"module": f"com.plant.{part}.*", "level": "error"},
        for_peers=rf" (ERROR|FATAL) .*\] com\.plant\.{part}(\.[A-Za-z.]+)? - ",
        plants={
            JAVA: lambda chance: record(
                chance,
                "ERROR",
                f"com.plant.{part}.api.Desk",
                "request <n6> failed",
                "java.io.IOException: <word>",
            )
        },
        decoys={JAVA: _logged("request <n6> failed", "WARN", f"com.plant.{part}.api.Desk")},
    )


def _except(part: str) -> Written:
    pattern = rf"{part} (read|write) failed: (\w+)"
    return Written(
        name=f"{part}: with an exception",
        match={"message": f"/{pattern}/"},
        except_={"message": ["will retry", "/attempt [12] of/"]},
        for_peers=pattern,
        plants=_both(f"{part} write failed: <word> at offset <n8>"),
        decoys=_both(f"{part} write failed: <word> at offset <n8>, attempt 1 of 3"),
        peers_fall_for_decoys=True,
    )


def _class(part: str) -> Written:
    name = part.title()
    return Written(
        name=f"{part}: class and words",
        match={"module": f"*.{name}Service", "message": "overdue"},
        for_peers=rf"\.{name}Service - .*overdue",
        plants={JAVA: _logged("delivery <n6> is overdue by <n3> s", "WARN", f"com.plant.core.{name}Service")},
        decoys={JAVA: _logged("delivery <n6> is on its way", "WARN", f"com.plant.core.{name}Service")},
    )


def _any_of(part: str) -> Written:
    words, pattern = [f"{part} is offline", f"no answer from {part}"], rf"{part} (gave up|died) \(code \d+\)"
    return Written(
        name=f"{part}: any of",
        match={"message": [*words, f"/{pattern}/"]},
        for_peers="|".join([*words, pattern]),
        plants={
            MIXED: _said(f"{part} gave up (code <n2>)"),
            JAVA: _logged(f"no answer from {part} for <n3> s"),
        },
    )


def _level(part: str) -> Written:
    text = f"{part} queue is full"
    return Written(
        name=f"{part}: level and words",
        match={"level": "warning", "message": text},
        for_peers=rf"(WARN|ERROR|FATAL|error).*{text}",
        plants={MIXED: _said(f"{text}: <n5> waiting", _WARNING_KINDS, warning=True), JAVA: _logged(text)},
        decoys={MIXED: _said(f"{text}: <n5> waiting", _INFO_KINDS), JAVA: _logged(text, "INFO")},
    )


def _cause(part: str) -> Written:
    name = f"{part.title()}Exception"
    return Written(
        name=f"{part}: cause in a trace",
        match={"message": rf"/Caused by: [\w.]*{name}: /"},
        for_peers=rf"Caused by: [\w.]*{name}: ",
        plants={
            JAVA: lambda chance: record(
                chance,
                "ERROR",
                "com.example.web.Dispatcher",
                "request <n6> failed",
                "javax.servlet.ServletException: handler failed",
                f"com.plant.{part}.{name}: no <word> left",
            )
        },
    )


def _label(part: str) -> Written:
    pattern = rf"status[=:] ?5\d\d upstream={part}"
    return Written(
        name=f"{part}: label",
        match={"labels": {"host": "web-*"}, "message": f"/{pattern}/"},
        for_peers=pattern,
        plants={MIXED: _said(f"GET /<word> status=503 upstream={part} time=<n3>")},
        decoys={MIXED: _said(f"GET /<word> status=200 upstream={part} time=<n3>")},
    )


_MAKERS: Final = (_word, _any_case, _groups, _module, _except, _class, _any_of, _level, _cause, _label)
