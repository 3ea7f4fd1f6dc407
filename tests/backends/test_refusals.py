from __future__ import annotations

from relay.backends.refusals import MANY, ReceiversRefused, Refusals
from relay.clock import FakeClock


def test_waits_double_until_something_is_accepted() -> None:
    clock = FakeClock()
    refusals = Refusals(clock, 1.0)
    waits = []
    for _ in range(14):
        waits.append(refusals.next_wait())
        clock.advance(waits[-1])
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert waits[-1] == 3600.0
    refusals.end()
    assert refusals.next_wait() == 1.0


def test_calls_that_were_on_their_way_together_are_one_refusal() -> None:
    clock = FakeClock()
    refusals = Refusals(clock, 8.0)
    assert refusals.next_wait() == 8.0
    clock.advance(2.0)
    assert refusals.next_wait() == 6.0
    assert refusals.in_a_row == 1


def test_each_receiver_has_a_row_of_its_own() -> None:
    clock = FakeClock()
    refused = ReceiversRefused(clock, 60.0)
    assert refused.next_wait("wang") == 60.0
    clock.advance(60.0)
    assert (refused.next_wait("wang"), refused.next_wait("li")) == (120.0, 60.0)
    refused.end("wang")
    refused.end("zhao")
    clock.advance(60.0)
    assert (refused.next_wait("wang"), refused.next_wait("li")) == (60.0, 120.0)


def test_rows_are_bounded() -> None:
    refused = ReceiversRefused(FakeClock(), 60.0)
    for number in range(MANY + 5):
        refused.next_wait(f"u{number}")
    assert len(refused._rows) == MANY
