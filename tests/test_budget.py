"""What a service takes in all and for each receiver, by a clock that is a number."""

from typing import Any

from relay.backends.base import Limits, Pace, shared
from relay.budget import Budget
from relay.clock import FakeClock
from relay.models import Address, Delivery, Level
from relay.outbox.store import Tried
from tests.fakes import FakeBackend, delivery, message


class Paced(FakeBackend):
    """`room:topic` counts as `room`; `free` is never counted."""

    def pace(self, to: str) -> Pace:
        return Pace(to, ()) if to == "free" else Pace(to.partition(":")[0], self.limits.per_receiver)


def budget_of(*, rate: tuple[str, ...] = (), name: str = "a", **limits: Any) -> Budget:
    backend = Paced(name, FakeClock(), rate=rate)
    backend.limits = Limits(**limits)
    return Budget(name, backend)


def owed(number: int, to: str = "room", level: Level = Level.ERROR) -> Delivery:
    told = message(level=level, alert=number, key=str(number))
    return delivery(number, float(number), alert=number, address=Address("a", to), message=told)


def numbers(groups: list[list[Delivery]]) -> list[list[int]]:
    return [[each.id for each in group] for group in groups]


def test_what_one_receivers_limit_holds_back_delays_no_other_and_has_a_time_of_its_own() -> None:
    budget = budget_of(per_receiver=((1, 1.0),))
    claimed = [owed(1), owed(2), owed(3), owed(4, "other"), owed(5, "free"), owed(6, "free")]
    fit = budget.fit(claimed, 100.0, 1)
    assert sorted(numbers(fit.groups)) == [[1], [4], [5], [6]]
    assert [(each.id, wait) for each, wait in fit.held] == [(2, 1.0), (3, 2.0)]


def test_addresses_of_one_account_share_its_limit() -> None:
    budget = budget_of(per_receiver=((1, 1.0),))
    fit = budget.fit([owed(1, "room:7"), owed(2, "room:8")], 100.0, 1)
    assert numbers(fit.groups) == [[1]]


def test_what_would_wait_long_for_its_receiver_is_folded_and_named() -> None:
    budget = budget_of(per_receiver=((5, 60.0),))
    fit = budget.fit([owed(number) for number in range(1, 31)], 100.0, 1)
    assert numbers(fit.groups) == [[1], [2], list(range(3, 18)), list(range(18, 31))]
    assert fit.held == []


def test_the_last_places_of_a_receiver_are_for_what_is_critical() -> None:
    budget = budget_of(per_receiver=((5, 60.0),))
    for number in range(4):
        budget.take([owed(number)], 100.0 + number)
    fit = budget.fit([owed(8)], 110.0, 1)
    assert (fit.groups, [wait for _, wait in fit.held]) == ([], [50.0])
    fit = budget.fit([owed(8), owed(9, level=Level.CRITICAL)], 110.0, 1)
    assert numbers(fit.groups) == [[9, 8]]  # and takes the other along


def test_an_older_message_that_waits_comes_before_a_new_one() -> None:
    budget = budget_of(per_receiver=((1, 1.0),))
    budget.take([owed(1)], 100.0)
    budget.fit([owed(2), owed(3)], 100.1, 1)  # until 101 and 102
    assert not budget.take_one("room", 101.5)
    assert budget.take_one("other", 101.5)
    assert budget.take_one("room", 102.5)


def test_a_place_given_back_is_free_in_all_limits() -> None:
    budget = budget_of(windows=((1, 10.0),), per_receiver=((1, 10.0),))
    assert budget.take_one("room", 100.0)
    assert not budget.take_one("room", 101.0)
    budget.give_back("room", 100.0)
    assert budget.take_one("room", 101.0)


def test_calls_or_receivers_are_counted_as_the_service_does() -> None:
    people = [delivery(number, 1.0, alert=7, address=Address("a", f"p{number}")) for number in range(1, 8)]
    calls = budget_of(windows=((5, 1.0),), receivers=100)
    fit = calls.fit(people, 100.0, 100)
    assert [len(group) for group in fit.groups] == [7]
    assert calls.take(fit.groups[0], 100.0) == 0.0
    assert calls.want(100.0, 64, 100) == 400
    receivers = budget_of(windows=((5, 1.0),), counts="receivers", receivers=100)
    assert receivers.want(100.0, 64, 100) == 5
    fit = receivers.fit(people[:5], 100.0, 100)
    assert receivers.take(fit.groups[0], 100.0) == 0.0
    assert receivers.wait(100.5) == 0.5


def test_a_low_budget_folds_what_goes_to_many() -> None:
    budget = budget_of(windows=((2, 3600.0),), receivers=100)
    rows = [
        delivery(number * 10 + person, float(number), alert=number, address=Address("a", f"p{person}"))
        for number in range(1, 6)
        for person in range(3)
    ]
    fit = budget.fit(rows, 100.0, 100)
    assert [{each.alert for each in group} for group in fit.groups] == [{1}, {2, 3, 4, 5}]
    assert fit.held == []


def test_equal_accounts_are_one_budget_but_a_rate_is_ones_own() -> None:
    share = shared("rongcloud", "key")
    limits: dict[str, Any] = {"windows": ((3, 86400.0),), "share": share}
    one, other = budget_of(**limits), budget_of(name="b", **limits)
    assert one.account == other.account
    assert "key" not in repr(one.account)
    assert budget_of(rate=("3/1d",), **limits).account != one.account
    assert budget_of(windows=((3, 86400.0),)).account != budget_of(name="b", windows=((3, 86400.0),)).account


def test_what_was_tried_before_a_restart_counts_a_call_once() -> None:
    budget = budget_of(windows=((3, 86400.0),), per_receiver=((2, 60.0),), concurrency=1)
    assert budget.longest == 86400.0
    tried = [Tried(f"p{number}", 1000.0, "delivered") for number in range(40)]  # one call
    tried += [Tried("p1", 2000.0, "interrupted")] * 40  # claimed; with one seat one was on its way at most
    budget.preload(tried, -950.0)
    assert budget.want(1060.0, 64, 1) == 15  # one place left, and what could be folded into it
    assert budget.wait(1060.0) == 0.0
    budget.take([owed(1, "p9")], 1060.0)
    assert budget.wait(1060.0) == 50.0 + 86400.0 - 1060.0
    assert budget._account(Pace("p1", ((2, 60.0),)), 1060.0).quota.room(1060.0) == 1  # type: ignore[union-attr]


def test_receivers_who_got_nothing_for_long_are_forgotten() -> None:
    budget = budget_of(per_receiver=((1, 60.0),))
    for number in range(10_000):
        budget.take_one(str(number), 100.0)
    budget.take_one("late", 161.0)
    assert len(budget._receivers) == 1
