"""anyRTC: credentials, receivers that are there or not, its answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote

import pytest

from relay.backends.anyrtc import AnyRtc, Settings, basic
from relay.backends.base import Door, Receipt
from relay.errors import (
    BackendDownError,
    BackendError,
    NeedsFallbackError,
    RateLimitedError,
    RejectedError,
    TemporaryError,
)
from relay.values import Secret
from tests.backends.messages import message
from tests.emulators.anyrtc import AnyRtcService
from tests.emulators.faults import Fault

APP = "970CA35de60c44645bbae8a215061b33"
CERTIFICATE = Secret("5CFd2fd1755d40ecb72977518be15d3b")

Make = Callable[..., AnyRtc]


@pytest.fixture
async def service() -> AsyncIterator[AnyRtcService]:
    async with AnyRtcService() as service:
        yield service


@pytest.fixture
def basic_auth(service: AnyRtcService, session: Any) -> Make:
    door = Door(session=session, clock=service.clock, name="anyrtc")
    fields = {
        "url": f"{service.url}/dev/v2/project",
        "app_id": APP,
        "api_key": "key",
        "api_secret": Secret("secret"),
    }
    return lambda **changes: AnyRtc(Settings(**{**fields, **changes}), door)


@pytest.fixture
def token_auth(service: AnyRtcService, session: Any) -> Make:
    door = Door(session=session, clock=service.clock, name="anyrtc")
    fields = {"url": f"{service.url}/dev/v2/project", "app_id": APP, "uid": "relay#1"}
    return lambda **changes: AnyRtc(Settings(**{**fields, **changes}), door)


async def failure(backend: AnyRtc, to: str = "wang") -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), to)
    return caught.value


# --- credentials ---


@pytest.mark.parametrize(
    ("key", "secret", "header"),
    [("key", "secret", "Basic a2V5OnNlY3JldA=="), ("5f3c", "a:b", "Basic NWYzYzphOmI=")],
)
def test_the_basic_header(key: str, secret: str, header: str) -> None:
    assert basic(key, secret) == header


@pytest.mark.parametrize(
    ("sender", "segment"),
    [("ops#1", "ops%231"), ("a b", "a%20b"), ("x%y", "x%25y"), ("a@b[c]", "a%40b%5Bc%5D")],
)
async def test_a_senders_id_in_the_path(
    service: AnyRtcService, basic_auth: Make, sender: str, segment: str
) -> None:
    assert quote(sender, safe="") == segment
    await basic_auth(sender_id=sender).send(message(), "wang")
    assert service.received[0].sender == sender


async def test_tokens_are_minted_and_kept(service: AnyRtcService, token_auth: Make) -> None:
    backend = token_auth(app_certificate=CERTIFICATE, token_ttl=3600.0)
    await backend.send(message(), "wang")
    service.clock.advance(3000)
    await backend.send(message(), "wang")
    service.clock.advance(3000)  # the first one is no good by now
    await backend.send(message(), "wang")
    assert service.requests == 3
    assert {received.sender for received in service.received} == {"relay#1"}


async def test_a_refused_minted_token_is_replaced_once(service: AnyRtcService, token_auth: Make) -> None:
    backend = token_auth(app_certificate=CERTIFICATE)
    await backend.send(message(), "wang")
    service.clock._now += 86_500  # the service's clock, and wall time; not what tokens are timed by
    await backend.send(message(), "wang")
    assert service.requests == 3
    error = await failure(token_auth(app_certificate=Secret("another")))
    assert isinstance(error, BackendDownError)
    assert error.code == "401"
    assert service.requests == 5


async def test_a_given_token_is_not_replaced(service: AnyRtcService, token_auth: Make) -> None:
    service.static_tokens = {("t0k3n", "relay#1")}
    await token_auth(token=Secret("t0k3n")).send(message(), "wang")
    error = await failure(token_auth(token=Secret("old")))
    assert isinstance(error, BackendDownError)
    assert service.requests == 2


async def test_wrong_credentials_need_an_operator(service: AnyRtcService, basic_auth: Make) -> None:
    error = await failure(basic_auth(api_secret=Secret("wrong")))
    assert isinstance(error, BackendDownError)
    assert str(error) == "HTTP 401: the credentials were refused"
    error = await failure(basic_auth(app_id="0" * 32))
    assert isinstance(error, BackendDownError)
    assert error.code == "404"


async def test_what_was_sent_as_credentials_is_masked(service: AnyRtcService, basic_auth: Make) -> None:
    service.fault = Fault(status=400, body=b"Basic a2V5OnNlY3JldA== from key:secret")
    assert (await failure(basic_auth())).detail == "Basic *** from key:***"


# --- receivers ---


@pytest.mark.parametrize(("wait", "note"), [(True, "delivered"), (False, "accepted")])
async def test_someone_online(service: AnyRtcService, basic_auth: Make, *, wait: bool, note: str) -> None:
    receipt = await basic_auth(wait_for_ack=wait, enable_history=True).send(message(), "user:wang")
    assert receipt == Receipt(id="r1", note=note)
    (received,) = service.received
    assert (received.to, received.channel, received.history) == ("wang", False, True)


async def test_a_channel(service: AnyRtcService, basic_auth: Make) -> None:
    receipt = await basic_auth().send(message(), "channel:nobody is in it")
    assert receipt.note == "accepted"
    (received,) = service.received
    assert (received.to, received.channel, received.history) == ("nobody is in it", True, False)


async def test_someone_offline_finds_it_later(service: AnyRtcService, basic_auth: Make) -> None:
    backend = basic_auth()
    for number in range(201):
        receipt = await backend.send(message(text=f"m{number:03}"), "zhao")
        assert receipt.note == "offline, stored"
    service.log_in("zhao")
    assert len(service.received) == 200
    assert "m001" in service.received[0].payload  # the newest replaced the oldest


@pytest.mark.parametrize(
    ("changes", "expected", "stored"),
    [
        ({"enable_offline": False}, NeedsFallbackError, False),
        ({"enable_offline": False, "offline_is": "recipient"}, RejectedError, False),
        ({"offline_is": "fallback"}, NeedsFallbackError, True),
    ],
)
async def test_someone_offline_is_told_elsewhere(
    service: AnyRtcService,
    basic_auth: Make,
    changes: dict[str, Any],
    expected: type[BackendError],
    *,
    stored: bool,
) -> None:
    error = await failure(basic_auth(**changes), "zhao")
    assert type(error) is expected
    assert error.code == "message_offline"
    assert ("zhao" in service.stored) is stored


async def test_nobody_acknowledges(service: AnyRtcService, basic_auth: Make) -> None:
    service.mute = {"wang"}
    error = await failure(basic_auth())
    assert isinstance(error, TemporaryError)
    assert (error.code, error.ambiguous) == ("408", True)


# --- answers ---


@pytest.mark.parametrize("code", ["message_sent", "MESSAGE SENT", "Message-Sent", " message_sent "])
async def test_a_code_in_any_spelling(service: AnyRtcService, basic_auth: Make, code: str) -> None:
    service.result = {"result": "success", "code": code, "request_id": "x"}
    assert (await basic_auth().send(message(), "wang")) == Receipt(id="x", note="accepted")


@pytest.mark.parametrize(
    "result",
    [
        {"result": "failed", "code": "message_sent"},
        {"result": "Failed", "code": "error"},
        {"result": "success"},
        {"result": "success", "code": "message_lost"},
        {"code": 0},
    ],
)
async def test_anything_else_is_no_success(
    service: AnyRtcService, basic_auth: Make, result: dict[str, Any]
) -> None:
    service.result = result
    error = await failure(basic_auth())
    assert isinstance(error, TemporaryError)
    assert error.limit == 3


async def test_an_answer_that_is_no_json(service: AnyRtcService, basic_auth: Make) -> None:
    service.fault = Fault(status=200, body=b"<html>ok</html>")
    assert isinstance(await failure(basic_auth()), TemporaryError)


@pytest.mark.parametrize(
    ("status", "expected", "words"),
    [
        (400, RejectedError, "not valid"),
        (403, BackendDownError, "access"),
        (404, BackendDownError, "`app_id`"),
        (415, BackendDownError, "JSON"),
        (435, RejectedError, "payload"),
        (500, TemporaryError, "500"),
        (503, TemporaryError, "503"),
    ],
)
async def test_a_status_in_words(
    service: AnyRtcService, basic_auth: Make, status: int, expected: type[BackendError], words: str
) -> None:
    body = json.dumps({"errorCode": status, "reason": "because"}).encode()
    service.fault = Fault(status=status, body=body)
    error = await failure(basic_auth())
    assert type(error) is expected
    assert error.code == str(status)
    assert words in str(error)
    assert "because" in error.detail


async def test_too_many_messages(service: AnyRtcService, basic_auth: Make) -> None:
    service.per_second = 2
    backend = basic_auth()
    for _ in range(2):
        await backend.send(message(), "wang")
    error = await failure(backend)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 1.0
    service.clock.advance(1.0)
    await backend.send(message(), "wang")


# --- payload, doctor, settings ---


async def test_json_for_an_app(service: AnyRtcService, basic_auth: Make) -> None:
    backend = basic_auth(payload_format="json", max_bytes=3000)
    await backend.send(message(text='"行"\n' * 3000, links=(("runbook", "http://w/r"),)), "wang")
    payload = service.received[0].payload
    assert 2700 < len(payload.encode()) <= 3000
    data = json.loads(payload)
    assert data.pop("text").startswith("[ERROR] pay.refund: ")
    assert data == {
        "title": "[ERROR] pay.refund: timeout after <num> ms",
        "severity": "error",
        "state": "firing",
        "url": "http://w/r",
        "dedup_key": "00f1e2d3c4b5a697",
        "key": "k-17-1",
        "ts": 1767599995,
    }


async def test_the_doctor_sends_nothing(service: AnyRtcService, basic_auth: Make, token_auth: Make) -> None:
    for backend in (basic_auth(), token_auth(app_certificate=CERTIFICATE)):
        (found,) = await backend.check()
        assert found.ok
    for backend in (basic_auth(api_secret=Secret("wrong")), token_auth(app_certificate=Secret("wrong"))):
        (found,) = await backend.check()
        assert not found.ok
        assert found.code == "401"
    assert service.received == []


GOOD = {"app_id": APP, "api_key": "k", "api_secret": Secret("s3cr3t")}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({**GOOD, "app_id": "short"}, "app_id"),
        ({**GOOD, "url": "api.agrtc.cn"}, "url"),
        ({**GOOD, "url": "https://h/?x"}, "url"),
        ({**GOOD, "sender_id": " x"}, "sender_id"),
        ({**GOOD, "sender_id": "a/b"}, "sender_id"),
        ({**GOOD, "enable_offline": False, "offline_is": "stored"}, "offline_is"),
        ({**GOOD, "uid": "u"}, "api_key"),
        ({**GOOD, "app_certificate": CERTIFICATE}, "api_key"),
        ({"app_id": APP, "api_key": "k"}, "api_key"),
        ({"app_id": APP, "api_secret": Secret("x")}, "api_key"),
        ({"app_id": APP}, "app_id"),
        ({"app_id": APP, "uid": "u"}, "app_id"),
        ({"app_id": APP, "token": Secret("t")}, "app_id"),
        ({"app_id": APP, "uid": "u", "token": Secret("t"), "app_certificate": CERTIFICATE}, "token"),
        ({"app_id": APP, "uid": "u", "token": Secret("t 1")}, "token"),
        ({"app_id": APP, "uid": "u", "app_certificate": Secret("short")}, "app_certificate"),
        ({"app_id": APP, "uid": "组", "token": Secret("t")}, "uid"),
    ],
)
def test_settings_that_can_not_work(given: dict[str, Any], field: str) -> None:
    settings = Settings(**given)
    assert [name for name, _ in settings.problems()] == [field]
    assert "s3cr3t" not in repr(settings)


def test_settings_that_work() -> None:
    assert Settings(**GOOD).problems() == []  # type: ignore[arg-type]
    assert Settings(app_id=APP, uid="relay", token=Secret("t")).problems() == []
    assert Settings(app_id=APP, uid="relay", app_certificate=CERTIFICATE).problems() == []


def test_addresses() -> None:
    settings = Settings(app_id=APP)
    for to in ("wang", "user:channel:x", "channel:a b", "o'neil", "a@b[c]", "a" * 64):
        assert settings.refuses(to) == "", to
    for to in ("a`b", 'a"b', "a\\b", "a/b", "a*b", "é", "channel: ", "a" * 65):
        assert settings.refuses(to), to
