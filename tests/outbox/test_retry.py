from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.backends.base import Receipt
from relay.errors import (
    BackendDownError,
    BackendError,
    NeedsFallbackError,
    RateLimitedError,
    RejectedError,
    TemporaryError,
)
from relay.models import Address, Delivery, DeliveryState
from relay.outbox.retry import (
    RECALL,
    TURN,
    Interrupted,
    Outcome,
    Policy,
    backoff,
    expired,
    recalled,
    revived,
    settle,
)
from tests.outbox.samples import MAIL, NOW, ROBOT, RTX, delivery

PENDING, DEAD = DeliveryState.PENDING, DeliveryState.DEAD
POLICY = Policy(attempts=20)
TEMPORARY = TemporaryError("answered 500", code="500")
REJECTED = RejectedError("no such user")
AWAY = NeedsFallbackError("offline")
DOWN = BackendDownError("credentials refused")
STOPPED = Interrupted()


def sending(*addresses: Address, **changes: Any) -> Delivery:
    first, *others = addresses or (RTX, MAIL)
    return delivery(
        1,
        address=first,
        fallbacks=tuple(others),
        state=DeliveryState.SENDING,
        lease_until=NOW + 60,
        **changes,
    )


def after(one: Delivery, *outcomes: Outcome, now: float = NOW, down: Collection[str] = ()) -> Delivery:
    for outcome in outcomes:
        one = settle(one, outcome, now, POLICY, lambda: 0.5, down=down)
    return one


def test_a_receipt_ends_it() -> None:
    over = after(sending(), Receipt(note="offline, stored"))
    assert (over.state, over.lease_until, over.error) == (DeliveryState.DELIVERED, 0.0, "offline, stored")


def test_a_rejection_goes_to_the_next_address_at_once_with_attempts_of_its_own() -> None:
    onward = after(sending(attempts=2), REJECTED)
    assert (onward.state, onward.next_at, onward.attempts) == (PENDING, NOW, 0)
    assert (onward.address, onward.fallbacks, onward.tried) == (MAIL, (), (RTX,))
    assert onward.error == "rejected: no such user"


def test_the_last_rejection_is_the_end() -> None:
    over = after(sending(), REJECTED, REJECTED)
    assert (over.state, over.tried) == (DEAD, (RTX,))


def test_a_temporary_failure_waits_longer_each_time() -> None:
    one, waits = sending(RTX), []
    for _ in range(12):
        one = after(one, TEMPORARY)
        waits.append(one.next_at - NOW)
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert (one.attempts, one.error) == (12, "temporary [500]: answered 500")


def test_after_a_turn_of_failures_an_untried_address_is_tried_at_once() -> None:
    onward = after(sending(RTX, MAIL, ROBOT), *[TEMPORARY] * TURN)
    assert (onward.address, onward.fallbacks, onward.next_at) == (MAIL, (ROBOT, RTX), NOW)
    assert onward.attempts == 3


def test_a_temporary_failure_waits_as_long_as_the_service_needs() -> None:
    assert after(sending(RTX), TemporaryError("busy", wait=2.0)).next_at == NOW + 2.0
    late = after(sending(RTX, attempts=9), TemporaryError("busy", wait=2.0))
    assert late.next_at == NOW + 256.0  # its own backoff is longer by now


def test_when_all_were_tried_they_have_their_turns_again_with_backoff() -> None:
    one = after(sending(), *[TEMPORARY] * (2 * TURN))
    assert (one.address, one.fallbacks, one.tried) == (RTX, (MAIL,), (RTX, MAIL))
    assert one.next_at == NOW + 0.5 * 2**5


def test_attempts_used_up_are_the_end_whatever_is_left() -> None:
    over = after(sending(), *[TEMPORARY] * POLICY.attempts)
    assert over.state is DEAD
    assert over.error == "20 attempts; temporary [500]: answered 500"


def test_an_error_may_cap_its_own_attempts() -> None:
    twice = TemporaryError("timed out", limit=2)
    onward = after(sending(), twice, twice)
    assert (onward.address, onward.fallbacks) == (MAIL, ())  # the first is not used again


@pytest.mark.parametrize(
    ("asked", "waited"),
    [(7.0, 7.0), (0.0, 0.5), (-5.0, 0.5), (1e9, 3600.0), (math.nan, 0.5), (math.inf, 3600.0)],
)
def test_a_rate_limit_waits_as_asked_within_reason_and_is_not_counted(asked: float, waited: float) -> None:
    one = after(sending(attempts=4), RateLimitedError("slow down", retry_after=asked))
    assert (one.next_at, one.attempts, one.address) == (NOW + waited, 4, RTX)


