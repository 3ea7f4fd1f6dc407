"""The errors relay raises on purpose. A thing that can fail in four ways has four names for it."""

from __future__ import annotations


class RelayError(Exception):
    """Base of relay's own errors: the text is for people and holds no secret."""


class StoreError(RelayError):
    """The store can't do what was asked."""


class StoreFullError(StoreError):
    """No space (or no permission) to write: stop reading, go on dispatching, try again."""


class StoreBusyError(StoreError):
    """Another process holds the store's write lock; try again."""


class StoreInUseError(StoreError):
    """A second daemon on the same store."""


class StoreTooNewError(StoreError):
    """The store was written by a newer relay."""


class BackendError(RelayError):
    """An attempt that did not end in acceptance.

    `code` is the service's own code, `detail` its own words (masked, at most 2 KiB).
    """

    outcome = "failed"

    def __init__(self, text: str, *, code: str = "", detail: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.detail = detail


class TemporaryError(BackendError):
    """It may work later: a network error, a timeout, a 5xx, "system busy".

    `ambiguous` says that the request was written whole and no complete answer came: it may have arrived.
    `repeatable` says that such a message may be sent again, as the service knows it by relay's own key.
    `limit` caps the attempts below the backend's own setting (0: no cap of its own).
    `wait` is how many seconds the next attempt is at least away.
    """

    outcome = "temporary"

    def __init__(
        self,
        text: str,
        *,
        code: str = "",
        detail: str = "",
        ambiguous: bool = False,
        limit: int = 0,
        wait: float = 0.0,
    ) -> None:
        super().__init__(text, code=code, detail=detail)
        self.ambiguous = ambiguous
        self.repeatable = False
        self.limit = limit
        self.wait = wait


class RateLimitedError(BackendError):
    """The service asks for a pause of the whole backend; `retry_after` in seconds."""

    outcome = "rate_limited"

    def __init__(self, text: str, *, retry_after: float, code: str = "", detail: str = "") -> None:
        super().__init__(text, code=code, detail=detail)
        self.retry_after = retry_after


class ReceiverLimitedError(RateLimitedError):
    """The service asks for a pause of this receiver's messages only; all others go on."""


class RejectedError(BackendError):
    """This receiver, or this message, will never be accepted here: next address, or dead."""

    outcome = "rejected"


class NeedsFallbackError(BackendError):
    """The channel is closed for this receiver now (offline, window over): next address at once, no fault."""

    outcome = "needs_fallback"


class BackendDownError(BackendError):
    """An operator must act (credentials, account, IP list): the backend pauses, the operators are told."""

    outcome = "backend_down"
