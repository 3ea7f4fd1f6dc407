"""YAML text -> a tree of nodes that know their place, or the first thing that isn't YAML.

The tree is built here from the parser's events, not by PyYAML's composer, because on the way up each limit
can be kept before it is passed: depth (PyYAML recurses and would end in a RecursionError), nodes with
aliases expanded ("billion laughs": 400 bytes that stand for gigabytes), and each key once.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml
from msgspec import Struct, field

from relay.config.nodes import Listing, Node, Scalar, Table, unique
from relay.config.problems import Problems, quoted
from relay.config.schema import Place

MAX_DEPTH: Final = 50
MAX_NODES: Final = 100_000  # aliases expanded; a rule takes about 30

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is some 10 times as fast
_TEXT_TAGS: Final = ("!", "tag:yaml.org,2002:str")
_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def parse(text: str, file: str, problems: Problems) -> Node | None:
    """The tree of a document; None if a problem says why there is none."""
    if found := _UNPRINTABLE.search(text):
        place = _place_at(text, file, found.start())
        problems.error(place, f"the character {quoted(found[0])} is not allowed in YAML")
        return None
    builder = _Builder(file, problems)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        problems.error(*_syntax(error, text, file))
    except _RefusedError as refused:
        problems.error(refused.place, str(refused))
    else:
        if builder.root is None:
            problems.error(Place(file, 1, 1), "the file is empty")
        return builder.root
    return None


class _RefusedError(Exception):
    """The document goes beyond what rules.yaml may be; nothing after this is read."""

    def __init__(self, place: Place, text: str) -> None:
        super().__init__(text)
        self.place = place


class _Open(Struct):
    """A list or mapping whose end has not come yet."""

    place: Place
    anchor: str | None
    children: list[Node] = field(default_factory=list)  # of a mapping: key, value, key, value ...


class _Builder:
    """Takes the parser's events one by one; `root` is the tree at the end."""

    def __init__(self, file: str, problems: Problems) -> None:
        self.root: Node | None = None
        self._file = file
        self._problems = problems
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._count = 0  # nodes so far, aliases expanded

    def take(self, event: Any) -> None:
        """Go one step further in the document."""
        place = Place(self._file, event.start_mark.line + 1, event.start_mark.column + 1)
        match event:
            case yaml.ScalarEvent():
                self._check_tag(event.tag, place)
                node = Scalar(place, event.value, plain=not event.style and event.tag is None)
                self._add(node, event.anchor, place)
            case yaml.AliasEvent():
                self._add(self._meant(event.anchor, place), None, place)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._check_tag(event.tag, place)
                self._enter(_Open(place, event.anchor))
            case yaml.SequenceEndEvent():
                opened = self._open.pop()
                items = tuple(opened.children)
                self._close(opened, Listing(opened.place, items, *_extent(opened)))
            case yaml.MappingEndEvent():
                opened = self._open.pop()
                self._close(opened, Table(opened.place, self._pairs(opened.children), *_extent(opened)))
            case yaml.DocumentStartEvent() if self.root is not None:
                raise _RefusedError(place, "a second document (after `---`): one file holds one")

    def _enter(self, opened: _Open) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise _RefusedError(opened.place, f"nested more than {MAX_DEPTH} levels deep")
        if opened.anchor:
            self._anchors.pop(opened.anchor, None)  # an alias from inside means this one, not an older one
        self._open.append(opened)

    def _close(self, opened: _Open, node: Listing | Table) -> None:
        self._count -= node.weight - 1  # its parts were counted one by one
        self._add(node, opened.anchor, opened.place)

    def _add(self, node: Node, anchor: str | None, place: Place) -> None:
        self._count += node.weight
        if self._count > MAX_NODES:
            raise _RefusedError(place, f"more than {MAX_NODES} values, aliases expanded")
        if len(self._open) + node.height > MAX_DEPTH:
            raise _RefusedError(place, f"nested more than {MAX_DEPTH} levels deep, aliases expanded")
        if anchor:
            self._anchors[anchor] = node
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node

    def _meant(self, anchor: str | None, place: Place) -> Node:
        """What an alias stands for. Its name isn't shown: `password: *hunter2` is a forgotten quote."""
        if any(opened.anchor == anchor for opened in self._open) and anchor not in self._anchors:
            raise _RefusedError(place, "an alias inside of what it stands for")
        if anchor is None or anchor not in self._anchors:
            raise _RefusedError(
                place, "an alias to an anchor that isn't there (a text that begins with * needs quotes)"
            )
        return self._anchors[anchor]

    def _check_tag(self, tag: str | None, place: Place) -> None:
        if tag is not None and tag not in _TEXT_TAGS:
            text = "a YAML tag is not understood here: leave it out (a text that begins with ! needs quotes)"
            self._problems.error(place, text)

    def _pairs(self, children: list[Node]) -> dict[str, tuple[Scalar, Node]]:
        own: list[tuple[Scalar, Node]] = []
        pairs: dict[str, tuple[Scalar, Node]] = {}
        for key, value in zip(children[::2], children[1::2], strict=True):
            if not isinstance(key, Scalar):
                self._problems.error(
                    key.place, "a key must be a text (a text that begins with { or [ needs quotes)"
                )
            elif key.plain and key.text == "<<":
                for merged_key, merged_value in self._merged(value):
                    pairs.setdefault(merged_key.text, (merged_key, merged_value))
            else:
                own.append((key, value))
        return pairs | unique(own, self._problems)

    def _merged(self, value: Node) -> list[tuple[Scalar, Node]]:
        """The pairs that `<<` brings in, the ones that count first."""
        sources = value.items if isinstance(value, Listing) else (value,)
        pairs: list[tuple[Scalar, Node]] = []
        for source in sources:
            if isinstance(source, Table):
                pairs += source.pairs.values()
            else:
                self._problems.error(source.place, "`<<` takes a mapping, or a list of mappings")
        return pairs


def _extent(opened: _Open) -> tuple[int, int]:
    """Weight and height of what was just closed."""
    weight = 1 + sum(child.weight for child in opened.children)
    height = 1 + max((child.height for child in opened.children), default=0)
    return weight, height


def _syntax(error: yaml.MarkedYAMLError, text: str, file: str) -> tuple[Place, str]:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Place(file, 1, 1), f"not YAML: {error.problem}"
    lines = text.splitlines()
    here = lines[mark.line] if mark.line < len(lines) else ""
    words = f"not YAML: {error.problem}"
    if here[mark.column : mark.column + 1] == "\t" or "\t" in here[: len(here) - len(here.lstrip())]:
        words = "a tab can't indent YAML: use spaces"
    elif error.context and error.context_mark and error.context_mark.line != mark.line:
        words += f" ({error.context} that began on line {error.context_mark.line + 1})"
    return Place(file, mark.line + 1, mark.column + 1), words


def _place_at(text: str, file: str, index: int) -> Place:
    line_start = text.rfind("\n", 0, index) + 1
    return Place(file, text.count("\n", 0, index) + 1, index - line_start + 1)
