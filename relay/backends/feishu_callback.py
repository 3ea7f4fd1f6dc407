"""What Feishu posts to an app's request URL: signed with, and sealed with, `encrypt_key`.

https://open.feishu.cn/document/server-docs/event-subscription-guide/event-subscription-configure-/encrypt-key-encryption-configuration-case
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from relay.backends.callbacks import CallbackRefusedError, require_same
from relay.backends.sealed import BLOCK, unsealed
from relay.models import Json

MOST_BODY: Final = 64 * 1024  # bytes


def signature(timestamp: str, nonce: str, encrypt_key: str, body: bytes) -> str:
    """Of the bytes as they came; the time stamp as its header has it, which may be no number."""
    return hashlib.sha256((timestamp + nonce + encrypt_key).encode(errors="replace") + body).hexdigest()


def card_signature(timestamp: str, nonce: str, verification_token: str, body: bytes) -> str:
    """The same of the older callbacks of cards."""
    told = (timestamp + nonce + verification_token).encode(errors="replace") + body
    return hashlib.sha1(told, usedforsecurity=False).hexdigest()


def require_genuine(encrypt_key: str, headers: Mapping[str, str], body: bytes) -> None:
    """Raise `CallbackRefusedError` unless the headers sign the body."""
    timestamp, nonce = (headers.get(f"X-Lark-Request-{name}", "") for name in ("Timestamp", "Nonce"))
    given = headers.get("X-Lark-Signature", "")
    require_same(signature(timestamp, nonce, encrypt_key, body), given, "encrypt_key")


def opened(encrypt_key: str, text: str) -> bytes:
    """The text sealed in the field `encrypt`; raises `CallbackRefusedError`."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CallbackRefusedError("the sealed text is no base64") from None
    if len(data) < 2 * BLOCK:
        raise CallbackRefusedError("the sealed text is cut, or none")
    return unsealed(hashlib.sha256(encrypt_key.encode()).digest(), data[:BLOCK], data[BLOCK:], BLOCK)


def told(encrypt_key: str, body: bytes) -> Json:
    """A body as an object, opened if it is sealed; raises `CallbackRefusedError`."""
    found = _object(body)
    if isinstance(text := found.get("encrypt"), str):
        return _object(opened(encrypt_key, text))
    return found


def greeting(verification_token: str, body: Json) -> Json | None:
    """What to answer where the console checks the URL; None if this is about something else."""
    if body.get("type") != "url_verification":
        return None
    require_same(verification_token, str(body.get("token") or ""), "verification_token")
    return {"challenge": str(body.get("challenge") or "")}


def _object(body: bytes) -> Json:
    try:
        found: Any = msgspec.json.decode(body) if len(body) <= MOST_BODY else None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise CallbackRefusedError("the body is no message")
    return found
