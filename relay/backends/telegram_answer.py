"""Telegram's answers: a sentence instead of a code.

The sentences are those of the Bot API server (https://github.com/tdlib/telegram-bot-api) and of Telegram.
"""

from __future__ import annotations

from typing import Final

from relay.backends.answer import Answer
from relay.backends.meaning import GoneError, PayloadError, meanings, meant, otherwise, paused, said
from relay.errors import BackendDownError, BackendError, RejectedError
from relay.models import Json

UNCHANGED: Final = "message is not modified"  # an update that changes nothing: it is as it should be

STATUSES: Final = meanings(
    BackendDownError,
    {
        "401": "Telegram doesn't take this token",
        "404": "Telegram knows no such token",
        "409": "the bot is in use elsewhere",
    },
)
# Looked for in this order, in lower case.
SENTENCES: Final = (
    meanings(
        GoneError,
        {
            "message to edit not found": "the earlier message was deleted",
            "message can't be edited": "the earlier message can't be updated",
            "message to be replied not found": "the earlier message was deleted",
        },
    )
    | meanings(
        RejectedError,
        {
            "chat not found": "there is no such chat, or the bot isn't in it",
            "user not found": "there is no such user",
            "peer_id_invalid": "there is no such chat, or the bot isn't in it",
            "bot was blocked": "the user has blocked the bot",
            "bot was kicked": "the bot was removed from the chat",
            "bot is not a member": "the bot must be added to the chat",
            "user is deactivated": "the user's account is gone",
            "group chat was deleted": "the group was deleted",
            "can't initiate conversation": "the user must write to the bot first",
            "message thread not found": "there is no such topic",
            "not enough rights": "the bot may not write there",
            "need administrator rights": "the bot must be an administrator there",
            "forbidden:": "the bot may not write there",
        },
    )
    | meanings(
        PayloadError,
        {
            "can't parse entities": "Telegram can't read the markup",
            "message text is empty": "Telegram found no text",
            "text is too long": "the message is too long",
            "message is too long": "the message is too long",
            "button_data_invalid": "Telegram doesn't take the button",
            "button_url_invalid": "Telegram doesn't take the button's link",
            "bad request:": "Telegram doesn't take the message",
        },
    )
)


class MovedError(RejectedError):
    """The group became a supergroup, which has another number: `to`."""

    def __init__(self, text: str, *, to: int, code: str, detail: str) -> None:
        super().__init__(text, code=code, detail=detail)
        self.to = to


def required(answer: Answer, now: float) -> Json:
    """The result of an answer that says `ok: true`; raises what any other means."""
    told = answer.json() or {}
    if answer.accepted and told.get("ok") is True:
        result = told.get("result")
        return result if isinstance(result, dict) else {}
    sentence = str(told.get("description", ""))
    if UNCHANGED in sentence.lower():
        return {}
    raise _failure(sentence, told, answer, now)


def _failure(sentence: str, told: Json, answer: Answer, now: float) -> BackendError:
    given = told.get("parameters")
    parameters = given if isinstance(given, dict) else {}
    code = answer.code("error_code") or str(answer.status)
    if code == "429":
        return paused(code, answer, now, str(parameters.get("retry_after", "")))
    if isinstance(to := parameters.get("migrate_to_chat_id"), int):
        text = f"the chat was made a supergroup: its number is now {to}"
        return MovedError(text, to=to, code=code, detail=answer.detail)
    if sentence and code in STATUSES:
        return meant(STATUSES[code], code, answer)
    known = said(SENTENCES, sentence, answer) if code in {"400", "403"} else None
    return known or otherwise(answer.code("error_code"), answer, now)
