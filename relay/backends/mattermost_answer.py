"""Mattermost's answers: `ok` of a webhook, objects of the API, errors with an id and a sentence.

https://developers.mattermost.com/api-documentation/#/#errors
"""

from __future__ import annotations

from typing import Final

from relay.backends.answer import Answer
from relay.backends.meaning import GoneError, PayloadError, meanings, otherwise, said
from relay.errors import BackendDownError, BackendError, RejectedError
from relay.models import Json

# Looked for in the error's id and sentence, in lower case.
MEANINGS: Final = (
    meanings(
        RejectedError,
        {
            "find the channel": "there is no such channel",
            "find the user": "there is no such user",
            "api.context.permissions": "the bot may not post there: add it to the channel",
            "app.channel.get": "there is no such channel",
            "channel_is_archived": "the channel is archived",
        },
    )
    | meanings(
        PayloadError,
        {
            "parse incoming data": "Mattermost can't read the message",
            "message_length": "the message is too long",
            "message is too long": "the message is too long",
        },
    )
    | meanings(
        GoneError,
        {
            "root_id": "the earlier message was deleted",
            "app.post.get": "the earlier message was deleted",
            "post_time_limit": "the earlier message is too old to be rewritten",
        },
    )
    | meanings(
        BackendDownError,
        {
            "api.context.session_expired": "Mattermost doesn't take this token",
            "incoming_webhook.disabled": "incoming webhooks are switched off on this server",
        },
    )
)


def require_ok(answer: Answer, now: float) -> None:
    """A webhook's `ok`; raises what any other answer means."""
    if not (answer.accepted and answer.body.strip() == b"ok"):
        raise _failure(answer, now)


def required(answer: Answer, now: float) -> Json:
    """An object of the API, which has an id; raises what any other answer means."""
    told = answer.json() or {}
    if answer.accepted and told.get("id"):
        return told
    raise _failure(answer, now)


def _failure(answer: Answer, now: float) -> BackendError:
    refused = (400 <= answer.status < 500 and answer.status != 429) or answer.status == 501
    known = said(MEANINGS, f"{answer.code('id')} {answer.detail}", answer) if refused else None
    return known or otherwise(answer.code("id"), answer, now)
