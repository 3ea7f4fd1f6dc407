"""Numbers of a service, its waits, and answers to credentials."""

from __future__ import annotations

import json
from typing import Any

import pytest

from relay.backends.answer import Answer
from relay.backends.mask import Mask
from relay.backends.meaning import PayloadError, meanings
from relay.backends.numbered import Numbered, refused
from relay.backends.tokens import TokenRefusedError
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError

CODES = Numbered(
    field="n",
    waits={"9": 60.0},
    meanings=meanings(TemporaryError, {"1": "busy"})
    | meanings(TokenRefusedError, {"2": "old token"})
    | meanings(RejectedError, {"3": "no such user"}),
)


def answer(told: Any, status: int = 200, wait: str = "") -> Answer:
    return Answer(status, {"Retry-After": wait}, json.dumps(told).encode(), Mask())


@pytest.mark.parametrize("zero", [0, "0"])
def test_zero_is_success(zero: Any) -> None:
    assert CODES.required(answer({"n": zero, "id": "x"}), 0.0)["id"] == "x"


@pytest.mark.parametrize(
    ("told", "status", "expected"),
    [
        ({"n": 0}, 500, TemporaryError),
        ({"n": 0}, 403, BackendDownError),
        ({"n": 1}, 200, TemporaryError),
        ({"n": "2"}, 401, TokenRefusedError),
        ({"n": 3}, 200, RejectedError),
        ({"n": 9}, 400, RateLimitedError),
        ({"n": 4711}, 400, PayloadError),
        ({"n": 4711}, 200, TemporaryError),
        ({"n": 4711}, 502, TemporaryError),
        ({}, 200, TemporaryError),
        ({}, 400, RejectedError),
        ([], 200, TemporaryError),
        ({"n": False}, 200, TemporaryError),
        ({"n": None}, 200, TemporaryError),
    ],
)
def test_anything_else_is_not(told: Any, status: int, expected: type[BackendError]) -> None:
    with pytest.raises(BackendError) as caught:
        CODES.required(answer(told, status), 0.0)
    assert type(caught.value) is expected


@pytest.mark.parametrize(("header", "seconds"), [("", 60.0), ("7", 60.0), ("90", 90.0), ("nonsense", 60.0)])
def test_the_longest_wait_counts(header: str, seconds: float) -> None:
    with pytest.raises(RateLimitedError) as caught:
        CODES.required(answer({"n": 9}, wait=header), 0.0)
    assert caught.value.retry_after == seconds


@pytest.mark.parametrize(
    ("told", "status", "expected"),
    [
        ({"n": 1}, 200, TemporaryError),
        ({"n": 2}, 200, BackendDownError),
        ({"n": 3}, 200, BackendDownError),
        ({"n": 4711}, 200, BackendDownError),
        ({"n": 4711}, 400, BackendDownError),
        ({"n": 4711}, 503, TemporaryError),
        ({"n": 9}, 200, RateLimitedError),
        ({"n": 0}, 200, TemporaryError),
        ({}, 200, TemporaryError),
    ],
)
def test_credentials_that_are_refused_need_an_operator(
    told: Any, status: int, expected: type[BackendError]
) -> None:
    with pytest.raises(BackendError) as caught:
        CODES.granted(answer(told, status), 0.0, "token", "seconds")
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(60, 60.0), ("60", 60.0), (None, 7200.0), ("soon", 7200.0)]
)
def test_a_token_has_the_lifetime_that_is_stated(seconds: Any, expected: float) -> None:
    told = {"n": 0, "token": "t", "seconds": seconds}
    assert CODES.granted(answer(told), 0.0, "token", "seconds") == ("t", expected)


def test_a_refusal_is_told_from_what_passes() -> None:
    def error(told: Any, status: int = 200) -> BackendError:
        with pytest.raises(BackendError) as caught:
            CODES.required(answer(told, status), 0.0)
        return caught.value

    assert [refused(error({"n": code})) for code in (3, 4711, 1, 2, 9)] == [True, True, False, False, False]
    assert not refused(error({}, 502))
