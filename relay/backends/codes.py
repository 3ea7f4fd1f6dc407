"""A service's own error codes with their meaning in words, as a table in its backend."""

from __future__ import annotations

from collections.abc import Mapping

from relay.backends.answer import Answer
from relay.errors import BackendError

Codes = Mapping[str, tuple[type[BackendError], str]]


def coded(code: str, codes: Codes, answer: Answer) -> BackendError | None:
    """The error that a code stands for; None if the table doesn't have it."""
    if code not in codes:
        return None
    kind, words = codes[code]
    return kind(f"{code}: {words}", code=code, detail=answer.detail)
