"""What DingTalk posts to an app's URLs: messages to its robot, and taps on its cards.

Neither signature covers the body: it needs TLS, and what a card carries should hold a secret of its own.

https://open.dingtalk.com/document/development/receive-message
https://open.dingtalk.com/document/development/event-callback-card
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from relay.backends.callbacks import require_fresh, require_same, whole
from relay.backends.dingtalk_robot import signature

FRESH: Final = 3600.0  # seconds


def card_signature(timestamp: str, api_secret: str) -> str:
    """Of a tap on a card; `timestamp` is the header as it came."""
    mac = hmac.new(api_secret.encode(), timestamp.encode(errors="replace"), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


def require_genuine_message(appsecret: str, headers: Mapping[str, str], now: float) -> None:
    """Raise `CallbackRefusedError` unless the headers of a message to the robot are DingTalk's."""
    at = whole(headers.get("timestamp", ""))  # milliseconds
    require_same(signature(int(at), appsecret), headers.get("sign", ""), "appsecret")
    require_fresh(at / 1000, now, FRESH)


def require_genuine_tap(api_secret: str, headers: Mapping[str, str], now: float) -> None:
    """Raise `CallbackRefusedError` unless the headers of a tap on a card are DingTalk's."""
    timestamp = headers.get("x-ddpaas-signature-timestamp", "")
    require_same(card_signature(timestamp, api_secret), headers.get("x-ddpaas-signature", ""), "api_secret")
    require_fresh(whole(timestamp) / 1000, now, FRESH)
