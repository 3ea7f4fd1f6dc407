"""What an OpenIM server of each version takes as a message, written from the server's sources."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

SUPPORTED = {
    "v2.0": {*range(101, 106), 110, 111, 1400},
    "v2.2": {*range(101, 106), 110, 111, 119, 120, 1400},
    "v3.0": {*range(101, 107), 110, 114, 1400},
    "v3.3": {*range(101, 107), 110, 114, 1400},
    "v3.8": {*range(101, 107), 110, 114, 118, 1400},
}


def content_problem(version: str, kind: int, content: dict[str, Any]) -> str:
    """What the server finds wrong with a content object; "" if nothing."""
    match kind:
        case 101:
            field = "content" if version in {"v3.3", "v3.8"} else "text"
            return "" if text_in(content, field) else f"Field validation for '{field}'"
        case 118:
            return "" if text_in(content, "content") else "Field validation for 'content'"
        case 110:
            return _custom_problem(content)
        case 1400:
            return _notification_problem(content)
        case _:
            return "" if content else "Field validation"


def _custom_problem(content: dict[str, Any]) -> str:
    try:
        json.loads(content["data"])
    except (KeyError, TypeError, ValueError):
        return "Field validation for 'data'"
    return ""


def _notification_problem(content: dict[str, Any]) -> str:
    if not text_in(content, "notificationName") or not text_in(content, "text"):
        return "Field validation for 'notificationName' or 'text'"
    if not content.get("notificationType"):  # 0 counts as missing
        return "Field validation for 'notificationType'"
    if content.get("mixType") not in range(6):
        return "Field validation for 'mixType'"
    empty = [
        name for name in ("pictureElem", "soundElem", "videoElem", "fileElem") if content.get(name) == {}
    ]
    return f"Field validation for '{empty[0]}'" if empty else ""


def text_in(content: dict[str, Any], field: str) -> str:
    """A text field that isn't empty."""
    value = content.get(field)
    return value if isinstance(value, str) else ""


def shown(content: dict[str, Any], kind: int) -> str:
    """A message as a person reads it."""
    match kind:
        case 101:
            return str(content.get("content") or content.get("text"))
        case 110:
            return str(json.loads(content["data"])["text"])
        case 118:
            return str(content["content"])
        case _:
            return str(content["text"])


def jwt(claims: dict[str, Any], key: str) -> str:
    """A token as the server signs it: HS256 over compact JSON in the order given."""
    head = _part({"alg": "HS256", "typ": "JWT"})
    signed = f"{head}.{_part(claims)}"
    return f"{signed}.{_signature(signed, key)}"


def claims_of(token: str, key: str) -> dict[str, Any] | None:
    """The claims of a token that this key signed; None of any other."""
    signed, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature, _signature(signed, key)):
        return None
    body = signed.partition(".")[2]
    found = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found if isinstance(found, dict) else None


def _part(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _signature(signed: str, key: str) -> str:
    return _base64(hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
