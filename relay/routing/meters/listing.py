"""The latest few things that were counted, as people read them in the message."""

from __future__ import annotations

from collections import Counter
from typing import Final

from relay.models import Event
from relay.text import one_line

MOST: Final = 5  # things listed
_LONGEST: Final = 80  # characters of each

Listing = tuple[tuple[int, str], ...]  # (time in steps, words), in order of arrival


def listed(listing: Listing, at: int, event: Event) -> Listing:
    """With one more; of too many the latest to come stay."""
    return (*listing[1 - MOST :], (at, words(event)))


def said(listing: Listing, first: int, last: int) -> tuple[str, ...]:
    """The words of what lies between two times; the same words once."""
    counts = Counter(text for at, text in listing if first <= at <= last)
    return tuple(text if count == 1 else f"{text} (x{count})" for text, count in counts.items())


def words(event: Event) -> str:
    """The event in a few words: its first line, and its host."""
    host = event.labels.get("host", "")
    line = one_line(event.message.lstrip().partition("\n")[0], _LONGEST)
    return f"{line} [{one_line(host, 40)}]" if host else line