def test_someone_away_is_looked_for_at_every_address_and_then_again_in_a_while() -> None:
    one = after(sending(), AWAY)
    assert (one.address, one.next_at, one.attempts) == (MAIL, NOW, 0)
    one = after(one, AWAY)
    assert (one.state, one.address, one.next_at) == (PENDING, RTX, NOW + 300)
    assert after(sending(RTX), AWAY).next_at == NOW + 300


def test_someone_away_is_tried_elsewhere_sooner_if_it_only_failed_there() -> None:
    one = after(sending(), AWAY, *[TEMPORARY] * TURN, AWAY)
    assert (one.address, one.next_at) == (MAIL, NOW + 10)


def test_a_backend_that_is_down_is_gone_around() -> None:
    one = after(sending(RTX, ROBOT, MAIL), DOWN, down={"rtx", "robot"})
    assert (one.address, one.fallbacks, one.next_at) == (MAIL, (ROBOT, RTX), NOW)


def test_when_every_backend_is_down_it_waits_longer_and_longer_uncounted() -> None:
    down = {"rtx", "mail"}
    early = after(sending(), DOWN, down=down)
    assert (early.state, early.address, early.next_at, early.attempts) == (PENDING, RTX, NOW + 60, 0)
    assert after(sending(), DOWN, down=down, now=NOW + 200).next_at == NOW + 400
    assert after(sending(), DOWN, down=down, now=NOW + 9000).next_at == NOW + 9600


def test_two_backends_that_go_down_in_turn_are_not_run_round_at_once() -> None:
    one = after(sending(), DOWN, DOWN)
    assert one.next_at == NOW + 60


def test_a_backend_known_to_be_down_is_not_preferred_elsewhere_either() -> None:
    assert after(sending(RTX, ROBOT, MAIL), REJECTED, down={"robot"}).address == MAIL
    assert after(sending(RTX, ROBOT), REJECTED, down={"robot"}).address == ROBOT


def test_an_interruption_is_no_failure() -> None:
    before = sending(attempts=2, error="temporary: x")
    assert after(before, STOPPED) == replace(before, state=PENDING, lease_until=0.0, next_at=NOW)


@pytest.mark.parametrize("outcome", [TEMPORARY, REJECTED, AWAY, DOWN, RateLimitedError("x", retry_after=1)])
def test_a_failure_after_the_expiry_is_the_end(outcome: BackendError) -> None:
    over = after(sending(), outcome, now=NOW + 86400)
    assert over.state is DEAD
    assert over.error.startswith("expired; ")


def test_a_delivery_accepted_after_its_expiry_is_delivered_all_the_same() -> None:
    assert after(sending(), Receipt(), now=NOW + 90000).state is DeliveryState.DELIVERED


def test_a_wait_ends_at_the_expiry() -> None:
    one = after(sending(expires_at=NOW + 100), AWAY, AWAY)
    assert one.next_at == NOW + 100
    assert expired(one).state is DEAD
    assert expired(one).error == "expired; needs_fallback: offline"


def test_revived_begins_with_the_first_address_in_the_old_order() -> None:
    over = after(sending(RTX, MAIL, ROBOT), *[TEMPORARY] * TURN, REJECTED, REJECTED, REJECTED)
    assert over.state is DEAD
    again = revived(over, NOW + 5, NOW + 99)
    assert (again.address, again.fallbacks, again.tried) == (RTX, (MAIL, ROBOT), ())
    assert (again.state, again.attempts, again.next_at, again.expires_at) == (PENDING, 0, NOW + 5, NOW + 99)


def test_backoff_is_bounded_whatever_the_number() -> None:
    assert backoff(10**6, Policy(), lambda: 0.999) < 600
    assert backoff(1, Policy(), lambda: 0.0) == 0.0


OUTCOMES = st.one_of(
    st.just(TEMPORARY),
    st.builds(lambda limit: TemporaryError("x", limit=limit), st.integers(0, 5)),
    st.just(REJECTED),
    st.just(AWAY),
    st.just(DOWN),
    st.just(STOPPED),
    st.builds(lambda after: RateLimitedError("x", retry_after=after), st.floats()),
)
ADDRESSES = [Address(backend, to) for backend in ("rtx", "mail", "robot") for to in ("a", "b")]


