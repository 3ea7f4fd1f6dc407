"""Addresses in parts, and as few calls as reach them."""

from __future__ import annotations

import re

from relay.backends.batches import Batch, Receiver, batches

ADDRESS = re.compile(r"(?P<user>[a-z]+\d*)|room:(?P<room>\w+)")


def test_an_address_has_the_kind_that_takes_it() -> None:
    assert Receiver.of("wang", ADDRESS) == Receiver("wang", "user", "wang")
    assert Receiver.of("room:7", ADDRESS) == Receiver("room:7", "room", "7")


def test_each_kind_goes_together_up_to_its_size() -> None:
    tos = [f"u{number}" for number in range(5)] + ["room:1", "u0", "room:2"]
    found = list(batches((Receiver.of(to, ADDRESS) for to in tos), {"user": 2}))
    assert [(each.kind, each.names) for each in found] == [
        ("user", ("u0", "u1")),
        ("user", ("u2", "u3")),
        ("user", ("u4",)),
        ("room", ("1",)),
        ("room", ("2",)),
    ]
    assert list(batches([], {})) == []


def test_the_same_receivers_have_the_same_digest() -> None:
    one, other, less = (
        Batch("user", tuple(Receiver.of(to, ADDRESS) for to in tos))
        for tos in (("a", "b"), ("b", "a"), ("a",))
    )
    assert one.digest == other.digest != less.digest
