from __future__ import annotations

from relay.backends.hosts import Hosts
from relay.clock import FakeClock


def test_the_next_host_is_used_from_then_on() -> None:
    clock = FakeClock()
    hosts = Hosts(clock, ["a", "b", "c"])
    hosts.failed("a")
    assert hosts.in_order() == ["b", "c", "a"]
    clock.advance(3600)
    assert hosts.in_order() == ["b", "c", "a"]


def test_hosts_do_not_take_turns_with_each_failure() -> None:
    clock = FakeClock()
    hosts = Hosts(clock, ["a", "b"])
    hosts.failed("a")
    hosts.failed("a")  # was on its way when the first one failed
    hosts.failed("b")
    assert hosts.in_order()[0] == "b"
    clock.advance(30)
    hosts.failed("b")
    assert hosts.in_order()[0] == "a"
