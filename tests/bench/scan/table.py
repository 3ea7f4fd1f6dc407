"""The figures as text for a terminal and as Markdown for the README."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    """MB/s and processor time of every tool in every cell, and relay's memory."""
    return "\n".join(
        [
            *_table(f"MB/s of one core, start-up included ({machine}):", results, lambda each: each.rate),
            "",
            *_table("Processor seconds a GB:", results, lambda each: each.cpu),
            _line(
                "relay from its start on, MB/s",
                [_shown(_of("relay", each), lambda own: own.reading / 1e6) for each in results.values()],
            ),
            _line(
                "relay's peak, MiB",
                [
                    _shown(_of("relay", each), lambda own: own.cost.rss if own.cost else 0)
                    for each in results.values()
                ],
            ),
        ]
    )


def _table(title: str, results: Results, value: Callable[[Result], float]) -> list[str]:
    tools = dict.fromkeys(result.tool for each in results.values() for result in each)
    return [
        title,
        "",
        _line("", [cell.name for cell in results]),
        "|---|" + "---:|" * len(results),
        *(_line(tool, [_shown(_of(tool, each), value) for each in results.values()]) for tool in tools),
    ]


def _of(tool: str, results: Sequence[Result]) -> Result | None:
    return next((each for each in results if each.tool == tool), None)


def _shown(result: Result | None, value: Callable[[Result], float]) -> str:
    return "-" if result is None or result.cost is None else _number(value(result))


def _line(name: str, values: Sequence[str]) -> str:
    return f"| {name} | " + " | ".join(values) + " |"


def _ratio(result: Result, relay: Result) -> str:
    return f"{_number(result.rate / relay.rate)}x" if relay.rate else "?"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
