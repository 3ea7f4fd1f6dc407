"""OpenIM in each of its versions: tokens, types of messages, batches, presence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from relay.backends.base import Door, Receipt
from relay.backends.openim import OpenIm, Settings
from relay.backends.openim_api import Version
from relay.backends.openim_settings import Push
from relay.errors import (
    BackendDownError,
    BackendError,
    NeedsFallbackError,
    RateLimitedError,
    RejectedError,
    TemporaryError,
)
from relay.values import Secret
from tests.backends.messages import message, reminder
from tests.emulators.faults import Fault
from tests.emulators.openim import OpenImServer, RefusedError
from tests.emulators.openim_rules import claims_of, jwt

VERSIONS: tuple[Version, ...] = ("v2.0", "v2.2", "v3.0", "v3.3", "v3.8")
each_version = pytest.mark.parametrize("server", VERSIONS, indirect=True)
old_versions = pytest.mark.parametrize("server", ["v2.0", "v2.2"], indirect=True)

Make = Callable[..., OpenIm]


@pytest.fixture
async def server(request: pytest.FixtureRequest) -> AsyncIterator[OpenImServer]:
    async with OpenImServer(getattr(request, "param", "v3.8")) as server:
        yield server


@pytest.fixture
def openim(server: OpenImServer, session: Any) -> Make:
    door = Door(session=session, clock=server.clock, name="openim")
    fields = {"url": server.url, "secret": Secret(server.secret), "version": server.version}
    return lambda **changes: OpenIm(Settings(**{**fields, **changes}), door)


async def failure(backend: OpenIm, to: str = "wang") -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), to)
    return caught.value


# --- tokens ---


def test_the_published_tokens() -> None:
    published = (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJVc2VySUQiOiJvcGVuSU1BZG1pbiIsIlBsYXRmb3JtSUQiOjEsImV4cCI6MTY5"
        "Njc1NDgwNSwibmJmIjoxNjg4OTc4NTA1LCJpYXQiOjE2ODg5Nzg4MDV9.SAu86X3PzfYjtjBeYA4vZefNr1IiFKRgg12FeiXSm14"
    )
    assert (claims_of(published, "tuoyun") or {})["UserID"] == "openIMAdmin"
    assert claims_of(published, "openIM123") is None
    made = jwt({"UserID": "imAdmin", "PlatformID": 10, "exp": 1707776000, "iat": 1699999995}, "openIM123")
    assert made == (
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJVc2VySUQiOiJpbUFkbWluIiwiUGxhdGZvcm1JRCI6MTAsImV4cCI6MTcwNzc3"
        "NjAwMCwiaWF0IjoxNjk5OTk5OTk1fQ._LZILZTQ1Hq-WG7tu8i53_obWccSrCKpAGsE9BpC1bY"
    )


async def test_callers_that_come_together_fetch_one_token(server: OpenImServer, openim: Make) -> None:
    backend = openim()
    await asyncio.gather(*(backend.send(message(key=f"k{n}"), "wang") for n in range(20)))
    assert server.token_requests == 1
    assert len({*server.operations}) == len(server.operations) == 21  # unique, those of the tokens too
    assert any(operation.startswith("k7-") for operation in server.operations)


@each_version
async def test_a_token_is_replaced_before_its_end(server: OpenImServer, openim: Make) -> None:
    server.life = 86_400
    backend = openim()
    await backend.send(message(), "wang")
    server.clock.advance(86_400 - 3600 - 10)
    await backend.send(message(), "wang")
    assert server.token_requests == 1
    server.clock.advance(20)
    await backend.send(message(), "wang")
    assert server.token_requests == 2


@each_version
async def test_a_kicked_token_is_replaced_once(server: OpenImServer, openim: Make) -> None:
    backend = openim()
    await backend.send(message(), "wang")
    server.kick()
    await backend.send(message(), "wang")
    assert server.token_requests == 2
    assert len(server.sent) == 2


@pytest.mark.parametrize("code", range(1501, 1508))
async def test_a_fresh_token_that_is_refused_needs_an_operator(
    server: OpenImServer, openim: Make, code: int
) -> None:
    server.answer = RefusedError(code, "Token")
    error = await failure(openim())
    assert isinstance(error, BackendDownError)
    assert error.code == str(code)
    assert "token" in str(error)
    assert server.token_requests == 2


@each_version
async def test_a_wrong_secret_needs_an_operator(server: OpenImServer, openim: Make) -> None:
    error = await failure(openim(secret=Secret("wrong-secret")))
    assert isinstance(error, BackendDownError)
    assert error.code == ("401" if server.old else "1002")
    assert "`secret` is wrong" in str(error)


@pytest.mark.parametrize("server", ["v3.3", "v3.8"], indirect=True)
async def test_a_wrong_administrator_needs_an_operator(server: OpenImServer, openim: Make) -> None:
    error = await failure(openim(admin_user_id="someone"))
    assert isinstance(error, BackendDownError)
    assert "admin_user_id" in str(error)


@pytest.mark.parametrize(
    "refusal",
    [RefusedError(1004, "x"), RefusedError(1101, "x"), RefusedError(1501, "x"), RefusedError(1, "x")],
    ids=lambda refusal: str(refusal.body["errCode"]),
)
async def test_no_token_is_never_the_receivers_fault(
    server: OpenImServer, openim: Make, refusal: RefusedError
) -> None:
    server.token_answer = refusal
    assert isinstance(await failure(openim()), BackendDownError)


async def test_a_token_that_does_not_come_is_no_ambiguous_message(
    session: Any, server: OpenImServer, openim: Make
) -> None:
    backend = openim()
    server.token_answer = RefusedError(90004, "network")
    assert isinstance(await failure(backend), TemporaryError)
    await server.__aexit__()
    error = await failure(backend)
    assert isinstance(error, TemporaryError)
    assert not error.ambiguous


async def test_an_echoed_token_is_masked(server: OpenImServer, openim: Make) -> None:
    backend = openim()
    await backend.send(message(), "wang")
    token = next(iter(server.tokens))
    server.answer = RefusedError(1002, "no", dlt=f"token {token} of {server.secret}")
    error = await failure(backend)
    assert token not in error.detail
    assert server.secret not in error.detail
    assert "token *** of ***" in error.detail


# --- types of messages ---


@each_version
async def test_a_text_to_a_user(server: OpenImServer, openim: Make) -> None:
    receipt = await openim(sender_nickname="Alerts", sender_face_url="http://h/a.png").send(message(), "wang")
    (sent,) = server.sent
    assert receipt == Receipt(id=f"{1 if server.old else 2:032x}", note="queued")
    assert (sent.to, sent.session, sent.kind) == ("wang", 1, 101)
    assert "timeout after 3000 ms" in sent.text
    assert sent.body["sendID"] == server.admin
    assert sent.body["senderPlatformID"] == (7 if server.old else 10)
    assert sent.body["senderNickname"] == "Alerts"
    assert sent.body["senderFaceURL"] == "http://h/a.png"
    assert sent.body["isOnlineOnly"] is sent.body["notOfflinePush"] is False
    assert sent.body["offlinePushInfo"] == {
        "title": "ERROR pay.refund",
        "desc": "timeout after <num> ms",
        "ex": "",
        "iOSPushSound": "default",
        "iOSBadgeCount": True,
    }
    assert sent.body.get("ex") == (None if server.old else "k-17-1")
    assert ("operationID" in sent.body) is server.old


@each_version
async def test_a_text_to_a_group(server: OpenImServer, openim: Make) -> None:
    await openim().send(message(), "group:g1")
    (sent,) = server.sent
    assert (sent.to, sent.session, sent.kind) == ("g1", 2 if server.old else 3, 101)
    assert "recvID" not in sent.body


@old_versions
async def test_large_groups_of_v2(server: OpenImServer, openim: Make) -> None:
    await openim(large_groups=True).send(message(), "group:g1")
    assert server.sent[0].session == 3


@each_version
async def test_a_notification(server: OpenImServer, openim: Make) -> None:
    backend = openim(mode="notification", notification_type=7)
    await backend.send(message(links=(("runbook", "http://w/r"),)), "user:wang")
    (sent,) = server.sent
    assert (sent.to, sent.session, sent.kind) == ("wang", 4, 1400)
    assert {name: value for name, value in sent.body["content"].items() if name != "text"} == {
        "notificationName": "ERROR pay.refund",
        "notificationFaceURL": "",
        "notificationType": 7,
        "url": "http://w/r",
        "externalUrl": "http://w/r",
        "mixType": 0,
        "ex": "k-17-1",
    }


async def test_who_may_notify(server: OpenImServer, openim: Make) -> None:
    await openim(mode="notification", send_id="ops-alerts").send(message(), "nobody")  # not looked at
    for sender, code in (("plain", "1002"), ("unheard-of", "1101")):
        error = await failure(openim(mode="notification", send_id=sender))
        assert isinstance(error, BackendDownError)
        assert error.code == code
        assert "send_id" in str(error)


async def test_custom_data(server: OpenImServer, openim: Make) -> None:
    await openim(mode="custom").send(message(), "wang")
    (sent,) = server.sent
    assert sent.kind == 110
    data = json.loads(sent.body["content"]["data"])
    assert (data["severity"], data["dedup_key"]) == ("error", "00f1e2d3c4b5a697")
    assert sent.body["content"]["description"] == "[ERROR] pay.refund: timeout after <num> ms"


async def test_data_fits_too(server: OpenImServer, openim: Make) -> None:
    await openim(mode="custom", max_bytes=2000).send(message(text='"\n' * 5000), "wang")
    data = server.sent[0].body["content"]["data"]
    assert 1800 < len(data.encode()) <= 2000
    assert "characters cut" in json.loads(data)["text"]


@pytest.mark.parametrize("server", ["v3.3", "v3.8"], indirect=True)
@pytest.mark.parametrize(("to", "field"), [("wang", "recvUserID"), ("group:g1", "recvGroupID")])
async def test_a_business_notification(server: OpenImServer, openim: Make, to: str, field: str) -> None:
    await openim(mode="business").send(message(), to)
    (event,) = server.events
    assert event[field] == to.removeprefix("group:")
    assert event["key"] == "relay.alert"
    assert (event["sendMsg"], event["reliabilityLevel"]) == (False, 2)
    assert "timeout after 3000 ms" in json.loads(event["data"])["text"]
    unreliable = openim(mode="business", reliability="online", business_message=True, business_key="x")
    await unreliable.send(message(), to)
    assert (server.events[1]["sendMsg"], server.events[1]["reliabilityLevel"]) == (True, 1)


async def test_markdown_keeps_lines_and_indents(server: OpenImServer, openim: Make) -> None:
    told = message(text="Error\n\tat x()\n    at y()\n\nend", links=(("run_book", "http://w/r_(1)"),))
    await openim(mode="markdown").send(told, "wang")
    (sent,) = server.sent
    assert sent.kind == 118
    assert "Error  \n\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0\u00a0at x\\(\\)  \n" in sent.text
    assert "\n\nend" in sent.text
    assert "[run\\_book](http://w/r_%281%29)" in sent.text


async def test_push_and_storage_as_set(server: OpenImServer, openim: Make) -> None:
    push = Push(title="T", desc="D", ex="E", ios_sound="s.caf", ios_badge_count=False)
    await openim(offline_push=push, push=False, online_only=True).send(message(), "wang")
    body = server.sent[0].body
    assert body["isOnlineOnly"] is body["notOfflinePush"] is True
    assert list(body["offlinePushInfo"].values()) == ["T", "D", "E", "s.caf", False]


async def test_a_version_that_is_too_old_or_new_is_refused(server: OpenImServer, openim: Make) -> None:
    for version in ("v2.0", "v2.2", "v3.0"):
        assert isinstance(await failure(openim(version=version)), BackendDownError)
    assert server.sent == []


@pytest.mark.parametrize(("server", "version"), [("v3.0", "v3.3"), ("v3.3", "v3.0")], indirect=["server"])
async def test_the_text_has_another_name_in_other_versions(
    server: OpenImServer, openim: Make, version: Version
) -> None:
    error = await failure(openim(version=version))
    assert isinstance(error, BackendDownError)
    assert "`version`" in str(error)


# --- refusals ---


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("nobody", "1004"),
        ("blocker", "1302"),
        ("stranger", "1303"),
        ("silent", "1001"),
        ("group:none", "1201"),
        ("group:gone-group", "1204"),
        ("group:muted-group", "1403"),
        ("group:muted-member", "1402"),
    ],
)
async def test_a_receiver_that_can_not_be_reached(
    server: OpenImServer, openim: Make, to: str, code: str
) -> None:
    error = await failure(openim(), to)
    assert isinstance(error, RejectedError)
    assert error.code == code
    assert str(error).startswith(f"{code}: ")


@pytest.mark.parametrize("to", ["blocker", "stranger", "group:none"])
@old_versions
async def test_a_receiver_that_can_not_be_reached_in_v2(server: OpenImServer, openim: Make, to: str) -> None:
    assert isinstance(await failure(openim(), to), RejectedError)


async def test_the_limiter_is_obeyed(server: OpenImServer, openim: Make) -> None:
    backend = openim()
    await backend.send(message(), "wang")
    for asked, waited in (("1", 1.0), ("0", 1.0), ("7", 7.0), ("9999", 60.0), ("soon", 5.0)):
        server.limited = asked
        error = await failure(backend)
        assert isinstance(error, RateLimitedError)
        assert error.retry_after == waited


async def test_a_server_of_another_make(server: OpenImServer, openim: Make) -> None:
    for body in (b"", b"<html>", b'{"data":{}}', b"[]", b'{"errCode":null}'):
        server.fault = Fault(status=200, body=body)
        error = await failure(openim())
        assert isinstance(error, TemporaryError)
        assert error.code == "malformed"


async def test_the_emulator_looks_at_headers_in_the_servers_order(server: OpenImServer, session: Any) -> None:
    for headers, text in (
        ({}, "operationID"),
        ({"token": "x"}, "operationID"),
        ({"operationID": "x"}, "token"),
    ):
        async with session.post(f"{server.url}/msg/send_msg", json={}, headers=headers) as response:
            found = await response.json()
        assert (response.status, found["errCode"], found["errMsg"]) == (200, 1001, f"header must have {text}")


# --- batches ---


@pytest.mark.parametrize("server", ["v2.2", "v3.0", "v3.8"], indirect=True)
async def test_a_batch_is_one_call(server: OpenImServer, openim: Make) -> None:
    server.left_out = {"li"}
    server.users |= {f"u{n}": True for n in range(100)}
    backend = openim()
    tos = ["wang", "li", "group:g1", "nobody", "user:wang", "a b", *(f"u{n}" for n in range(100))]
    outcomes = await backend.send_many(reminder(), tos)
    assert len(outcomes) == len(tos)
    named = dict(zip(tos, outcomes, strict=True))
    assert server.requests == 2  # the batch, the group
    for to in ("wang", "user:wang", "group:g1", "u99"):
        assert isinstance(named[to], Receipt), to
    for to in ("li", "nobody"):
        error = named[to]
        assert isinstance(error, TemporaryError)
        assert (error.code, error.limit) == ("batch", 3)
    assert isinstance(named["a b"], RejectedError)
    assert sorted(sent.to for sent in server.sent) == sorted(["wang", "g1", *(f"u{n}" for n in range(100))])
    assert len({receipt.id for receipt in outcomes if isinstance(receipt, Receipt)}) == 102


async def test_a_batch_that_fails_fails_for_all_of_it(server: OpenImServer, openim: Make) -> None:
    server.answer = RefusedError(90002, "database")
    outcomes = await openim().send_many(message(), ["wang", "li"])
    assert [type(outcome) for outcome in outcomes] == [TemporaryError, TemporaryError]


async def test_the_largest_batch(server: OpenImServer, openim: Make) -> None:
    users = [f"{'u' * 60}{n:04}" for n in range(1000)]
    server.users |= dict.fromkeys(users, True)
    outcomes = await openim(batch_size=1000).send_many(message(), users)
    assert all(isinstance(outcome, Receipt) for outcome in outcomes)
    assert len(server.sent) == 1000
    assert server.requests == 1


async def test_a_batch_of_nobody_known(server: OpenImServer, openim: Make) -> None:
    outcomes = await openim().send_many(message(), ["nobody"])  # `results` is null then
    assert isinstance(outcomes[0], TemporaryError)


async def test_what_can_not_be_sent_together(server: OpenImServer, openim: Make) -> None:
    assert openim(batch_size=100).limits.receivers == 100
    assert openim(mode="business").limits.receivers == 1
    assert openim(version="v2.0").limits.receivers == 1


async def test_a_broadcast_must_be_allowed(server: OpenImServer, openim: Make) -> None:
    assert isinstance(await failure(openim(), "@all"), RejectedError)
    assert server.requests == 0
    await openim(allow_broadcast=True).send(message(), "@all")
    assert {sent.to for sent in server.sent} == set(server.users)
    for changes in ({"version": "v2.2"}, {"mode": "business"}):
        assert openim(allow_broadcast=True, **changes).settings.refuses("@all")


# --- presence ---


@each_version
async def test_presence(server: OpenImServer, openim: Make) -> None:
    backend = openim()
    assert await backend.presence("wang") is True
    assert await backend.presence("user:zhao") is False
    assert await backend.presence("group:g1") is None
    assert await backend.presence("a b") is None


@each_version
async def test_those_who_are_offline_are_told_elsewhere(server: OpenImServer, openim: Make) -> None:
    backend = openim(presence_check=True)
    assert isinstance(await failure(backend, "zhao"), NeedsFallbackError)
    await backend.send(message(), "wang")
    await backend.send(message(), "group:g1")
    assert [sent.to for sent in server.sent] == ["wang", "g1"]


async def test_those_of_a_batch_who_are_offline(server: OpenImServer, openim: Make) -> None:
    users = {f"u{n}": n % 3 != 0 for n in range(100)}
    server.users |= users
    outcomes = await openim(presence_check=True).send_many(message(), list(users))
    assert [isinstance(outcome, Receipt) for outcome in outcomes] == list(users.values())
    assert sum(isinstance(outcome, NeedsFallbackError) for outcome in outcomes) == 34
    assert server.requests == 1 + 3  # forty users in a question
    assert all(
        isinstance(one, NeedsFallbackError)
        for one in await openim(presence_check=True).send_many(message(), ["zhao"])
    )


async def test_presence_that_can_not_be_known_holds_nothing_back(server: OpenImServer, openim: Make) -> None:
    backend = openim(presence_check=True)
    await backend.send(message(), "wang")
    server.users = dict.fromkeys(server.users, False)
    server.fault = Fault(status=500)
    with pytest.raises(TemporaryError) as caught:
        await backend.send(message(), "wang")  # refused by the send itself
    assert caught.value.code == "500"
    with pytest.raises(TemporaryError):
        await backend.presence("wang")


async def test_a_slow_answer_about_presence_holds_nothing_back(server: OpenImServer, openim: Make) -> None:
    server.online_delay = 30.0
    outcomes = await openim(presence_check=True, timeout=0.1).send_many(message(), ["zhao", "wang"])
    assert all(isinstance(outcome, Receipt) for outcome in outcomes)


async def test_a_batch_that_may_not_ask_for_presence(server: OpenImServer, openim: Make) -> None:
    backend = openim(presence_check=True)
    await backend.send(message(), "wang")
    server.fault = Fault(status=403)
    outcomes = await backend.send_many(message(), ["wang", "li"])
    assert [type(outcome) for outcome in outcomes] == [BackendDownError, BackendDownError]


async def test_the_users_own_tokens_are_not_shown(server: OpenImServer, openim: Make) -> None:
    backend = openim()
    await backend.send(message(), "wang")
    server.fault = Fault(status=200, body=b'[{"token":"a users own token"')
    with pytest.raises(TemporaryError) as caught:
        await backend.presence("wang")
    assert caught.value.detail == ""


# --- doctor and settings ---


@each_version
async def test_the_doctor_sends_nothing(server: OpenImServer, openim: Make) -> None:
    (found,) = await openim().check()
    assert found.ok
    assert server.admin in found.text
    (found,) = await openim(secret=Secret("wrong-secret")).check()
    assert not found.ok
    assert found.code == ("401" if server.old else "1002")
    assert server.sent == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": "10.0.0.9:10002"}, "url"),
        ({"url": "http://h:10002/?x=1"}, "url"),
        ({"admin_user_id": "im Admin"}, "admin_user_id"),
        ({"send_id": "ops\nalerts"}, "send_id"),
        ({"sender_face_url": "alerts.png"}, "sender_face_url"),
        ({"business_message": True}, "business_message"),
        ({"mode": "business", "online_only": True}, "online_only"),
        ({"mode": "business", "allow_broadcast": True}, "allow_broadcast"),
        ({"version": "v2.2", "allow_broadcast": True}, "allow_broadcast"),
        ({"mode": "markdown", "version": "v3.3"}, "mode"),
        ({"mode": "business", "version": "v3.0"}, "mode"),
        ({"site_codes": {"20000": "down"}}, "site_codes"),
        ({"site_codes": {"x": "down"}}, "site_codes"),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], field: str) -> None:
    settings = Settings(**{"url": "http://h:10002", "secret": Secret("s3cr3t"), **changes})
    assert [name for name, _ in settings.problems()] == [field]
    assert "s3cr3t" not in repr(settings)


def test_settings_that_work() -> None:
    for version in VERSIONS:
        settings = Settings(url="https://h/api/", secret=Secret("x"), version=version)
        assert settings.problems() == []
        assert settings.refuses("group:g1") == ""
    notification = Settings(url="https://h/api/", secret=Secret("x"), mode="notification")
    assert notification.refuses("group:g1")
