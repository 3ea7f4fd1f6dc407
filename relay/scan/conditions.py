"""Conditions on texts as trees of characters."""

from __future__ import annotations

from relay.config.schema import Text
from relay.scan.syntax import Node, literal, read


def tree_of(text: Text) -> Node | None:
    """What a text must hold to meet the condition; None where that can't be read."""
    if text.kind != "regex":
        return literal(text.text, ignore_case=text.ignore_case)
    try:
        return read(text.text, ignore_case=text.ignore_case)
    except (ValueError, IndexError):
        return None
