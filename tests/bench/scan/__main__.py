"""`make bench-scan`: the whole daemon over a gigabyte of logs, beside the tools that people use for that.

    python -m tests.bench.scan --size 64MiB --rules 10,100 --density 1 --tools relay,ripgrep

Each tool runs alone on one core, over files at rest in the page cache, and has to find what was planted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from relay.values import parse_size
from tests.bench.scan import contest, reference, table
from tests.bench.scan.contest import Result
from tests.bench.scan.corpus import Corpus, cache, corpus
from tests.bench.scan.peers import PEERS
from tests.bench.scan.rules import Written, rules
from tests.bench.scan.table import Cell
from tests.bench.stage import machine

_CHECKED = 1 << 20  # bytes of each log that the reference reads; all with --full-check
_KEPT = 128 << 20  # bytes of a corpus above which it is removed after its turn: making it takes seconds


def main() -> int:
    """Measure what was asked for, and print it as it comes."""
    options = _options()
    if options.clean:
        shutil.rmtree(cache())
        return 0
    results: dict[Cell, list[Result]] = {}
    print(f"{machine()}; load {os.getloadavg()[0]:.1f} before: where others work too, compare CPU-s")
    for count in options.rules:
        for density in options.density:
            cell = Cell(count, density / 100)
            results[cell] = _measured(cell, options)
    markdown = table.markdown(results, machine())
    print(f"\n{markdown}")
    if options.markdown:
        options.markdown.write_text(f"{markdown}\n")
    return 0


def _measured(cell: Cell, options: argparse.Namespace) -> list[Result]:
    written = rules(cell.rules)
    made = corpus(options.size, cell.density, written)
    print(f"\n{cell.name}: {made.size / 1e6:,.0f} MB, {made.lines:,} lines", flush=True)
    _check(made, written, full=options.full_check)
    results = []
    relay = Result("relay", note="not asked for")
    for tool in options.tools:
        if tool == "relay":
            result = relay = contest.relay(made, written, options.budget)
        else:
            result = contest.peer(tool, made, written, options.budget)
        results.append(result)
        print(table.row(result, relay), flush=True)
    for part in made.folder.glob("slice-*.log"):
        part.unlink()
    if made.size > _KEPT and not options.keep:
        shutil.rmtree(made.folder)
    return results


def _check(made: Corpus, written: tuple[Written, ...], *, full: bool) -> None:
    """The plain loop finds what was planted: or the corpus or relay's rules aren't what they claim to be."""
    for name, log in made.logs.items():
        cut = log.whole if full else log.at_most(_CHECKED)
        found = reference.counted(made, written, name, cut)
        assert found == cut.planted, f"{name}: {found - cut.planted} {cut.planted - found}"  # type: ignore[operator]


def _options() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(prog="python -m tests.bench.scan", description=__doc__)
    arguments.add_argument("--size", type=parse_size, default="1GB", help="of the corpus (default: 1GB)")
    arguments.add_argument("--rules", type=_numbers(int), default="10,100,1000", help="numbers of rules")
    arguments.add_argument(
        "--density", type=_numbers(float), default="0.01,1,10", help="matching lines, in %%"
    )
    arguments.add_argument("--tools", type=_tools, default=",".join(["relay", *PEERS]))
    arguments.add_argument("--budget", type=float, default=20.0, help="seconds that a tool gets, about")
    arguments.add_argument("--full-check", action="store_true", help="the reference reads it all: hours")
    arguments.add_argument("--keep", action="store_true", help="keep large corpora for the next run")
    arguments.add_argument("--markdown", type=Path, help="write the table there too")
    arguments.add_argument("--clean", action="store_true", help="remove what is kept, and measure nothing")
    return arguments.parse_args()


def _numbers(kind: type) -> Callable[[str], list[float]]:
    return lambda text: [kind(each) for each in text.split(",")]


def _tools(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - {"relay", *PEERS}:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return names


if __name__ == "__main__":
    sys.exit(main())
