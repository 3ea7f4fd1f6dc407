"""What the rules find in a log by the plainest loop there is: each record parsed, each rule asked, in order.

Nothing here knows how relay scans. The answer is kept beside the corpus.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from relay.backends.registry import Types
from relay.config.load import load
from relay.config.schema import Config, TailSource
from relay.routing import matcher
from relay.routing.matcher import Matcher
from relay.sources import parse, shapes
from relay.sources.lines import RawEvent
from relay.sources.parse import Parser
from tests.bench.scan.corpus import Corpus, Cut
from tests.bench.scan.rules import Written, sources, yaml

_NOW: Final = 1772359200.0
_HEADER: Final = re.compile(rb"\d{4}-\d\d-\d\d ")  # begins a record of the Java log, and no other line of it


def counted(corpus: Corpus, rules: tuple[Written, ...], name: str, cut: Cut) -> Counter[str]:
    """Events by the rule that takes them, in that log up to `cut`."""
    kept = corpus.folder / f"reference-{name}-{cut.offset}-{_code()}.json"
    if not kept.exists():
        found = _count(_config(corpus, rules), name, corpus.logs[name].path, cut.offset)
        kept.write_bytes(msgspec.json.encode(found))
    return Counter(msgspec.json.decode(kept.read_bytes(), type=dict[str, int]))


def _count(config: Config, name: str, path: Path, end: int) -> Counter[str]:
    settings = config.sources[name]
    assert isinstance(settings, TailSource)
    parser = Parser(name, settings)
    rules = [
        (rule.name, Matcher(rule.match), Matcher(rule.except_) if rule.except_ else None)
        for rule in config.rules
    ]
    found: Counter[str] = Counter()
    for record in _records(path, end, joined=settings.format == "java"):
        event = parser.event(record, str(path), _NOW)
        for rule, match, except_ in rules:
            if match.holds(event) and not (except_ and except_.holds(event)):
                found[rule] += 1
                break
    return found


def _records(path: Path, end: int, *, joined: bool) -> Iterator[RawEvent]:
    """Each line; or, joined, each line that begins with a date with those after it that don't."""
    record: list[bytes] = []
    read = 0
    with path.open("rb") as file:
        for line in file:
            if read >= end:
                break
            read += len(line)
            if record and (not joined or _HEADER.match(line)):
                yield RawEvent(record, 0, 0)
                record = []
            record.append(line.rstrip(b"\n"))
    yield RawEvent(record, 0, 0)


def _config(corpus: Corpus, rules: tuple[Written, ...]) -> Config:
    path = corpus.folder / "rules.yaml"
    path.write_text(yaml(rules, sources(str(corpus.folder)), str(corpus.folder)))
    path.chmod(0o600)
    return load(path, backend_types=Types(), environ={}).usable()


def _code() -> str:
    """Names the code that the answer depends on."""
    code = "".join(inspect.getsource(each) for each in (matcher, parse, shapes))
    return hashlib.sha256(code.encode()).hexdigest()[:12]
