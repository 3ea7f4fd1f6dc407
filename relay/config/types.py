"""What a type says to the checker: its bare form, its kind and bounds, the keys of a struct.

Everything comes from the annotations: `Annotated[T, Meta(...)]` with `extra={"kind": ...}` for a kind of
scalar, `extra={"required": True}` for a key that must be there although the field has a default,
`extra={"derived": True}` for a field that no key sets, `extra={"secrets": True}` for a value in which
references to secrets are resolved, and msgspec's own bounds.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import FieldInfo, fields

from relay.config.nodes import Listing, Node, Table
from relay.config.schema import Place

_LISTED: Final = 6  # keys that a problem names


class Bare(Struct, frozen=True):
    """A type without its annotations, and what these said."""

    type: Any
    extra: dict[str, Any]
    metas: tuple[Meta, ...] = ()

    @property
    def kind(self) -> str:
        """The kind of scalar; empty for what Python's type says by itself."""
        return str(self.extra.get("kind", ""))

    @property
    def options(self) -> list[Any]:
        """The members of a union without None; the type itself if it is none."""
        if get_origin(self.type) not in {Union, UnionType}:
            return [self.type]
        return [option for option in get_args(self.type) if option is not NoneType]

    @property
    def is_list(self) -> bool:
        """Whether it is written as a list."""
        return get_origin(self.type) is tuple

    @property
    def is_table(self) -> bool:
        """Whether it is written as a mapping with keys of the user's choice."""
        return get_origin(self.type) is dict

    @property
    def is_struct(self) -> bool:
        """Whether it is written as a mapping with known keys; with a kind it is a single value."""
        return isinstance(self.type, type) and issubclass(self.type, Struct) and not self.kind


def bare(wanted: Any) -> Bare:
    """Take the annotations off."""
    if get_origin(wanted) is not Annotated:
        return Bare(wanted, {})
    inner, *notes = get_args(wanted)
    metas = tuple(note for note in notes if isinstance(note, Meta))
    extra: dict[str, Any] = {}
    for meta in metas:
        extra |= meta.extra or {}
    return Bare(inner, extra, metas)


@functools.cache
def keys_of(struct: type[Struct]) -> dict[str, FieldInfo]:
    """The keys that rules.yaml may set, in the order of the reference."""
    return {field.encode_name: field for field in fields(struct) if not _is_derived(field)}


@functools.cache
def place_field(struct: type[Struct]) -> str:
    """The field that says where it stands; empty if it has none."""
    return next((field.name for field in fields(struct) if field.type is Place), "")


def is_required(field: FieldInfo) -> bool:
    """Whether the key must be there."""
    return not has_default(field) or bool(bare(field.type).extra.get("required"))


def has_default(field: FieldInfo) -> bool:
    """Whether something stands in for the key."""
    return field.default is not msgspec.NODEFAULT or field.default_factory is not msgspec.NODEFAULT


def first_key(struct: Any) -> str:
    """The key by which a struct is told apart from others: the first that isn't its base's."""
    bases = [base for base in struct.__mro__[1:] if issubclass(base, Struct) and base is not Struct]
    inherited = {key for base in bases for key in keys_of(base)}
    return next(key for key in (*keys_of(struct), "") if key not in inherited)


def option_for(options: Sequence[Any], node: Node) -> Any:
    """The member of a union that the node's shape asks for; None if none fits."""
    kinds = [(bare(option), option) for option in options]
    lists = [option for kind, option in kinds if kind.is_list]
    if isinstance(node, Table):
        structs = [option for kind, option in kinds if kind.is_struct]
        keyed = [option for option in structs if first_key(option) in node.pairs]
        fitting = keyed + [option for kind, option in kinds if kind.is_table] + structs
    elif isinstance(node, Listing):
        fitting = lists
    else:
        scalars = [option for kind, option in kinds if not (kind.is_list or kind.is_table or kind.is_struct)]
        fitting = scalars + lists  # a scalar may stand for a list of one
    return fitting[0] if fitting else None


def in_words(wanted: Bare) -> str:
    """What to write for that type."""
    return " or ".join(dict.fromkeys(_shape(bare(option)) for option in wanted.options))


def _shape(kind: Bare) -> str:
    if kind.is_list:
        return "a list"
    if kind.is_struct and len(keys := keys_of(kind.type)) <= _LISTED:
        return f"a mapping with {', '.join(keys)}"
    if kind.is_table or kind.is_struct:
        return "a mapping"
    return {bool: "true or false"}.get(kind.type, "a single value")


def _is_derived(field: FieldInfo) -> bool:
    return field.type is Place or bool(bare(field.type).extra.get("derived"))
