"""Discord's answers: https://discord.com/developers/docs/topics/opcodes-and-status-codes#json."""

from __future__ import annotations

from typing import Final

from relay.backends.answer import Answer
from relay.backends.meaning import GoneError, PayloadError, meanings, meant, otherwise, paused
from relay.errors import BackendDownError, BackendError, RejectedError
from relay.models import Json

# Of the thread that an earlier message is in: that one is as good as gone, another may be posted.
PLACES: Final = {"10003", "50083", "160005"}
RATE: Final = {"20028", "429"}

MEANINGS: Final = (
    meanings(
        BackendDownError,
        {
            "10015": "Discord knows no such webhook: it was deleted",
            "50027": "Discord doesn't take this webhook's token",
            "220001": "the channel is a forum: it needs forum: true",
            "220002": "a new post can't be in a thread",
            "220003": "the webhook can make posts only in a forum: set forum: false",
        },
    )
    | meanings(
        RejectedError,
        {
            "10003": "there is no such thread",
            "50083": "the thread is archived",
            "160005": "the thread is locked",
        },
    )
    | meanings(
        GoneError,
        {
            "10008": "the earlier message was deleted",
            "30046": "the earlier message was rewritten too often",
        },
    )
    | meanings(
        PayloadError,
        {
            "50035": "Discord doesn't take the message",
            "50006": "Discord found no text",
            "40005": "the message is too large",
        },
    )
)


def required(answer: Answer, now: float) -> Json:
    """The object of an answer that has an id; an empty one for 204, which tells nothing."""
    told = answer.json() or {}
    if answer.status == 204:
        return {}
    if answer.accepted and told.get("id"):
        return told
    raise _failure(told, answer, now)


def _failure(told: Json, answer: Answer, now: float) -> BackendError:
    code = answer.code("code")
    if answer.status == 429 or code in RATE:
        waits = (told.get("retry_after", ""), answer.headers.get("X-RateLimit-Reset-After", ""))
        return paused("429", answer, now, *map(str, waits))
    if code in MEANINGS:
        return meant(MEANINGS[code], code, answer)
    return otherwise(code, answer, now)
