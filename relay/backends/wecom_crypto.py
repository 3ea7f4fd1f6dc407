"""What WeCom posts to an app's callback URL: signed with `token`, sealed with `aes_key`.

https://developer.work.weixin.qq.com/document/path/90968
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final
from xml.etree import ElementTree as ET

from msgspec import Struct

from relay.backends.callbacks import CallbackRefusedError, require_fresh, require_same, whole
from relay.backends.sealed import sealed, unsealed

FRESH: Final = 300.0  # seconds
MOST_BODY: Final = 64 * 1024  # bytes

_BLOCK: Final = 32  # bytes that the text is padded to: not AES's 16
_KEY: Final = re.compile(r"[A-Za-z0-9]{43}")
_NOISE, _LENGTH = 16, 4  # bytes at the beginning: random ones, then the message's length
_DECLARATION: Final = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)


class Callbacks(Struct, frozen=True):
    """The three values of the app's console; `receiver` is the corpid."""

    token: str
    aes_key: str  # EncodingAESKey: 43 characters
    receiver: str

    def __repr__(self) -> str:
        return "Callbacks(***)"

    def greeting(self, query: Mapping[str, str], now: float) -> bytes:
        """What to answer, and nothing else, to the GET by which the console checks the URL."""
        return self._opened(query, query.get("echostr", ""), now)

    def event(self, query: Mapping[str, str], body: bytes, now: float) -> dict[str, str]:
        """What a POST tells: the fields of its XML by name. Raises `CallbackRefusedError`."""
        envelope = _fields(body)
        return _fields(self._opened(query, envelope.get("Encrypt", ""), now))

    def _opened(self, query: Mapping[str, str], text: str, now: float) -> bytes:
        timestamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
        require_same(
            signature(self.token, timestamp, nonce, text), query.get("msg_signature", ""), "callback_token"
        )
        require_fresh(whole(timestamp), now, FRESH)
        return opened(self.aes_key, text, self.receiver)


def key_problem(aes_key: str) -> str:
    """Why an EncodingAESKey can't be one; "" if it can."""
    return "" if _KEY.fullmatch(aes_key) else "is of 43 letters and digits"


def signature(token: str, timestamp: str, nonce: str, text: str) -> str:
    """SHA-1 in hexadecimal of the four, sorted as bytes and joined."""
    parts = sorted(part.encode() for part in (token, timestamp, nonce, text))
    return hashlib.sha1(b"".join(parts), usedforsecurity=False).hexdigest()


def opened(aes_key: str, text: str, receiver: str) -> bytes:
    """The message sealed in `text`, if it is for `receiver`; raises `CallbackRefusedError`."""
    key = _key(aes_key)
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CallbackRefusedError("the sealed text is no base64") from None
    plain = unsealed(key, key[:16], data, _BLOCK)[_NOISE:]
    size = int.from_bytes(plain[:_LENGTH], "big")
    message, to = plain[_LENGTH : _LENGTH + size], plain[_LENGTH + size :]
    if len(message) != size or not hmac.compare_digest(to, receiver.encode()):
        raise CallbackRefusedError("the message is for another company, or cut")
    return message


def closed(aes_key: str, message: bytes, receiver: str, noise: bytes) -> str:
    """`message` sealed for `receiver`; `noise` are 16 random bytes."""
    key = _key(aes_key)
    plain = noise + len(message).to_bytes(_LENGTH, "big") + message + receiver.encode()
    return base64.b64encode(sealed(key, key[:16], plain, _BLOCK)).decode()


def _key(aes_key: str) -> bytes:
    if wrong := key_problem(aes_key):
        raise CallbackRefusedError(f"the EncodingAESKey {wrong}")
    return base64.b64decode(aes_key + "=")


def _fields(body: bytes) -> dict[str, str]:
    """The elements of the XML that hold text, nested ones too, by their names."""
    text = body.decode(errors="replace")  # the service writes UTF-8, whatever a body itself may claim
    if len(body) > MOST_BODY or _DECLARATION.search(text):
        raise CallbackRefusedError("the body is no message")
    try:
        root = ET.fromstring(text)  # noqa: S314 - without declarations there are no entities
    except (ET.ParseError, ValueError):
        raise CallbackRefusedError("the body is no XML") from None
    return {each.tag: each.text.strip() for each in root.iter() if each.text and each.text.strip()}
