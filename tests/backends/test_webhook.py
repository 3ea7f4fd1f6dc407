"""Webhook bodies, signatures and the id that retries share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from msgspec import structs

from relay.backends.base import Door
from relay.backends.webhook import Settings, Webhook
from relay.backends.webhook_forms import (
    alertmanager,
    idempotency_key,
    payload,
    plain,
    rfc3339,
    signatures,
    signing_key,
    standard,
)
from relay.clock import FakeClock
from relay.errors import BackendDownError, RejectedError, TemporaryError
from relay.models import AlertState, Reason
from relay.values import Secret
from tests.backends.messages import NOW, message, reminder
from tests.emulators.faults import Fault
from tests.emulators.webhook import WebhookReceiver

OLD, NEW = ("whsec_" + letter * 32 for letter in "Ab")


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with WebhookReceiver() as receiver:
        yield receiver


async def test_standard_webhooks_are_tried_again(receiver: WebhookReceiver, webhook: Any) -> None:
    """Its schedule goes on after any refusal but 410: a receiver may be wrong for a while."""
    receiver.fault = Fault(status=400)
    with pytest.raises(TemporaryError) as passing:
        await webhook(form="standard", secret=(Secret(OLD),)).send(message(), "ops")
    assert (passing.value.code, passing.value.limit) == ("400", 10)
    with pytest.raises(RejectedError):
        await webhook().send(message(), "ops")
    receiver.fault = Fault(status=410)
    with pytest.raises(BackendDownError):
        await webhook(form="standard", secret=(Secret(OLD),)).send(message(), "ops")


@pytest.fixture
def webhook(receiver: WebhookReceiver, door: Door) -> Any:
    return lambda **changes: Webhook(Settings(**{"url": Secret(f"{receiver.url}/hook"), **changes}), door)


async def test_the_plain_form(receiver: WebhookReceiver, webhook: Any) -> None:
    await webhook().send(reminder(late=840.0), "ops")
    (post,) = receiver.posts
    assert post.method == "POST"
    text = post.data.pop("text")
    assert text.startswith("[ERROR, still happening] pay.refund: ")
    assert post.data["labels"] == {"host": "web1", "order": "o-4711"}
    assert {name: value for name, value in post.data.items() if name not in {"labels", "text"}} == {
        "version": 1,
        "key": "k-17-1",
        "to": "ops",
        "reason": "reminder",
        "state": "firing",
        "level": "error",
        "rule": "payments",
        "module": "pay.refund",
        "title": "timeout after <num> ms",
        "message": "timeout after 3000 ms",
        "alert": 17,
        "fingerprint": "00f1e2d3c4b5a697",
        "count": 313,
        "more": 312,
        "counted": [],
        "first_seen": "2026-01-05T07:49:55.000Z",
        "last_seen": "2026-01-05T07:59:55.000Z",
        "late": 840.0,
        "hosts": ["web1", "web2", "web3"],
        "source": "shop",
        "origin": "/srv/shop/logs/pay.log:81233",
        "notes": [],
        "links": {},
    }


async def test_headers_method_and_url_go_out_as_given(receiver: WebhookReceiver, webhook: Any) -> None:
    url = Secret(f"{receiver.url}/hook%2Fx?sig=a%2Fb%2B")
    backend = webhook(
        url=url, method="PUT", headers={"Authorization": Secret("Bearer x"), "x-key": Secret("钥")}
    )
    await backend.send(message(text="中😀"), "ops")
    (post,) = receiver.posts
    assert (post.method, post.path) == ("PUT", "/hook%2Fx?sig=a%2Fb%2B")
    assert post.headers["authorization"] == "Bearer x"
    assert post.headers["content-type"] == "application/json; charset=utf-8"
    assert post.headers["user-agent"].startswith("relay/")
    assert "中😀".encode() in post.body  # raw UTF-8, no escapes


async def test_every_attempt_has_the_same_id_and_its_own_time(
    receiver: WebhookReceiver, session: Any
) -> None:
    clock = FakeClock()
    receiver.secrets, receiver.now = (OLD,), clock.now()
    settings = Settings(url=Secret(receiver.url), form="standard", secret=(Secret(OLD),))
    backend = Webhook(settings, Door(session=session, clock=clock, name="hook"))
    receiver.fault = Fault(cut="before")
    with pytest.raises(TemporaryError):
        await backend.send(message(), "ops")
    receiver.fault = Fault()
    clock.advance(100)
    await backend.send(message(late=100.0), "ops")
    first, second = receiver.posts
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "k-17-1"
    assert first.headers["idempotency-key"] == "k-17-1"
    assert int(second.headers["webhook-timestamp"]) == int(first.headers["webhook-timestamp"]) + 100
    assert first.data["timestamp"] == second.data["timestamp"]


async def test_a_receiver_that_remembers_refuses_the_second_copy(
    receiver: WebhookReceiver, webhook: Any
) -> None:
    receiver.once = True
    await webhook().send(message(), "ops")
    with pytest.raises(RejectedError):
        await webhook().send(message(), "ops")
    await webhook().send(message(key="another"), "ops")
    assert len(receiver.posts) == 2


@pytest.mark.parametrize(
    ("known", "accepted"), [((OLD,), True), ((NEW,), True), (("whsec_" + "z" * 32,), False)]
)
async def test_both_secrets_sign_while_they_are_changed(
    receiver: WebhookReceiver, webhook: Any, known: tuple[str, ...], *, accepted: bool
) -> None:
    receiver.secrets, receiver.now = known, NOW
    backend = webhook(form="standard", secret=(Secret(OLD), Secret(NEW)))
    if accepted:
        await backend.send(message(), "ops")
        assert receiver.posts[0].data["type"] == "alert.firing"
        return
    with pytest.raises(BackendDownError):
        await backend.send(message(), "ops")


async def test_a_clock_that_is_wrong_is_refused_by_the_receiver(
    receiver: WebhookReceiver, webhook: Any
) -> None:
    receiver.secrets, receiver.now = (OLD,), NOW + 3600
    with pytest.raises(BackendDownError):
        await webhook(form="standard", secret=(Secret(OLD),)).send(message(), "ops")


async def test_any_form_can_be_signed_and_none_needs_to(receiver: WebhookReceiver, webhook: Any) -> None:
    await webhook().send(message(), "ops")
    receiver.secrets = (OLD,)
    await webhook(form="alertmanager", secret=(Secret(OLD),)).send(message(), "ops")
    assert "webhook-signature" not in receiver.posts[0].headers
    assert "webhook-signature" in receiver.posts[1].headers


def test_the_published_signature_vector() -> None:
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signatures([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_alertmanager_form() -> None:
    told = reminder(labels={"host": "web1", "order-id": "o-1", "9a": "x", "severity": "mine"})
    body = payload("alertmanager", told, "ops", NOW)
    assert body["version"] == "4"
    assert body["status"] == "firing"
    assert body["receiver"] == "ops"
    assert body["groupKey"] == '{}:{alertname="payments"}'
    assert body["groupLabels"] == {"alertname": "payments"}
    assert body["truncatedAlerts"] == 0
    (alert,) = body["alerts"]
    assert (
        alert["labels"]
        == body["commonLabels"]
        == {
            "alertname": "payments",
            "severity": "error",
            "module": "pay.refund",
            "source": "shop",
            "instance": "web1",
            "host": "web1",
            "order_id": "o-1",
            "_9a": "x",
        }
    )
    assert alert["annotations"]["summary"] == "[ERROR, still happening] pay.refund: timeout after <num> ms"
    assert "313 times" in alert["annotations"]["description"]
    assert alert["endsAt"] == "0001-01-01T00:00:00Z"
    assert alert["fingerprint"] == "00f1e2d3c4b5a697"
    assert datetime.fromisoformat(alert["startsAt"]).timestamp() == told.first_seen


def test_a_resolution_in_each_form() -> None:
    told = message(state=AlertState.RESOLVED, reason=Reason.RESOLVED)
    body = alertmanager(told, "ops", NOW)
    assert body["status"] == body["alerts"][0]["status"] == "resolved"
    assert datetime.fromisoformat(body["alerts"][0]["endsAt"]).timestamp() == told.last_seen
    assert standard(told, "ops", NOW)["type"] == "alert.resolved"
    assert plain(told, "ops", NOW)["state"] == "resolved"


def test_a_message_without_fingerprint_or_rule_still_has_an_identity() -> None:
    told = message(fingerprint="", rule="", key="")
    body = alertmanager(told, "ops", NOW)
    assert len(body["alerts"][0]["fingerprint"]) == 16
    assert body["groupLabels"] == {"alertname": "pay.refund"}
    assert idempotency_key(told) == idempotency_key(structs.replace(told, late=99.0))
    assert idempotency_key(told) != idempotency_key(structs.replace(told, count=2))
    assert idempotency_key(message(key="a\r\nb")).isalnum()


def test_all_text_in_a_body_is_clean() -> None:
    told = message(text="a\x00\u202eb\ud800", labels={"k\x1b[1m": "v\x07"}, origin="\u2028")
    body = payload("plain", told, "o\x00ps", NOW)
    assert body["message"] == "a\\u202eb\ufffd"
    assert body["labels"] == {"k": "v\\x07"}
    assert body["to"] == "ops"


def test_absurd_times_do_not_stop_a_message() -> None:
    assert rfc3339(1e18) == rfc3339(float("nan")) == "0001-01-01T00:00:00Z"
    assert rfc3339(NOW) == "2026-01-05T08:00:00.000Z"
    payload("standard", message(first_seen=-1e18, last_seen=1e18), "ops", NOW)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": Secret("hook.example/x")}, "url"),
        ({"headers": {"a b": Secret("x")}}, "headers"),
        ({"headers": {"a": Secret("x\r\ny")}}, "headers"),
        ({"form": "standard"}, "form"),
        ({"secret": (Secret("whsec_short"),)}, "secret"),
        ({"secret": (Secret("A" * 32),)}, "secret"),
        ({"secret": (Secret("whsec_!!"),)}, "secret"),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], field: str) -> None:
    settings = Settings(**{"url": Secret("https://h.example/c4n4ry"), **changes})
    assert [name for name, _ in settings.problems()] == [field]
    assert "c4n4ry" not in str(settings.problems()) + repr(settings)


def test_settings_that_work() -> None:
    settings = Settings(url=Secret("https://h/x"), headers={"X-Key_1": Secret("é")}, secret=(Secret(OLD),))
    assert settings.problems() == []
