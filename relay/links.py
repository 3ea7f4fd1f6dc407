"""Signed links in messages: who follows one may acknowledge or silence that alert, and nothing else.

    {url}/a/{action}/{alert}?e={expiry}&r={recipient}&t={tag}

The tag is a MAC over action, alert, expiry and the recipient whom the message was for: an acknowledgement
says whose link it was. The key is made once and kept in the store; after `rotate`, links of the key before
still work.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Final
from urllib.parse import quote

from relay.config.schema import Http
from relay.outbox.store import Store

LIFE: Final = 3 * 86400.0  # seconds that a link works
SILENCE: Final = 3600.0  # seconds of a silence by link
ACTIONS: Final = {"ack": "ack", "silence": "silence 1h"}  # by the name in the URL: the link's label
TAG: Final = 22  # characters: 16 bytes and a bit

_KEPT: Final = "link_keys"
_KEYS: Final = 2  # that are accepted: the current one and the one before


class Links:
    """Makes links and knows its own again. Without a `url` in rules.yaml it makes none."""

    def __init__(self, http: Http | None) -> None:
        self._keys: list[bytes] = []
        self._url = ""
        self.apply(http)

    def apply(self, http: Http | None) -> None:
        """Take an edit of the rules."""
        self._url = http.url.rstrip("/") if http is not None else ""

    async def load(self, store: Store) -> None:
        """The store's keys; a new store gets one."""
        self._keys = [bytes.fromhex(key) for key in (await store.recall(_KEPT)).split()]
        if not self._keys:
            await self.rotate(store)

    async def rotate(self, store: Store) -> None:
        """A new key for new links; of the older ones the latest is still accepted."""
        keys = [secrets.token_bytes(32), *self._keys][:_KEYS]
        await store.keep(_KEPT, " ".join(key.hex() for key in keys))
        self._keys = keys

    def made(self, alert: int, recipient: str, now: float) -> tuple[tuple[str, str], ...]:
        """(label, URL) for a message about that alert to that recipient."""
        if not self._url or not self._keys:
            return ()
        return tuple(
            (label, f"{self._url}{self.path(action, alert, recipient, int(now + LIFE))}")
            for action, label in ACTIONS.items()
        )

    def path(self, action: str, alert: int, recipient: str, expires: int) -> str:
        """The link below `url`."""
        tag = _tag(self._keys[0], action, alert, recipient, expires)
        return f"/a/{action}/{alert}?e={expires}&r={quote(recipient, safe='')}&t={tag}"

    def refused(self, action: str, alert: int, recipient: str, expires: str, tag: str, now: float) -> str:
        """Why a link isn't taken; "" if it is."""
        if not expires.isascii() or not expires.isdecimal() or len(expires) > 12:
            return "this link is not one of relay's"
        known = [_tag(key, action, alert, recipient, int(expires)) for key in self._keys]
        given = tag.encode(errors="replace")
        if not any([hmac.compare_digest(given, each.encode()) for each in known]):  # noqa: C419 - all, always
            return "this link is not one of relay's"
        return "this link has expired: a newer message has a new one" if now >= int(expires) else ""


def _tag(key: bytes, action: str, alert: int, recipient: str, expires: int) -> str:
    signed = f"{action}\n{alert}\n{expires}\n{recipient}".encode(errors="surrogatepass")
    return base64.urlsafe_b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()[:TAG]
