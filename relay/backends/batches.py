"""Addresses in their parts, and as few calls as reach them all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b

from msgspec import Struct


class Receiver(Struct, frozen=True):
    """An address in its parts; `kind` is the group of the pattern that took the name."""

    to: str
    kind: str
    name: str

    @classmethod
    def of(cls, to: str, pattern: re.Pattern[str]) -> Receiver:
        """Of an address that the pattern matches as a whole."""
        found = pattern.fullmatch(to)
        assert found is not None, "the settings refuse any other"
        return next(cls(to, kind, name) for kind, name in found.groupdict().items() if name)


class Batch(Struct, frozen=True):
    """Receivers of one kind, for one call."""

    kind: str
    receivers: tuple[Receiver, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """As the service knows them."""
        return tuple(each.name for each in self.receivers)

    @property
    def digest(self) -> str:
        """Of who they are, in any order: what went to the same people may be updated for all of them."""
        return blake2b("\0".join(sorted(self.names)).encode(), digest_size=6).hexdigest()


def batches(receivers: Iterable[Receiver], at_once: Mapping[str, int]) -> Iterator[Batch]:
    """Each receiver once; `at_once` says how many of a kind go into a call, one if it doesn't."""
    kinds: dict[str, list[Receiver]] = {}
    for receiver in dict.fromkeys(receivers):
        kinds.setdefault(receiver.kind, []).append(receiver)
    for kind, alike in kinds.items():
        size = at_once.get(kind, 1)
        yield from (Batch(kind, tuple(alike[start : start + size])) for start in range(0, len(alike), size))
