"""What an event has under a name of `by` or `of`."""

from __future__ import annotations

from relay.models import Event


def value_of(event: Event, name: str) -> str:
    """A field of the event, or a label; empty if it has none of that name."""
    match name:
        case "module" | "source" | "message":
            return str(getattr(event, name))
        case "level":
            return event.level.word
        case _:
            return event.labels.get(name, "")
