"""What Feishu's (and Lark's) numbers mean, for robots and apps alike.

https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot
https://open.feishu.cn/document/server-docs/im-v1/message/create
"""

from __future__ import annotations

from typing import Final

from relay.backends.answer import Answer
from relay.backends.meaning import GoneError, PayloadError, meanings, paused
from relay.backends.numbered import Numbered
from relay.backends.tokens import TokenRefusedError
from relay.errors import BackendDownError, RejectedError, TemporaryError
from relay.models import Json

RATE: Final = "99991400"  # with a header that says for how long

CODES: Final = Numbered(
    field="code",
    waits={"11232": 60.0, "230020": 5.0},
    meanings=meanings(TemporaryError, {"230049": "the earlier message is still being sent"})
    | meanings(
        TokenRefusedError,
        {
            "99991661": "the access token is missing",
            "99991663": "the access token is not valid",
            "99991664": "the access token is not valid",
            "99991668": "the access token is not valid",
            "99991671": "the access token is not valid",
        },
    )
    | meanings(
        BackendDownError,
        {
            "19001": "the robot's token is wrong, or the robot was removed",
            "19021": "the signature is wrong (`secret`), or this host's clock is more than an hour off",
            "19022": "this host's address is not in the robot's IP list",
            "19024": "the robot wants one of its keywords: set `keyword`",
            "99991672": "the app lacks the permission for this interface",
            "230006": "the app's robot is switched off",
            "230018": "an administrator has restricted who may write to this group",
            "230027": "the app lacks a permission",
            "230035": "the app may not write here",
        },
    )
    | meanings(
        RejectedError,
        {
            "230002": "the app's robot is not in the group",
            "230013": "the app is not available to this user",
            "230029": "the user has left",
            "230034": "no such receiver",
            "230053": "the user takes no messages from this robot",
            "232009": "the group was dissolved",
        },
    )
    | meanings(
        PayloadError,
        {
            "9499": "a message that Feishu can't read, or too large a one",
            "230001": "not valid parameters",
            "230022": "the content was taken for a secret",
            "230025": "the message is too large",
            "230028": "the content wasn't allowed",
            "230054": "not an operation for this type of message",
            "230099": "the content is not valid",
        },
    )
    | meanings(
        GoneError,
        {
            "230011": "the earlier message was withdrawn",
            "230071": "the earlier message can't be replied to in a thread",
            "230072": "the earlier message was edited too often",
            "230075": "the earlier message is too old to be edited",
            "230110": "the earlier message was deleted",
        },
    ),
)


def required(answer: Answer, now: float) -> Json:
    """The body of an answer that says 0; raises what any other says."""
    _heed_rate(answer, now)
    return CODES.required(answer, now)


def granted(answer: Answer, now: float) -> tuple[str, float]:
    """An app's access token and its lifetime."""
    _heed_rate(answer, now)
    return CODES.granted(answer, now, "tenant_access_token", "expire")


def _heed_rate(answer: Answer, now: float) -> None:
    if answer.code("code") == RATE:
        raise paused(RATE, answer, now, answer.headers.get("x-ogw-ratelimit-reset", ""))
