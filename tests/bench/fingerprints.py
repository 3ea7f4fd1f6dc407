"""Fingerprints a second on one core, masks included, and how long the slowest take.

Each text is new: the labelled events of the tests with other digits and hexadecimal ids, so that a memory of
whole texts helps no more than it does in life. Error codes stay: they are part of the problem.
"""

from __future__ import annotations

import gc
import json
import random
import re
import time
from pathlib import Path

from relay.models import Event, Level
from relay.routing.fingerprint import fingerprint, template
from tests.bench.stage import show
from tests.routing.build import rule
from tests.routing.hostile import HOSTILE

TEXTS = 20_000
_DIGIT = re.compile(r"\d")
_LONG_NUMBER = re.compile(r"\d{4,}")
_HEX = re.compile(r"\b(?=[a-f]*\d)[0-9a-f]{7,}\b")


def main() -> None:
    chance = random.Random(7)
    folder = Path(__file__).parents[1] / "routing"
    rows = [
        json.loads(line)
        for path in (folder / "alerts.jsonl", *sorted((folder / "unseen").glob("*.jsonl")))
        for line in path.read_text("utf-8").splitlines()
    ]
    gc.collect()
    gc.freeze()  # what the tests left is not the fingerprints' garbage
    for name, wanted, several in (("messages", "100,000", False), ("stack traces", "30,000", True)):
        known = [row for row in rows if ("\n" in row["text"]) is several]
        events = [
            _event(_varied(row["text"], chance), row["module"]) for row in chance.choices(known, k=TEXTS)
        ]
        rate, p99, worst = _timed(events)
        show(f"{name}, each with other digits", f"{rate:,.0f} a second", wanted)
        show(f"{name}: 99 % under; the slowest", f"{p99:.0f} us; {worst:.0f} us", "100 us")
    slowest = max(_timed([_event(text, "hostile")])[2] for text in HOSTILE.values())
    show(f"{len(HOSTILE)} hostile texts of 16 KiB: the slowest", f"{slowest / 1000:.1f} ms", "50 ms")


def _event(message: str, module: str) -> Event:
    return Event(time=0.0, source="bench", module=module, level=Level.ERROR, message=message)


def _varied(text: str, chance: random.Random) -> str:
    def digits(found: re.Match[str]) -> str:
        return "".join(chance.choices("0123456789", k=len(found[0])))

    def id_(found: re.Match[str]) -> str:
        return "".join(chance.choices("0123456789abcdef", k=len(found[0])))

    key = template(text)
    varied = _HEX.sub(id_, text)
    other = _DIGIT.sub(digits, varied)
    return other if template(other) == key else _LONG_NUMBER.sub(digits, varied)


def _timed(events: list[Event]) -> tuple[float, float, float]:
    """Fingerprints a second; microseconds under which 99 % stay; microseconds of the slowest."""
    all_in_one, took = rule(), []
    started = time.thread_time()
    for event in events:
        before = time.thread_time()
        fingerprint(event, all_in_one)
        took.append(time.thread_time() - before)
    seconds = time.thread_time() - started
    took.sort()
    return len(events) / seconds, took[int(len(took) * 0.99)] * 1e6, took[-1] * 1e6
