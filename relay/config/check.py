"""The node tree beside the types: values where they fit, a problem with its place where they don't.

The types of schema.py and of the backends' settings are all that is known here. What can't be read is
`UNREAD`; the default stands in for it, so that the rest is still checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args

from msgspec import Struct

from relay.backends.base import Registered, Settings
from relay.config.kinds import parser_of
from relay.config.nodes import Listing, Node, Scalar, Table, leaves
from relay.config.patterns import doubt
from relay.config.problems import Problems, closest, hint
from relay.config.schema import Example, Place, Rule, Text
from relay.config.secrets import Secrets, is_reference
from relay.config.types import (
    Bare,
    bare,
    first_key,
    has_default,
    in_words,
    is_required,
    keys_of,
    option_for,
    place_field,
)
from relay.errors import RelayError
from relay.models import Level
from relay.values import Secret, format_duration, parse_rate

UNREAD: Final = object()

_SECTIONS: Final = {
    "recipient": "recipients",
    "backend": "backends",
    "source text": "sources",
    "calendar": "calendars",
    "rule": "rules",
}


class Mention(Struct, frozen=True):
    """A name that should be one of that section's."""

    section: str
    name: str
    place: Place


class Checker:
    """Reads nodes as types, and collects the names they mention."""

    def __init__(self, backend_types: Mapping[str, Registered], secrets: Secrets, problems: Problems) -> None:
        self.mentions: list[Mention] = []
        self._problems = problems
        self._secrets = secrets
        self._backend_types = backend_types

    def value(self, wanted: Any, node: Node) -> Any:
        """The node as that type, or UNREAD."""
        kind = bare(wanted)
        if isinstance(node, Scalar) and node.null:
            return self._refuse(node.place, "nothing stands here: give a value, or leave the key out")
        if kind.extra.get("secrets"):
            node = self._secrets.resolved(node)
        read = self._by_shape(kind, node)
        if read is not UNREAD and (text := _out_of_bounds(read, kind)):
            return self._refuse(node.place, f"{node.given} {text}" if isinstance(node, Scalar) else text)
        return read

    def struct(self, kind: type[Struct], node: Table, tag: str = "") -> Any:
        """A mapping with known keys (and `tag`, which the caller has read)."""
        wanted = keys_of(kind)
        read: dict[str, Any] = {}
        for key, value in node.pairs.values():
            if key.text in wanted:
                read[wanted[key.text].name] = self.value(wanted[key.text].type, value)
            elif key.text != tag:
                self._unknown_key(kind, key)
        for name, field in wanted.items():
            if is_required(field) and name not in node.pairs:
                read[field.name] = self._refuse(node.place, f"the key {name!r} is missing")
        return self._built(kind, read, node)

    def _by_shape(self, kind: Bare, node: Node) -> Any:
        if len(kind.options) > 1:
            return self._one_of(kind, node)
        if kind.type is not kind.options[0]:
            return self.value(kind.options[0], node)
        if kind.is_list and (not isinstance(node, Table) or bare(get_args(kind.type)[0]).is_struct):
            return self._list(kind, node)
        if kind.type is Example:
            return self._example(node)
        if isinstance(node, Table) and kind.is_table:
            return self._table(kind, node)
        if isinstance(node, Table) and kind.type is Settings:
            return self._backend(node)
        if isinstance(node, Table) and kind.is_struct:
            return self.struct(kind.type, node)
        if isinstance(node, Scalar) and not (kind.is_table or kind.is_struct):
            return self._scalar(kind, node)
        return self._wrong(kind, node)

    def _one_of(self, kind: Bare, node: Node) -> Any:
        keys = {first_key(option): option for option in kind.options if bare(option).is_struct}
        chosen = option_for(kind.options, node)
        has_table = any(bare(option).is_table for option in kind.options)
        if isinstance(node, Table) and len(keys) > 1 and (keys.keys() & node.pairs.keys() or not has_table):
            return self._told_apart(keys, node)
        return self._wrong(kind, node) if chosen is None else self.value(chosen, node)

    def _told_apart(self, keys: dict[str, Any], node: Table) -> Any:
        """The struct whose own key is there, or is likely meant."""
        there = [key for key in keys if key in node.pairs]
        likely = there or [key for key in keys if closest(key, node.pairs)]
        if len(there) > 1:
            return self._refuse(node.place, f"the keys {' and '.join(map(repr, there))} exclude each other")
        if not likely:
            return self._refuse(node.place, f"one of the keys {', '.join(map(repr, keys))} is missing")
        return self.struct(keys[likely[0]], node)

    def _list(self, kind: Bare, node: Node) -> Any:
        item_type = get_args(kind.type)[0]
        if item_type is Rule and not isinstance(node, Listing):
            return self._wrong(kind, node)
        items = node.items if isinstance(node, Listing) else (node,)  # a single value is a list of one
        if bare(item_type).kind == "field":
            items = tuple(_braced(item) for item in items)
        read = [self.value(item_type, item) for item in items]
        known = tuple(item for item in read if item is not UNREAD)
        return known if known or not items else UNREAD  # not empty: what stands there was refused

    def _table(self, kind: Bare, node: Table) -> Any:
        key_type, value_type = get_args(kind.type)
        read = [
            (self.value(key_type, key), self.value(value_type, value)) for key, value in node.pairs.values()
        ]
        return {key: value for key, value in read if key is not UNREAD and value is not UNREAD}

    def _backend(self, node: Table) -> Any:
        named = node.get("type")
        if named is None:
            return self._refuse(
                node.place, f"the key 'type' is missing{hint('', sorted(self._backend_types))}"
            )
        if not isinstance(named, Scalar):
            return self._wrong(bare(str), named)
        try:
            registered = self._backend_types.get(named.text)
        except RelayError as error:  # somebody else's package, that can't be imported
            return self._refuse(named.place, str(error))
        if registered is not None:
            return self._settings(registered.settings, node)
        self._problems.unknown(named.place, "backend type", named.text, sorted(self._backend_types))
        return UNREAD

    def _settings(self, kind: type[Settings], node: Table) -> Any:
        resolved = self._secrets.resolved(node)
        assert isinstance(resolved, Table)
        return self.struct(kind, resolved, tag="type")

    def _example(self, node: Node) -> Any:
        """An event: its raw line, or its fields."""
        if isinstance(node, Scalar):
            line = self.value(str, node)
            return UNREAD if line is UNREAD else Example(line=line, place=node.place)
        if not isinstance(node, Table):
            return self._wrong(bare(Example), node)
        event = self._table(bare(dict[str, str]), node)
        if "message" not in node.pairs:
            self._problems.error(node.place, "the key 'message' is missing")
        if level := node.get("level"):
            self.value(Level, level)
        return Example(event=event, place=node.place)

    def _scalar(self, kind: Bare, node: Scalar) -> Any:
        if node.placeholder and kind.type not in {str, Secret}:
            return UNREAD
        try:
            read = parser_of(kind)(node)
        except ValueError as error:
            secret = node.shown and f"what {node.given} stands for is not allowed here"
            return self._refuse(node.place, secret or str(error))
        self._note(kind, node, read)
        return read

    def _note(self, kind: Bare, node: Scalar, read: Any) -> None:
        """Mentions to look up, and what is allowed but likely not meant."""
        name = read.text if isinstance(read, Text) and read.kind == "exact" else read
        if kind.kind in _SECTIONS and isinstance(name, str):
            self.mentions.append(Mention(_SECTIONS[kind.kind], name, node.place))
        if kind.kind == "message text" and (words := doubt(node.text)):
            self._problems.warning(node.place, words)
        if not node.shown and is_reference(node.text):
            self._problems.warning(
                node.place, "taken as plain text: references work under `backends` and `store` only"
            )

    def _unknown_key(self, kind: type[Struct], key: Scalar) -> None:
        self._problems.unknown(key.place, "key", key.text, keys_of(kind))

    def _built(self, kind: type[Struct], read: dict[str, Any], node: Table) -> Any:
        unread = {name for name, value in read.items() if value is UNREAD}
        if any(field.name in unread and not has_default(field) for field in keys_of(kind).values()):
            return UNREAD
        given = {name: value for name, value in read.items() if value is not UNREAD}
        if place := place_field(kind):
            given[place] = node.place
        built = kind(**given)
        if not unread and not any(leaf.placeholder for leaf in leaves(node)):
            for field, text in _own_problems(built):
                self._problems.error(_place_of(kind, field, node), text)
        return built

    def _wrong(self, kind: Bare, node: Node) -> Any:
        given = {Listing: "a list", Table: "a mapping", Scalar: "a single value"}[type(node)]
        return self._refuse(node.place, f"given {given}, allowed: {in_words(kind)}")

    def _refuse(self, place: Place, text: str) -> Any:
        self._problems.error(place, text)
        return UNREAD


