"""Reports on template messages: who sent them, and what they say."""

from __future__ import annotations

from typing import Any

import pytest

from relay.backends.base import Receipt
from relay.backends.callbacks import CallbackRefusedError
from relay.backends.wechat_callback import feedback, greeting, signature
from relay.clock import FakeClock
from relay.errors import BackendError, RejectedError, TemporaryError
from tests.emulators.wechat import CALLBACK_TOKEN, WeChatServer

NOW = FakeClock().now()


@pytest.fixture
def server() -> WeChatServer:
    return WeChatServer()


def test_the_signature_vector() -> None:
    signed = signature("relaytoken", "1700000000", "nonce1")
    assert signed == "2cc920dedbab2919725ea40465a228ee077528ed"


def test_success(server: WeChatServer) -> None:
    query, body = server.report(2918131553548107776, "success")
    told = feedback(CALLBACK_TOKEN, query, body, NOW)
    assert told is not None
    assert (told.id, told.to) == ("2918131553548107776", "oWang")
    assert told.outcome == Receipt(id="2918131553548107776", note="delivered")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("failed:user block", RejectedError),
        ("failed: user block", RejectedError),
        ("failed: system failed", TemporaryError),
        ("failed:whatever", TemporaryError),
        ("", TemporaryError),
    ],
)
def test_failures(server: WeChatServer, status: str, expected: type[BackendError]) -> None:
    query, body = server.report(7, status)
    told = feedback(CALLBACK_TOKEN, query, body, NOW)
    assert told is not None
    assert type(told.outcome) is expected


def test_other_events_are_none_of_ours(server: WeChatServer) -> None:
    body = b"<xml><MsgType>event</MsgType><Event>subscribe</Event></xml>"
    assert feedback(CALLBACK_TOKEN, server.signed(), body, NOW) is None
    assert feedback(CALLBACK_TOKEN, server.signed(), b"<xml><MsgType>text</MsgType></xml>", NOW) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": ""},
        {"signature": "0" * 40},
        {"signature": "é\ud800"},
        {"nonce": "other"},
        {"timestamp": "1767600001"},
    ],
)
def test_a_wrong_signature(server: WeChatServer, changes: dict[str, Any]) -> None:
    query, body = server.report(7, "success")
    with pytest.raises(CallbackRefusedError, match="signature"):
        feedback(CALLBACK_TOKEN, {**query, **changes}, body, NOW)
    with pytest.raises(CallbackRefusedError, match="signature"):
        feedback(CALLBACK_TOKEN, {}, body, NOW)


def test_without_a_token_nothing_is_genuine(server: WeChatServer) -> None:
    query, body = server.report(7, "success", token="")
    with pytest.raises(CallbackRefusedError):
        feedback("", query, body, NOW)


@pytest.mark.parametrize("off", [-301.0, 301.0])
def test_an_old_request_is_not_taken_again(server: WeChatServer, off: float) -> None:
    query, body = server.report(7, "success")
    with pytest.raises(CallbackRefusedError, match="time stamp"):
        feedback(CALLBACK_TOKEN, query, body, NOW + off)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        b"<xml>",
        b"<xml><Event>TEMPLATESENDJOBFINISH</Event></xml>",
        b"<xml><Event>TEMPLATESENDJOBFINISH</Event><MsgID>x</MsgID></xml>",
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaa">]><xml><Event>&a;</Event></xml>',
        '<?xml version="1.0"?><!doctype x [<!ENTITY a "b">]><xml/>'.encode("utf-16"),
        b"<xml>" + b"a" * 70_000 + b"</xml>",
        b"\x00\xff",
    ],
    ids=range(9),
)
def test_bodies_that_are_no_reports(server: WeChatServer, body: bytes) -> None:
    with pytest.raises(CallbackRefusedError):
        feedback(CALLBACK_TOKEN, server.signed(), body, NOW)


def test_safe_mode_is_named(server: WeChatServer) -> None:
    body = b"<xml><ToUserName>gh_1</ToUserName><Encrypt>abc</Encrypt></xml>"
    with pytest.raises(CallbackRefusedError, match="safe mode"):
        feedback(CALLBACK_TOKEN, server.signed(), body, NOW)


def test_the_console_checks_the_url(server: WeChatServer) -> None:
    query = {**server.signed(), "echostr": "5927"}
    assert greeting(CALLBACK_TOKEN, query, NOW) == "5927"
    with pytest.raises(CallbackRefusedError):
        greeting("another", query, NOW)
