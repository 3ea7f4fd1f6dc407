"""Rocket.Chat's answers: `success`, and a sentence that ends in a code.

https://developer.rocket.chat/apidocs/rate-limiting
"""

from __future__ import annotations

import re
from typing import Final

from relay.backends.answer import Answer
from relay.backends.meaning import GoneError, PayloadError, meanings, otherwise, paused, said
from relay.errors import BackendDownError, RejectedError
from relay.models import Json

TOO_MANY: Final = "error-too-many-requests"
_WAIT: Final = re.compile(r"must wait (\d+) seconds")

# Looked for in the error's sentence, in lower case. The vendor publishes no list: these are its server's.
MEANINGS: Final = (
    meanings(
        RejectedError,
        {
            "invalid-channel": "there is no such room, or the integration may not post there",
            "error-invalid-room": "there is no such room",
            "error-room-not-found": "there is no such room",
            "does not match any": "there is no such room",
            "error-invalid-user": "there is no such user",
            "room-is-archived": "the room is archived",
            "room is readonly": "the room is read-only",
            "error-not-allowed": "posting there is not allowed",
            "overwriting": "the integration doesn't allow other channels than its own",
        },
    )
    | meanings(
        PayloadError,
        {
            "message-size-exceeded": "the message is too long",
            "invalid-params": "Rocket.Chat doesn't take the message",
        },
    )
    | meanings(
        GoneError,
        {
            "no message found": "the earlier message was deleted",
            "message-not-found": "the earlier message was deleted",
            "error-invalid-message": "the earlier message was deleted",
            "message-editing-blocked": "the earlier message is too old to be rewritten",
            "error-action-not-allowed": "the earlier message can't be rewritten",
        },
    )
    | meanings(
        BackendDownError,
        {
            "you must be logged in": "Rocket.Chat doesn't take this token",
            "invalid integration": "there is no such integration, or it is disabled",
        },
    )
)


def required(answer: Answer, now: float) -> Json:
    """An answer that says `success: true`; raises what any other means."""
    told = answer.json() or {}
    if answer.accepted and told.get("success") is True:
        return told
    sentence = str(told.get("error") or told.get("message") or "")
    if answer.status == 429 or TOO_MANY in sentence:
        raise paused("429", answer, now, *_waits(sentence, answer, now))
    known = said(MEANINGS, sentence, answer) if answer.status < 500 else None
    raise known or otherwise(sentence, answer, now)


def _waits(sentence: str, answer: Answer, now: float) -> list[str | float]:
    """Seconds to wait, in words and until the time (in ms) when the window of the limit ends."""
    reset = answer.headers.get("X-RateLimit-Reset", "")
    return [*_WAIT.findall(sentence), *([int(reset) / 1000 - now] if reset.isdecimal() else [])]
