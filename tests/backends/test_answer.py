"""Statuses, waits and bodies of answers."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import aiohttp
import pytest
from aioresponses import aioresponses
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from relay.backends import webhook
from relay.backends.answer import LONGEST, MOST_DETAIL, SHORTEST, Answer, refusal, retry_after
from relay.backends.base import Door
from relay.backends.mask import Mask
from relay.clock import FakeClock
from relay.errors import BackendError, RateLimitedError, RejectedError, TemporaryError
from relay.values import Secret
from tests.backends.messages import NOW, message


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, body, Mask(["s3cr3t"]))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("0", SHORTEST),
        ("-5", SHORTEST),
        ("1e99", LONGEST),
        ("9" * 5000, LONGEST),
        ("inf", LONGEST),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW - 90, usegmt=True), SHORTEST),
        (formatdate(NOW + 10**6, usegmt=True), LONGEST),
        ("nan", None),
        ("", None),
        ("soon", None),
        ("Fri, 99 Xxx 2026 00:00:00 GMT", None),
    ],
)
def test_retry_after_takes_seconds_and_dates(text: str, seconds: float | None) -> None:
    assert retry_after(text, NOW) == seconds


@given(st.text())
def test_no_retry_after_raises_or_leaves_the_bounds(text: str) -> None:
    seconds = retry_after(text, NOW)
    assert seconds is None or SHORTEST <= seconds <= LONGEST


def test_a_date_in_retry_after_reaches_the_limit() -> None:
    error = refusal(answer(503, Retry_After=formatdate(NOW + 30, usegmt=True)), NOW)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 30.0


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_is_acceptance_or_an_error(status: int) -> None:
    error = refusal(answer(status), NOW)
    assert (error is None) == (200 <= status < 300)
    assert error is None or error.code == str(status)


def test_other_refusals() -> None:
    assert type(refusal(answer(422), NOW)) is RejectedError
    assert type(refusal(answer(425), NOW)) is TemporaryError


def test_json_is_read_whatever_it_claims_to_be() -> None:
    told = answer(body='{"errcode":0,"errmsg":"好"}'.encode(), Content_Type="text/plain")
    assert told.json() == {"errcode": 0, "errmsg": "好"}
    for body in (b"ok", b"", b"[1]", b"<html>", b'{"a":', b"\xff\xfe", b"[" * 100_000):
        assert answer(body=body).json() is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"errcode":0}', "0"),
        (b'{"errcode":"0"}', "0"),
        (b'{"errcode":true}', "true"),
        (b'{"errcode":null}', ""),
        (b'{"errcode":[0]}', ""),
        (b"{}", ""),
        (b"ok", ""),
    ],
)
def test_codes_are_text(body: bytes, code: str) -> None:
    assert answer(body=body).code("errcode") == code


def test_a_nested_code() -> None:
    told = answer(body=b'{"error":{"code":7}}')
    assert told.code("error", "code") == "7"
    assert told.code("error", "code", "deeper") == ""
    assert told.code("none", "code") == ""


def test_detail_is_readable_masked_and_short() -> None:
    told = answer(400, b"\x1b[31mno\x00 s3cr3t \xff" + "长".encode() * 5000)
    assert told.detail.startswith("no *** \ufffd长")
    assert len(told.detail.encode()) <= MOST_DETAIL
    assert answer(400, b"x s3cr3t").detail == "x ***"


@pytest.mark.parametrize("given_text", ["5", "x"])
async def test_the_wait_is_read_from_the_wire(given_text: str) -> None:
    url = "http://hook.example/x"
    async with aiohttp.ClientSession() as session:
        with aioresponses() as wire:
            wire.post(URL(url, encoded=True), status=429, headers={"Retry-After": given_text})
            backend = webhook.Webhook(webhook.Settings(url=Secret(url)), _door(session))
            with pytest.raises(RateLimitedError) as caught:
                await backend.send(message(), "ops")
    assert caught.value.retry_after == (5.0 if given_text == "5" else 30.0)


def _door(session: Any) -> Door:
    return Door(session=session, clock=FakeClock(), name="hook")


def test_an_error_is_one_of_the_named_ones() -> None:
    assert all(isinstance(refusal(answer(status), NOW), BackendError) for status in (301, 400, 500))
