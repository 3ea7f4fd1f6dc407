"""Word of a full disk reaches whoever can be reached, and never takes so long that the watchdog notices."""

import asyncio
import time

import pytest

from relay import directly
from relay.clock import SystemClock
from relay.directly import stuck, tell_directly
from relay.errors import TemporaryError
from relay.heart import STILL
from relay.models import Address
from relay.routing.recipients import Reached
from tests.fakes import FakeBackend

NOTE = stuck("disk full", rule="relay itself", store="0123456789abcdef", now=1_767_600_000.0)


def operator(name: str, *backends: str) -> Reached:
    return Reached(name, tuple(Address(each, name) for each in backends))


async def test_services_that_hang_delay_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five operators, each with two addresses at services that never answer, and one who can be reached."""
    assert directly.ALL < STILL
    monkeypatch.setattr(directly, "EACH", 0.1)
    monkeypatch.setattr(directly, "ALL", 0.3)
    backends = {name: FakeBackend(name, SystemClock()) for name in ("a", "b", "c")}
    backends["a"].gate = backends["b"].gate = asyncio.Event()
    operators = [operator(f"o{number}", "a", "b", "a", "b", "a") for number in range(5)]
    began = time.monotonic()
    await tell_directly(NOTE, [*operators, operator("wang", "a", "c")], lambda each: each, backends)
    assert [to for to, _ in backends["c"].sent] == ["wang"]
    assert time.monotonic() - began < 2.0  # one after the other: 2.7 s


async def test_the_first_address_that_takes_it_is_enough() -> None:
    backends = {name: FakeBackend(name, SystemClock()) for name in ("a", "b", "c")}
    backends["a"].answer = lambda *_: TemporaryError("busy")
    await tell_directly(NOTE, [operator("wang", "a", "b", "c")], lambda each: each, backends)
    assert (len(backends["b"].sent), len(backends["c"].sent)) == (1, 0)
