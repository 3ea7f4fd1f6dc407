"""WeCom's callbacks: the documentation's own vectors, and what must be refused."""

from __future__ import annotations

import builtins
from typing import Any

import pytest

from relay.backends.callbacks import CallbackRefusedError
from relay.backends.wecom_crypto import Callbacks, closed, key_problem, opened, signature
from relay.errors import RelayError

KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
CORP = "wx5823bf96d3bd56c7"
ECHO = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
AT = 1409659589
QUERY = {
    "msg_signature": "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
    "timestamp": str(AT),
    "nonce": "263014780",
    "echostr": ECHO,
}
OURS = Callbacks("QDG6eK", KEY, CORP)
EVENT = (
    "<xml><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[template_card_event]]></Event>"
    "<EventKey>ack</EventKey><TaskId>relay-1</TaskId><ResponseCode>rc</ResponseCode></xml>"
)


def posted(text: str, **changes: str) -> tuple[dict[str, str], bytes]:
    signed = signature("QDG6eK", str(AT), "n", text)
    query = {"msg_signature": signed, "timestamp": str(AT), "nonce": "n", **changes}
    return query, f"<xml><ToUserName>x</ToUserName><Encrypt><![CDATA[{text}]]></Encrypt></xml>".encode()


def test_the_signature_vector() -> None:
    assert signature("QDG6eK", str(AT), "263014780", ECHO) == QUERY["msg_signature"]


def test_the_echo_vector() -> None:
    assert OURS.greeting(QUERY, AT + 1) == b"1616140317555161061"


@pytest.mark.parametrize("size", [0, 1, 11, 12, 13, 31, 32, 33, 1000])
def test_every_padding_up_to_32_is_opened(size: int) -> None:
    message = "告".encode() * size
    assert opened(KEY, closed(KEY, message, CORP, b"0123456789abcdef"), CORP) == message


def test_an_event_is_its_fields() -> None:
    told = OURS.event(*posted(closed(KEY, EVENT.encode(), CORP, b"n" * 16)), AT)
    assert told["Event"] == "template_card_event"
    assert (told["EventKey"], told["TaskId"], told["ResponseCode"]) == ("ack", "relay-1", "rc")


@pytest.mark.parametrize(
    "changes",
    [
        {"msg_signature": "5" * 40},
        {"msg_signature": ""},
        {"msg_signature": "é\ud800"},
        {"timestamp": "1409659590"},
        {"nonce": "1"},
        {"echostr": ECHO[:-4]},
    ],
)
def test_what_is_not_signed_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(CallbackRefusedError, match="signature"):
        OURS.greeting({**QUERY, **changes}, AT)


@pytest.mark.parametrize("late", [-301, 301, 10**6])
def test_an_old_request_is_refused(late: int) -> None:
    with pytest.raises(CallbackRefusedError, match="time stamp"):
        OURS.greeting(QUERY, AT + late)


@pytest.mark.parametrize("at", ["", "soon", "1e3", "٣", "-1", "nan"])
def test_a_time_stamp_that_is_none_is_refused(at: str) -> None:
    signed = signature("QDG6eK", at, "n", ECHO)
    with pytest.raises(CallbackRefusedError, match="time stamp"):
        OURS.greeting({"msg_signature": signed, "timestamp": at, "nonce": "n", "echostr": ECHO}, AT)


def test_a_message_for_another_company_is_refused() -> None:
    with pytest.raises(CallbackRefusedError, match="another company"):
        opened(KEY, ECHO, "wx5823bf96d3bd56c8")


@pytest.mark.parametrize("text", ["", "####", "AAAA", "A" * 22 + "==", "A" * 64, ECHO[:64], ECHO + "A", "é"])
def test_what_can_not_be_opened_is_refused(text: str) -> None:
    with pytest.raises(CallbackRefusedError):
        opened(KEY, text, CORP)
    with pytest.raises(CallbackRefusedError):
        opened("A" * 43, ECHO, CORP)


@pytest.mark.parametrize(
    "body", [b"", b"<xml", b"<xml></xml>", b'<!DOCTYPE x [<!ENTITY a "b">]><xml>&a;</xml>', b"x" * 70_000]
)
def test_a_body_that_is_none_is_refused(body: bytes) -> None:
    query, _ = posted("")
    with pytest.raises(CallbackRefusedError):
        OURS.event(query, body, AT)


@pytest.mark.parametrize(
    ("key", "good"), [(KEY, True), (KEY[:-1], False), (KEY + "=", False), ("+" * 43, False)]
)
def test_a_key_has_43_letters_and_digits(key: str, *, good: bool) -> None:
    assert (key_problem(key) == "") is good


def test_without_the_extra_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(RelayError, match=r"alert-relay\[callbacks\]"):
        OURS.greeting(QUERY, AT)


def test_no_secret_is_shown() -> None:
    assert repr(OURS) == "Callbacks(***)"
