"""A service's answer over HTTP, and what its status says.

Many services refuse with 200 and a code in the body, others accept with 202: a backend reads the body by
its service's own rules first, and leaves what the status alone can tell to `refusal`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from relay.backends.mask import Mask
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError
from relay.models import Json
from relay.text import clean

MOST_DETAIL: Final = 2048  # bytes of a service's words that are kept
PAUSE: Final = 30.0  # seconds, where a service says "too many" but not for how long
SHORTEST, LONGEST = 0.5, 3600.0  # seconds: whatever a service asks for, neither a busy loop nor a lost day

_FOR_AN_OPERATOR: Final = {
    401: "the credentials were refused",
    402: "the account must be paid",
    403: "access was refused",
    404: "there is nothing at this URL",
    405: "the URL doesn't take this method",
    407: "the proxy wants credentials",
    410: "the URL is gone for good",
}
_PASSING: Final = {408, 421, 423, 425}  # 4xx that another attempt may cure


class Answer(Struct, frozen=True):
    """Status, headers (names in any case) and the body, its first 64 KiB or what was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    mask: Mask

    @property
    def accepted(self) -> bool:
        """Whether the status alone says yes."""
        return 200 <= self.status < 300

    @property
    def detail(self) -> str:
        """The service's own words: readable, without secrets, at most 2 KiB."""
        words = clean(self.mask(self.body.decode(errors="replace"))).strip()
        return words.encode()[:MOST_DETAIL].decode(errors="ignore")

    def json(self) -> Json | None:
        """The body as a JSON object, whatever its content type claims; None if it is anything else."""
        try:
            found = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def code(self, *path: str) -> str:
        """A field of the JSON body as text, as services send `0` and `"0"` alike; "" if there is none."""
        value: Any = self.json()
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, str | int | float) else ""


def refusal(answer: Answer, now: float) -> BackendError | None:
    """What the status says, None if it is 2xx. `now` is the wall clock, for a Retry-After with a date."""
    if answer.accepted:
        return None
    status, code, detail = answer.status, str(answer.status), answer.detail
    if 300 <= status < 400:
        return BackendDownError(f"HTTP {code}: redirected elsewhere, not followed", code=code, detail=detail)
    if status in _FOR_AN_OPERATOR:
        return BackendDownError(f"HTTP {code}: {_FOR_AN_OPERATOR[status]}", code=code, detail=detail)
    wait = retry_after(answer.headers.get("Retry-After", ""), now)
    if status == 429 or (status >= 500 and wait is not None):
        pause = PAUSE if wait is None else wait
        return RateLimitedError(
            f"HTTP {code}: asked to wait {pause:g} s", retry_after=pause, code=code, detail=detail
        )
    if status >= 500 or status in _PASSING:
        return TemporaryError(f"HTTP {code}", code=code, detail=detail)
    return RejectedError(f"HTTP {code}: refused", code=code, detail=detail)


def retry_after(text: str, now: float) -> float | None:
    """Seconds to wait by a Retry-After (seconds or a date, RFC 9110 10.2.3); None if unreadable."""
    text = text.strip()
    try:
        seconds = float(text)
    except ValueError:
        until = _date(text)
        if until is None:
            return None
        seconds = until - now
    return None if math.isnan(seconds) else clamped(seconds)


def clamped(seconds: float) -> float:
    """A wait that is neither a busy loop nor a lost day."""
    return min(max(seconds, SHORTEST), LONGEST)


def _date(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
