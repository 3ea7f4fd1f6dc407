from relay.clock import FakeClock
from relay.seats import Seats


def test_seats_grow_with_success_and_with_age_up_to_a_bound() -> None:
    clock = FakeClock()
    seats = Seats(64, clock)
    assert seats.most == 1
    seats.accepted = 600
    assert seats.most == 4
    clock.advance(2.0)
    assert seats.most == 36
    clock.advance(60.0)
    assert (seats.most, seats.free) == (64, 64)


def test_one_at_a_time_while_a_backend_is_down_and_few_when_it_has_come_back() -> None:
    clock = FakeClock()
    seats = Seats(64, clock)
    clock.advance(60.0)
    seats.taken = 5
    seats.begin_again(probing=True)
    assert (seats.most, seats.free) == (1, 0)
    clock.advance(60.0)
    seats.begin_again(probing=False)
    assert seats.most == 1
