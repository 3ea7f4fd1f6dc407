"""The figures as text for a terminal and as Markdown for the README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.bench.scan.contest import Result


class Cell(NamedTuple):
    """What was measured with: so many rules, such a share of matching lines."""

    rules: int
    density: float

    @property
    def name(self) -> str:
        return f"{self.rules:,} rules, {self.density * 100:g} %"


Results = Mapping[Cell, Sequence[Result]]


def row(result: Result, relay: Result) -> str:
    """A line of the text table."""
    if result.cost is None:
        return f"  {result.tool:10} -   {result.note}"
    ratio = "" if result is relay else f"{_ratio(result, relay)} of relay"
    figures = f"{_number(result.rate):>8} MB/s {_number(result.cpu):>8} CPU-s/GB {result.cost.rss:7.0f} MiB"
    read = f"{result.size / 2**20:6.0f} MiB read"
    return f"  {result.tool:10}{figures}   {ratio:16} {read}  {result.note}".rstrip()


def markdown(results: Results, machine: str) -> str:
    """MB/s of every tool in every cell, and relay's processor time and memory below."""
    cells = list(results)
    tools = list(dict.fromkeys(result.tool for each in results.values() for result in each))
    found = {(cell, result.tool): result for cell, each in results.items() for result in each}
    lines = [
        f"MB/s of one core, start-up included ({machine}):",
        "",
        "| | " + " | ".join(cell.name for cell in cells) + " |",
        "|---|" + "---:|" * len(cells),
    ]
    lines += [_line(tool, [_rate(found.get((cell, tool))) for cell in cells]) for tool in tools]
    own = [found.get((cell, "relay")) for cell in cells]
    if any(own):
        lines.append(_line("relay, CPU-s a GB", [_number(each.cpu) if each else "" for each in own]))
        lines.append(
            _line("relay, peak MiB", [f"{each.cost.rss:.0f}" if each and each.cost else "" for each in own])
        )
    return "\n".join(lines)


def _line(name: str, values: Sequence[str]) -> str:
    return f"| {name} | " + " | ".join(values) + " |"


def _rate(result: Result | None) -> str:
    return "-" if result is None or result.cost is None else _number(result.rate)


def _ratio(result: Result, relay: Result) -> str:
    return f"{_number(result.rate / relay.rate)}x" if relay.rate else "?"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
