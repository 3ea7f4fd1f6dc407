"""Access tokens that expire: fetched once at a time, with the lifetime that the service states."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from relay.backends.base import Door
from relay.backends.rehearsal import TOKEN
from relay.errors import BackendDownError, BackendError, TemporaryError

T = TypeVar("T")

MARGIN: Final = 300.0  # seconds before its end from which a token isn't used any more
# Seconds for which a failure stands for all who ask: WeCom bans an address that repeats a wrong secret.
HOLD: Final = 5.0
HOLD_TEMPORARY: Final = 1.0


class TokenRefusedError(BackendError):
    """The service doesn't take this token (any more)."""

    outcome = "token_refused"


class Tokens:
    """One credential's token. `fetch` asks the service: (token, seconds it is good for)."""

    def __init__(
        self, door: Door, fetch: Callable[[], Awaitable[tuple[str, float]]], margin: float = MARGIN
    ) -> None:
        self._clock = door.clock
        self._fetch = fetch
        self._margin = margin
        self._token = TOKEN if door.rehearsal else ""
        self._until = math.inf if door.rehearsal else 0.0  # monotonic
        self._failure: BackendError | None = None
        self._failure_until = 0.0  # monotonic
        self._fetching = asyncio.Lock()

    async def get(self) -> str:
        """A token that is good for a while; who come together cause one fetch, and share its failure."""
        async with self._fetching:
            if not self._token or self._clock.monotonic() >= self._until:
                if self._failure is not None and self._clock.monotonic() < self._failure_until:
                    raise self._failure.with_traceback(None)
                self._token, seconds = await self._fetched()
                # A service may state less than the margin: such a token is still good for half its time.
                self._until = self._clock.monotonic() + max(seconds - self._margin, seconds / 2)
            return self._token

    async def _fetched(self) -> tuple[str, float]:
        try:
            return await self._fetch()
        except BackendError as error:
            hold = HOLD
            if isinstance(error, TemporaryError):
                hold = HOLD_TEMPORARY
                error.ambiguous = False  # the token's request may have arrived; the message wasn't sent
            self._failure, self._failure_until = error, self._clock.monotonic() + hold
            raise

    def drop(self, token: str) -> None:
        """Forget a refused token, unless another has taken its place since."""
        if token == self._token:
            self._token = ""

    async def use(self, call: Callable[[str], Awaitable[T]]) -> T:
        """`call` with a token. One that is refused is replaced once; a second refusal needs an operator."""
        for _ in range(2):
            token = await self.get()
            try:
                return await call(token)
            except TokenRefusedError as error:
                self.drop(token)
                refused = error
        raise BackendDownError(
            f"a fresh token was refused: {refused}", code=refused.code, detail=refused.detail
        )
