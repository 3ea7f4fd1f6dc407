"""Limits of each receiver, and messages that must not be equal."""

from __future__ import annotations

from relay.backends.compose import compose
from relay.backends.receivers import MANY, Receivers, marked
from relay.clock import FakeClock
from tests.backends.messages import NOW, message


def test_each_receiver_has_limits_of_its_own_in_sliding_windows() -> None:
    clock = FakeClock()
    people = Receivers(clock, ((2, 60.0), (3, 3600.0)))
    assert [people.take("a") for _ in range(3)] == [True, True, False]
    assert people.take("b")
    clock.advance(59.9)
    assert not people.take("a")
    clock.advance(0.1)
    assert people.take("a")
    clock.advance(60)
    assert not people.take("a")  # the hour's
    clock.advance(3600)
    assert people.take("a")


def test_those_who_got_nothing_for_long_are_forgotten() -> None:
    clock = FakeClock()
    people = Receivers(clock, ((1, 60.0),))
    for number in range(MANY - 1):
        people.take(str(number))
    clock.advance(60)
    people.take("late")
    people.take("later")
    assert not people.take("late")
    assert len(people._times) == 2


def test_messages_about_relay_itself_are_told_apart() -> None:
    first, again, other = (marked(compose(told, NOW), told).footer for told in OWN)
    assert first == again != other
    told = message()
    assert marked(compose(told, NOW), told).footer == "alert 17"


OWN = (message(alert=0, key="a"), message(alert=0, key="a"), message(alert=0, key="b"))