def _own_problems(built: Any) -> Iterable[tuple[str, str]]:
    """What a struct knows about its fields together: (field, text)."""
    if isinstance(built, Settings):
        yield from _settings_problems(built)
    if not hasattr(built, "problems"):
        return
    try:
        yield from built.problems()
    except Exception as error:  # noqa: BLE001 - a plug-in's mistake is a problem of its settings, not of relay
        yield "", f"what is wrong with these settings can't be told ({type(error).__name__} in their check)"


def _settings_problems(settings: Settings) -> Iterable[tuple[str, str]]:
    for field in ("timeout", "attempts", "expire"):
        if getattr(settings, field) <= 0:
            yield field, "must be more than 0"
    if settings.concurrency < 0:
        yield "concurrency", "must not be negative"
    for rate in settings.rate:
        try:
            parse_rate(rate)
        except ValueError as error:
            yield "rate", str(error)


def _place_of(kind: type[Struct], field: str, node: Table) -> Place:
    key = next((key for key, found in keys_of(kind).items() if found.name == field), field)
    value = node.get(key)
    return value.place if value else node.place


def _out_of_bounds(read: Any, kind: Bare) -> str:
    for meta in kind.metas:
        if meta.ge is not None and read < meta.ge:
            return f"must be at least {_as_written(meta.ge, kind)}"
        if meta.gt is not None and read <= meta.gt:
            return f"must be more than {_as_written(meta.gt, kind)}"
        if meta.le is not None and read > meta.le:
            return f"must be at most {_as_written(meta.le, kind)}"
        if meta.min_length is not None and len(read) < meta.min_length:
            return "must not be empty"
    return ""


def _as_written(bound: float, kind: Bare) -> str:
    """A bound in the unit people write; seconds mean nothing to who wrote `2d`."""
    return format_duration(bound) if kind.kind == "duration" else str(bound)


def _braced(node: Node) -> Node:
    """`{default}` without quotes, which YAML takes for a mapping, as the word it looks like."""
    if isinstance(node, Table) and len(node.pairs) == 1:
        (key, value), *_ = node.pairs.values()
        if isinstance(value, Scalar) and value.null:
            return Scalar(node.place, f"{{{key.text}}}")
    return node
