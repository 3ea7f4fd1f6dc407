"""Numbers for Prometheus: counting that costs the hot path next to nothing, and the text format.

https://prometheus.io/docs/instrumenting/exposition_formats/ - counters are of this process alone: Prometheus
expects them to begin anew after a restart.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from msgspec import Struct, field

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SECONDS: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # upper bounds of a histogram

_IN_LABEL: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_IN_HELP: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})


class Histogram:
    """How often something took how long."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)  # by the first bound that holds it; the last: longer than all
        self.total = 0.0  # seconds

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds


class Sample(Struct, frozen=True):
    """One line: `suffix` follows the family's name."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""


class Family(Struct, frozen=True):
    """All samples of one name."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: list[Sample]


def single(name: str, kind: Literal["counter", "gauge"], text: str, value: float) -> Family:
    """A family of one sample without labels."""
    return Family(name, kind, text, [Sample(value)])


def labelled(
    name: str,
    kind: Literal["counter", "gauge"],
    text: str,
    labels: tuple[str, ...],
    values: Mapping[tuple[Any, ...], float],
) -> Family:
    """A family of samples by the values of their labels."""
    samples = [Sample(value, dict(zip(labels, map(str, key), strict=True))) for key, value in values.items()]
    return Family(name, kind, text, samples)


def spread(name: str, text: str, histograms: Iterable[tuple[Mapping[str, str], Histogram]]) -> Family:
    """A family of histograms, each with its labels."""
    samples = []
    for labels, histogram in histograms:
        below = 0
        for bound, count in zip((*SECONDS, math.inf), histogram.counts, strict=True):
            below += count
            samples.append(Sample(below, {**labels, "le": _number(bound)}, "_bucket"))
        samples += [Sample(histogram.total, labels, "_sum"), Sample(below, labels, "_count")]
    return Family(name, "histogram", text, samples)


def exposition(families: Iterable[Family]) -> str:
    """The families as Prometheus reads them; those without samples are left out."""
    lines = []
    for family in families:
        if not family.samples:
            continue
        lines += [
            f"# HELP {family.name} {family.help.translate(_IN_HELP)}",
            f"# TYPE {family.name} {family.kind}",
            *(_line(family.name, sample) for sample in family.samples),
        ]
    return "\n".join([*lines, ""])


def _line(name: str, sample: Sample) -> str:
    labels = ",".join(f'{key}="{value.translate(_IN_LABEL)}"' for key, value in sample.labels.items())
    shown = f"{{{labels}}}" if labels else ""
    return f"{name}{sample.suffix}{shown} {_number(sample.value)}"


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))
