"""The text format, read back by its own grammar."""

from __future__ import annotations

import math
import re

import pytest

from relay.metrics import SECONDS, Family, Histogram, Sample, exposition, single, spread

LINE = re.compile(
    r'[a-z_]+(?:\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\})? \S+'
)


def test_a_family() -> None:
    family = Family("relay_x_total", "counter", "What x\nis.", [Sample(3, {"a": "1", "b": "2"}), Sample(0.5)])
    assert exposition([family]) == (
        "# HELP relay_x_total What x\\nis.\n# TYPE relay_x_total counter\n"
        'relay_x_total{a="1",b="2"} 3\nrelay_x_total 0.5\n'
    )


@pytest.mark.parametrize("nasty", ['"', "\\", "\n", '\\"\n{}= #', "中文"])
def test_label_values_stay_within_their_quotes(nasty: str) -> None:
    text = exposition([Family("x", "gauge", "x", [Sample(1, {"a": nasty})])])
    *_, line, end = text.split("\n")
    assert end == ""
    assert LINE.fullmatch(line)
    value = line[len('x{a="') : -len('"} 1')]
    assert re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), value) == nasty


def test_numbers() -> None:
    values = [1.0, 1e300, -2.5, math.inf, math.nan, 1_767_600_000.25]
    text = exposition([Family("x", "gauge", "x", [Sample(value) for value in values])])
    read = [float(line.split()[1].replace("Inf", "inf")) for line in text.splitlines()[2:]]
    assert repr(read) == repr(values)


def test_nothing_to_show_is_left_out() -> None:
    assert exposition([Family("x", "gauge", "x", []), single("y", "gauge", "y", 1)]).count("#") == 2


def test_a_histogram_counts_what_is_at_most_the_bound() -> None:
    histogram = Histogram()
    for seconds in (0.0, SECONDS[0], 0.002, 100.0):
        histogram.observe(seconds)
    lines = exposition([spread("s", "s", [({"backend": "a"}, histogram)])]).splitlines()[2:]
    counts = [int(line.split()[1]) for line in lines if line.startswith("s_bucket")]
    assert counts == [2, *[3] * (len(SECONDS) - 1), 4]
    assert lines[0] == 's_bucket{backend="a",le="0.001"} 2'
    assert lines[-3] == 's_bucket{backend="a",le="+Inf"} 4'
    assert lines[-2:] == ['s_sum{backend="a"} 100.003', 's_count{backend="a"} 4']
