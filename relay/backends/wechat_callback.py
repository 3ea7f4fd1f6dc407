"""What WeChat posts to an account's server: whether a template message arrived.

https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/Access_Overview.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final
from xml.etree import ElementTree as ET

from relay.backends.base import Feedback, Receipt
from relay.backends.callbacks import CallbackRefusedError
from relay.errors import BackendError, RejectedError, TemporaryError

FRESH: Final = 300.0  # seconds: the signature doesn't cover the body, and a seen one could be used again
MOST_BODY: Final = 64 * 1024  # bytes

_EVENT: Final = "TEMPLATESENDJOBFINISH"
_DECLARATION: Final = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def signature(token: str, timestamp: str, nonce: str) -> str:
    """SHA-1 in hexadecimal of the three, sorted as bytes and joined."""
    parts = sorted(part.encode() for part in (token, timestamp, nonce))
    return hashlib.sha1(b"".join(parts), usedforsecurity=False).hexdigest()


def greeting(token: str, query: Mapping[str, str], now: float) -> str:
    """What to answer to the GET by which the console checks the URL; raises `CallbackRefusedError`."""
    _require_genuine(token, query, now)
    return query.get("echostr", "")


def feedback(token: str, query: Mapping[str, str], body: bytes, now: float) -> Feedback | None:
    """What a POST tells; None if it is about something else. Raises `CallbackRefusedError`.

    `token` is the account's `callback_token`, `query` the URL's. Answer `success` in either case: WeChat
    asks again otherwise.
    """
    _require_genuine(token, query, now)
    event = _event(body)
    if event.findtext("Event", "").strip() != _EVENT:
        return None
    number, to = (event.findtext(name, "").strip() for name in ("MsgID", "FromUserName"))
    if not number.isdecimal():
        raise CallbackRefusedError("a report without MsgID")
    return Feedback(number, to, _outcome(number, event.findtext("Status", "").strip()))


def _require_genuine(token: str, query: Mapping[str, str], now: float) -> None:
    timestamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
    given = query.get("signature", "").encode(errors="replace")
    if not token or not hmac.compare_digest(signature(token, timestamp, nonce).encode(), given):
        raise CallbackRefusedError("the signature is wrong: compare `callback_token` with the console's")
    if not timestamp.isdecimal() or abs(float(timestamp) - now) > FRESH:
        raise CallbackRefusedError("the time stamp is off by minutes: an old request, or this host's clock")


def _event(body: bytes) -> ET.Element:
    text = body.decode(errors="replace")  # the service writes UTF-8, whatever a body itself may claim
    if len(body) > MOST_BODY or _DECLARATION.search(text):
        raise CallbackRefusedError("the body is no report")
    try:
        event = ET.fromstring(text)  # noqa: S314 - without declarations there are no entities
    except (ET.ParseError, ValueError):
        raise CallbackRefusedError("the body is no XML") from None
    if event.find("Event") is None and event.find("Encrypt") is not None:
        raise CallbackRefusedError("the account is in safe mode: set the console to compatible mode")
    return event


def _outcome(number: str, status: str) -> Receipt | BackendError:
    words = status.lower().replace(" ", "")
    if words == "success":
        return Receipt(id=number, note="delivered")
    if words == "failed:userblock":
        return RejectedError("the user blocks the account's messages", code="user block", detail=status)
    return TemporaryError("the service could not deliver it", code="system failed", detail=status[:200])
