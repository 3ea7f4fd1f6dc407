"""OpenIM's numbers, each with its outcome."""

from __future__ import annotations

from typing import Any

import pytest

from relay.backends.answer import Answer
from relay.backends.http import json_bytes
from relay.backends.mask import Mask
from relay.backends.openim_answer import verdict
from relay.backends.openim_api import token_lifetime
from relay.backends.tokens import TokenRefusedError
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError


def judged(code: int | str, status: int = 200, text: str = "", **how: Any) -> BackendError | None:
    headers = how.pop("headers", {})
    answer = Answer(status, headers, json_bytes({"errCode": code, "errMsg": "", "errDlt": text}), Mask())
    if how.get("old"):
        answer = Answer(status, headers, json_bytes({"errCode": code, "errMsg": text}), Mask())
    return verdict(answer, **{"old": False, "purpose": "message", "sites": {}, "now": 0.0, **how})


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([500, 80000, 90002, 90004, 90007], TemporaryError),
        ([1001, 1002, 1003, 1050, 4711, 20001, 29999], BackendDownError),
        ([1004, 1101, 1201, 1203, 1204, 1205, 1302, 1303, 1402, 1403], RejectedError),
        ([1501, 1502, 1503, 1504, 1505, 1506, 1507], TokenRefusedError),
        ([429], RateLimitedError),
    ],
)
def test_the_numbers_of_v3(codes: list[int], expected: type[BackendError]) -> None:
    for code in codes:
        for given in (code, str(code)):
            error = judged(given)
            assert type(error) is expected, code
            assert error.code == str(code)
            assert str(error).startswith(f"{code}: ")


@pytest.mark.parametrize(
    ("status", "code", "text", "expected"),
    [
        (400, 400, "parse token failed", TokenRefusedError),
        (400, 400, "not authorized", BackendDownError),
        (400, 400, "Key: 'x' Error:Field validation", RejectedError),
        (400, 401, "", BackendDownError),
        (400, 403, "", RejectedError),
        (400, 404, "", RejectedError),
        (400, 405, "", RejectedError),
        (500, 500, "", TemporaryError),
        (200, 201, "", TemporaryError),
        (200, 202, "", RejectedError),
        (200, 203, "", BackendDownError),
        (200, 600, "", RejectedError),
        (200, 601, "", RejectedError),
        *((200, code, "", TokenRefusedError) for code in range(700, 709)),
        *((200, code, "", BackendDownError) for code in (801, 803, 804, 811)),
        *((200, code, "", TemporaryError) for code in (802, 812)),
        (200, 810, "", RateLimitedError),
        (500, 9999, "", TemporaryError),
        (200, 9999, "", BackendDownError),
    ],
)
def test_the_numbers_of_v2(status: int, code: int, text: str, expected: type[BackendError]) -> None:
    error = judged(code, status, text, old=True)
    assert type(error) is expected
    assert error.code == str(code)


def test_numbers_whose_text_says_more() -> None:
    assert type(judged(1001, text="message is not sent")) is RejectedError
    assert type(judged(500, text="Key: 'x' Error:Field validation for 'y'")) is RejectedError
    assert type(judged(500, text="failed to decode content")) is RejectedError
    assert type(judged(1101, purpose="notification")) is BackendDownError
    assert type(judged(4711, status=500)) is TemporaryError


def test_a_site_says_what_its_own_numbers_mean() -> None:
    sites = {"20001": "rejected", "20002": "temporary", "20003": "down"}
    expected = {20001: RejectedError, 20002: TemporaryError, 20003: BackendDownError, 20004: BackendDownError}
    for code, error in expected.items():
        assert type(judged(code, sites=sites)) is error


@pytest.mark.parametrize(("header", "seconds"), [("", 5.0), ("2", 2.0), ("0", 1.0), ("900", 60.0)])
def test_how_long_the_limiter_wants(header: str, seconds: float) -> None:
    for old in (False, True):
        error = judged(810 if old else 429, headers={"Retry-After": header} if header else {}, old=old)
        assert isinstance(error, RateLimitedError)
        assert error.retry_after == seconds


def test_success_needs_its_number_and_its_status() -> None:
    assert judged(0) is None
    assert judged("0") is None
    assert isinstance(judged(0, status=503), TemporaryError)
    nothing = Answer(200, {}, b'{"data":{}}', Mask())
    assert isinstance(verdict(nothing, old=False, purpose="token", sites={}, now=0.0), TemporaryError)


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        ({"expireTimeSeconds": 7776000}, 7776000.0),
        ({"expiredTime": 1_767_600_100}, 100.0),
        ({"expiredTime": 1_700_000_000}, 0.0),
        ({}, 3600.0),
        ({"expireTimeSeconds": 0}, 3600.0),
        ({"expireTimeSeconds": "soon"}, 3600.0),
    ],
)
def test_how_long_a_token_lasts(data: dict[str, Any], seconds: float) -> None:
    assert token_lifetime(data, 1_767_600_000.0) == seconds
