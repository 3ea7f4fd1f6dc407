"""Records of a Java service's log: a header, sometimes with a stack trace under it."""

from __future__ import annotations

import random
from typing import Final

from tests.bench.scan.lines import fill

HEAD: Final = "2026-03-01 <hh>:<mm>:<ss>,<seq> <level> [http-nio-8080-exec-<n1>] <module> - "
_LEVELS: Final = ("INFO",) * 40 + ("DEBUG",) * 5 + ("WARN", "WARN", "ERROR")
_MODULES: Final = tuple(
    f"com.example.{package}.{name}"
    for package in ("web", "cart.api", "search", "mail", "jobs")
    for name in ("Controller", "Repository", "Scheduler", "Client")
)
_BODIES: Final = (
    "GET /api/v2/<word>/<n6> took <n3> ms",
    "order <n8> moved to PACKED by <user>",
    "cache <word> holds <n5> entries, hit rate 0.<n2>",
    "job <word>-<n4> done in <n4> ms, <n3> rows",
    "session <x16> of <user> renewed from <ip>",
)
_TROUBLES: Final = (
    ("upstream <word> answered late", "java.net.SocketTimeoutException: Read timed out"),
    ("bad request from <ip>", "java.lang.IllegalArgumentException: not a number: <word>"),
    ("could not render <word>.html", "java.io.UncheckedIOException: java.io.IOException: Broken pipe"),
)
_FRAMES: Final = (
    "\tat com.example.<word>.Filter<n1>.apply(Filter<n1>.java:<n3>)",
    "\tat org.apache.catalina.core.Chain.doFilter(Chain.java:<n3>)",
    "\tat java.base/java.util.concurrent.ThreadPoolExecutor$Worker.run(ThreadPoolExecutor.java:<n3>)",
    "\tat sun.nio.ch.<word>.Selector.poll(Selector.java:<n2>)",
)
_TRACES: Final = 0.5  # of the warnings and errors have one


def everyday(chance: random.Random) -> str:
    """A record that no rule wants."""
    level = chance.choice(_LEVELS)
    module = chance.choice(_MODULES)
    if level in {"WARN", "ERROR"} and chance.random() < _TRACES:
        said, thrown = chance.choice(_TROUBLES)
        return record(chance, level, module, said, thrown)
    return record(chance, level, module, chance.choice(_BODIES))


def record(
    chance: random.Random, level: str, module: str, said: str, thrown: str = "", cause: str = ""
) -> str:
    """One record, with a stack trace if something was `thrown`."""
    lines = [HEAD + said]
    if thrown:
        lines += [thrown, *chance.choices(_FRAMES, k=chance.randrange(4, 20))]
    if cause:
        lines += [f"Caused by: {cause}", *chance.choices(_FRAMES, k=3), "\t... <n2> more"]
    return fill("\n".join(lines), chance, level=level, module=module)
