"""What rules.yaml consists of before it means anything: scalars, lists and mappings that know their place."""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from relay.config.problems import Problems, quoted
from relay.config.schema import Place


class Scalar(Struct, frozen=True):
    """One text, number, word: always its own text as written, whatever YAML would make of it."""

    place: Place
    text: str
    plain: bool = True  # not in quotes, and no block: YAML 1.1 may see something else in it
    shown: str = ""  # what problems show instead, where `text` came through a secret reference
    placeholder: bool = False  # a secret that isn't here yet: `text` only holds its place

    weight: ClassVar[int] = 1
    height: ClassVar[int] = 0

    @property
    def null(self) -> bool:
        """Whether nothing stands there."""
        return self.plain and self.text in {"", "~", "null", "Null", "NULL"}

    @property
    def given(self) -> str:
        """The text for people, in quotes."""
        return quoted(self.shown or self.text)


class Listing(Struct, frozen=True):
    """A list."""

    place: Place
    items: tuple[Node, ...]
    weight: int = 1  # nodes in it, aliases expanded
    height: int = 1  # levels in it


class Table(Struct, frozen=True):
    """Keys with values, in file order: the key's text -> (key, value)."""

    place: Place
    pairs: dict[str, tuple[Scalar, Node]]
    weight: int = 1
    height: int = 1

    def get(self, name: str) -> Node | None:
        """The value of that key."""
        pair = self.pairs.get(name)
        return pair[1] if pair else None


Node = Scalar | Listing | Table


def leaves(node: Node) -> list[Scalar]:
    """Every value in it."""
    match node:
        case Scalar():
            return [node]
        case Listing():
            return [leaf for item in node.items for leaf in leaves(item)]
        case Table():
            return [leaf for _, value in node.pairs.values() for leaf in leaves(value)]


def unique(pairs: list[tuple[Scalar, Node]], problems: Problems) -> dict[str, tuple[Scalar, Node]]:
    """The pairs by their key's text; a key that comes again is a problem, and the first one counts."""
    found: dict[str, tuple[Scalar, Node]] = {}
    for key, value in pairs:
        if key.text in found:
            first = found[key.text][0].place
            where = f"line {first.line}" if first.file == key.place.file else str(first)
            problems.error(key.place, f"duplicate key {quoted(key.text)}: the first is at {where}")
        else:
            found[key.text] = (key, value)
    return found
