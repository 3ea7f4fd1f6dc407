"""Feishu's callbacks: vectors, and what must be refused."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from relay.backends.callbacks import CallbackRefusedError
from relay.backends.feishu_callback import card_signature, greeting, opened, require_genuine, signature, told
from relay.backends.sealed import sealed

SIGNED = "5ddee5976bb2de2ace793024e7620bbd4256cf58d6e119d28aec8aa94350dc87"
HEADERS = {
    "X-Lark-Request-Timestamp": "1700000000",
    "X-Lark-Request-Nonce": "nonce123",
    "X-Lark-Signature": SIGNED,
}
BODY = b'{"encrypt":"x"}'
HELLO = "P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk="


def closed(key: str, text: bytes) -> str:
    start = b"0123456789abcdef"
    return base64.b64encode(start + sealed(hashlib.sha256(key.encode()).digest(), start, text, 16)).decode()


def test_the_vectors() -> None:
    assert signature("1700000000", "nonce123", "ek-demo", BODY) == SIGNED
    v1 = card_signature("1700000000", "nonce123", "vt-demo", BODY)
    assert v1 == "9083cb5211e44c10f8ac31b3a80c922e1d4605b2"
    assert opened("test key", HELLO) == b"hello world"


def test_a_genuine_request_passes() -> None:
    require_genuine("ek-demo", HEADERS, BODY)
    odd = "2023-11-14 22:13:20 +0000 UTC m=+1"  # some callbacks of cards have it so
    signed = signature(odd, "n", "ek-demo", BODY)
    names = ("X-Lark-Request-Timestamp", "X-Lark-Request-Nonce", "X-Lark-Signature")
    require_genuine("ek-demo", dict(zip(names, (odd, "n", signed), strict=True)), BODY)


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("value", ["", "x", "\ud800"])
def test_one_that_is_not_is_refused(name: str, value: str) -> None:
    with pytest.raises(CallbackRefusedError, match="encrypt_key"):
        require_genuine("ek-demo", {**HEADERS, name: value}, BODY)
    with pytest.raises(CallbackRefusedError):
        require_genuine("ek-demo", HEADERS, BODY + b" ")


def test_a_body_is_opened_if_it_is_sealed() -> None:
    event = {"header": {"event_type": "card.action.trigger"}}
    assert told("k", json.dumps(event).encode()) == event
    body = json.dumps({"encrypt": closed("k", json.dumps(event).encode())}).encode()
    assert told("k", body) == event
    with pytest.raises(CallbackRefusedError):
        told("another", body)


@pytest.mark.parametrize("text", ["", "####", "AAAA", HELLO[:-4], HELLO[:20], "é"])
def test_what_can_not_be_opened_is_refused(text: str) -> None:
    with pytest.raises(CallbackRefusedError):
        opened("test key", text)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b" " * 70_000 + b"{}", b"[" * 60_000])
def test_a_body_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(CallbackRefusedError):
        told("k", body)


def test_the_check_of_the_url() -> None:
    check = {"type": "url_verification", "token": "vt", "challenge": "c"}
    assert greeting("vt", check) == {"challenge": "c"}
    assert greeting("vt", {"schema": "2.0"}) is None
    with pytest.raises(CallbackRefusedError, match="verification_token"):
        greeting("another", check)
