"""Slack's answers: words instead of numbers, and of a webhook nothing but one word.

https://docs.slack.dev/reference/methods/chat.postMessage#errors
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors
"""

from __future__ import annotations

from typing import Final

from relay.backends.answer import Answer
from relay.backends.meaning import GoneError, PayloadError, meanings, meant, otherwise, paused
from relay.errors import BackendDownError, BackendError, RejectedError, TemporaryError
from relay.models import Json

RATE: Final = {"ratelimited", "rate_limited"}

MEANINGS: Final = (
    meanings(
        TemporaryError,
        {
            "internal_error": "Slack failed",
            "fatal_error": "Slack failed, perhaps after it posted the message",
            "service_unavailable": "Slack is down for a moment",
            "request_timeout": "Slack didn't get the whole request",
            "update_failed": "Slack couldn't update the message just now",
            "external_channel_migrating": "the channel is being moved",
            "team_added_to_org": "the workspace is being moved to an organisation",
            "rollup_error": "Slack failed",
        },
    )
    | meanings(
        BackendDownError,
        {
            "invalid_auth": "Slack doesn't take this token",
            "not_authed": "Slack saw no token",
            "account_inactive": "the token's user or workspace is gone",
            "token_revoked": "the token was revoked",
            "token_expired": "the token has expired",
            "missing_scope": "the token lacks a scope (chat:write)",
            "no_permission": "the token may not post",
            "org_login_required": "the workspace is being moved, a login is required",
            "ekm_access_denied": "an administrator has suspended posting",
            "access_denied": "the token may not post here",
            "not_allowed_token_type": "a bot's token (xoxb-) is wanted",
            "message_limit_exceeded": "the workspace's plan takes no more messages",
            "action_prohibited": "an administrator has restricted the webhook",
            "posting_to_general_channel_denied": "only some members may post to #general",
            "no_service": "the webhook is disabled or removed",
            "no_service_id": "the URL is not a whole webhook",
            "no_active_hooks": "the webhook is disabled",
            "no_team": "the URL names no workspace",
            "team_disabled": "the workspace is disabled",
            "invalid_token": "the URL holds a wrong token",
        },
    )
    | meanings(
        RejectedError,
        {
            "channel_not_found": "there is no such channel, or the bot can't see it",
            "not_in_channel": "the bot must be invited to the channel",
            "is_archived": "the channel is archived",
            "channel_is_archived": "the channel is archived",
            "user_not_found": "there is no such user",
            "restricted_action": "an administrator has restricted posting here",
        },
    )
    | meanings(
        PayloadError,
        {
            "no_text": "Slack found no text",
            "invalid_payload": "Slack can't read the message",
            "invalid_blocks": "Slack can't read the message's blocks",
            "invalid_blocks_format": "Slack can't read the message's blocks",
            "msg_too_long": "the message is too long",
            "msg_blocks_too_long": "the message is too long",
            "too_many_attachments": "the message has too many attachments",
            "invalid_arguments": "Slack doesn't know these arguments",
            "metadata_": "the metadata is wrong",
        },
    )
    | meanings(
        GoneError,
        {
            "message_not_found": "the earlier message was deleted",
            "cant_update_message": "the earlier message can't be updated",
            "edit_window_closed": "the earlier message is too old to be updated",
            "is_inactive": "the earlier message's channel is frozen",
            "cannot_reply_to_message": "the earlier message can't be replied to",
        },
    )
)

_FAMILIES: Final = ("restricted_action", "metadata_")  # what these words begin, they all mean


def required(answer: Answer, now: float) -> Json:
    """A Web API answer that says `ok: true`; raises what any other means."""
    told = answer.json() or {}
    if answer.accepted and told.get("ok") is True:
        return told
    raise _failure(answer.code("error"), answer, now)


def require_posted(answer: Answer, now: float) -> None:
    """A webhook's `ok`; raises what any other text means, whatever its status."""
    word = answer.body.decode(errors="replace").strip()
    if not (answer.accepted and word == "ok"):
        raise _failure(word, answer, now)


def _failure(word: str, answer: Answer, now: float) -> BackendError:
    if word in RATE:
        return paused(word, answer, now)
    known = next((family for family in _FAMILIES if word.startswith(family)), word)
    if known in MEANINGS:
        return meant(MEANINGS[known], known, answer)
    return otherwise(word, answer, now)
