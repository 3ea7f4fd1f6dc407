"""Signed requests to whichever of RongCloud's hosts works."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from relay.backends.answer import Answer
from relay.backends.hosts import Hosts
from relay.backends.http import HttpBackend, operator_url
from relay.backends.refusals import Refusals
from relay.backends.rongcloud_answer import SIGNATURE, verdict
from relay.errors import BackendError, TemporaryError
from relay.values import Secret

PRESENCE: Final = "/user/checkOnline.json"


class Credentials(Struct, frozen=True):
    """What proves who asks."""

    app_key: str
    app_secret: Secret
    timestamp_unit: Literal["ms", "s"]  # the documentation says ms, the vendor's own SDKs send s

    def headers(self, nonce: str, now: float) -> dict[str, str]:
        """The signed headers; `now` in seconds. The body isn't covered: only TLS protects it."""
        timestamp = str(int(now * 1000) if self.timestamp_unit == "ms" else int(now))
        return {
            "App-Key": self.app_key,
            "Nonce": nonce,
            "Timestamp": timestamp,
            "Signature": signature(self.app_secret.reveal(), nonce, timestamp),
        }


def signature(secret: str, nonce: str, timestamp: str) -> str:
    """The `Signature` header: hexadecimal SHA-1 of the three as they are."""
    return hashlib.sha1((secret + nonce + timestamp).encode(), usedforsecurity=False).hexdigest()


class Api:
    """The server API of one app, asked on behalf of a backend."""

    def __init__(
        self, backend: HttpBackend, credentials: Credentials, roots: Sequence[str], *, broadcast: bool
    ) -> None:
        self._backend = backend
        self._clock = backend.door.clock
        self._credentials = credentials
        self._broadcast = broadcast  # the calls are broadcasts, of which there are few
        self._refusals = Refusals(self._clock, 3600.0 if broadcast else 1.0)
        self._hosts = Hosts(self._clock, roots)

    async def call(self, path: str, body: bytes, content_type: str) -> Answer:
        """The answer that accepts; raises a `BackendError`.

        A request whose signature is refused is signed anew, once: it may have been on its way for too long.
        """
        try:
            return await self._accepted(path, body, content_type)
        except BackendError as error:
            if error.code != SIGNATURE:
                raise
        return await self._accepted(path, body, content_type)

    async def look(self, root: str, body: bytes, content_type: str) -> None:
        """Ask one host about somebody's presence; raises a `BackendError`."""
        answer = await self._reach([root], PRESENCE, body, content_type)
        others = Refusals(self._clock, 1.0)  # an answer here says nothing of messages
        if failure := verdict(answer, others, self._clock.now(), broadcast=False):
            raise failure

    @property
    def roots(self) -> list[str]:
        """Each host, the one in use first."""
        return self._hosts.in_order()

    async def _accepted(self, path: str, body: bytes, content_type: str) -> Answer:
        answer = await self._reach(self.roots, path, body, content_type)
        if failure := verdict(answer, self._refusals, self._clock.now(), broadcast=self._broadcast):
            raise failure
        return answer

    async def _reach(self, roots: Sequence[str], path: str, body: bytes, content_type: str) -> Answer:
        """Ask the first host, and at once the next where the first wasn't even reached."""
        root, *others = roots
        signed = self._credentials.headers(str(secrets.randbelow(10**18)), self._clock.now())
        headers = {"Content-Type": content_type, **signed}
        try:
            answer = await self._backend.ask("POST", operator_url(root + path), body=body, headers=headers)
        except TemporaryError as error:
            self._hosts.failed(root)
            if (
                not others or error.ambiguous or error.code == "TimeoutError"
            ):  # it arrived, or no time is left
                raise
        else:
            if answer.status >= 500:
                self._hosts.failed(root)
            return answer
        return await self._reach(others, path, body, content_type)
