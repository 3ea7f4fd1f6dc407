"""What services post to relay: whether it is genuine, and not an old request that is sent again."""

from __future__ import annotations

import hmac

from relay.errors import RelayError


class CallbackRefusedError(RelayError):
    """It doesn't come from the service, or can't be read."""


def require_same(ours: str, given: str, setting: str) -> None:
    """Two signatures must be equal; compared in a time that tells nothing of where they differ."""
    if not hmac.compare_digest(ours.encode(), given.encode(errors="replace")):
        raise CallbackRefusedError(f"the signature is wrong: compare `{setting}` with the service's console")


def require_fresh(seconds: float, now: float, most: float) -> None:
    """A request must have been made (at `seconds`) within so many seconds of `now`."""
    if not abs(seconds - now) <= most:
        raise CallbackRefusedError("the time stamp is off: an old request, or this host's clock")


def whole(text: str) -> float:
    """A time stamp as a number; raises `CallbackRefusedError` if it is anything else."""
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise CallbackRefusedError("the time stamp is no number")
    return float(text)