@settings(max_examples=300, derandomize=True)
@given(
    addresses=st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=4, unique=True),
    outcomes=st.lists(st.tuples(OUTCOMES, st.sets(st.sampled_from(["rtx", "mail", "robot"]))), max_size=60),
    late=st.floats(0, 20),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_no_course_of_events_loses_a_delivery(
    addresses: list[Address], outcomes: list[tuple[Outcome, set[str]]], late: float, chance: float
) -> None:
    one, now = sending(*addresses), NOW
    rejected: set[Address] = set()
    first_tries: list[Address] = []
    for outcome, down in outcomes:
        used = one.address
        assert used not in rejected
        if used not in first_tries:
            first_tries.append(used)
        one = settle(one, outcome, now, POLICY, lambda: chance, down=down)
        if isinstance(outcome, RejectedError):
            rejected.add(used)
        assert one.state in {PENDING, DEAD}
        assert one.lease_until == 0.0
        assert one.attempts <= POLICY.attempts + TURN
        assert not rejected & {*one.fallbacks}
        if one.state is DEAD:
            break
        assert now <= one.next_at <= max(now, one.expires_at)
        assert {one.address, *one.fallbacks, *one.tried} == set(addresses)  # none forgotten
        assert len({one.address, *one.fallbacks}) == 1 + len(one.fallbacks)
        now = one.next_at + late
    if not any(down for _, down in outcomes):
        assert first_tries == addresses[: len(first_tries)]  # in the order of preference


@settings(max_examples=200, derandomize=True)
@given(
    addresses=st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=4, unique=True),
    course=st.lists(st.one_of(st.just(TEMPORARY), st.just(AWAY), st.just(DOWN)), min_size=1, max_size=5),
)
def test_every_delivery_ends_after_a_bounded_number_of_tries(
    addresses: list[Address], course: list[Outcome]
) -> None:
    one, now, tries = sending(*addresses), NOW, 0
    while one.state is not DEAD:
        one = settle(one, course[tries % len(course)], now, POLICY, lambda: 0.5)
        now, tries = one.next_at, tries + 1
        assert tries <= 24 * 60  # less than one a minute over the day that it lives


def told_later(*addresses: Address, **changes: Any) -> Delivery:
    """A delivered delivery that the service may still tell of."""
    kept = {"state": DeliveryState.DELIVERED, "lease_until": 0.0, "receipt": "m1", "handle": "h1"}
    return replace(sending(*addresses), **{**kept, **changes})


def test_a_late_rejection_goes_to_the_next_address_and_never_comes_back() -> None:
    onward = recalled(told_later(), REJECTED, NOW, POLICY)
    assert (onward.state, onward.next_at, onward.address) == (PENDING, NOW, MAIL)
    assert (onward.fallbacks, onward.tried, onward.attempts) == ((), (RTX,), 0)
    assert (onward.receipt, onward.handle, onward.error) == ("", "", "rejected: no such user")
    over = recalled(told_later(RTX), REJECTED, NOW, POLICY)
    assert (over.state, over.receipt) == (DEAD, "")


def test_a_late_failure_takes_an_untried_address_that_is_not_down() -> None:
    onward = recalled(told_later(RTX, MAIL, ROBOT), TEMPORARY, NOW, POLICY, down=["mail"])
    assert (onward.address, onward.next_at) == (ROBOT, NOW)
    assert onward.fallbacks == (MAIL, RTX)


def test_a_late_failure_without_another_way_is_sent_again_once_keys_are_forgotten() -> None:
    again = recalled(told_later(RTX), TEMPORARY, NOW, POLICY)
    assert (again.state, again.address, again.next_at) == (PENDING, RTX, NOW + RECALL)
    assert again.attempts == 1
    round_again = recalled(told_later(RTX, MAIL, tried=(MAIL,)), TEMPORARY, NOW, POLICY)
    assert (round_again.address, round_again.next_at) == (MAIL, NOW + RECALL)


def test_late_failures_have_an_end() -> None:
    assert recalled(told_later(RTX, attempts=19), TEMPORARY, NOW, POLICY).state is DEAD
    late = NOW + 10 * 86400
    over = recalled(told_later(), TEMPORARY, late, POLICY)
    assert (over.state, over.error) == (DEAD, "expired; temporary [500]: answered 500")
