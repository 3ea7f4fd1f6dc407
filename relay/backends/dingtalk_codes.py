"""What DingTalk's numbers mean; the status is nearly always 200.

https://open.dingtalk.com/document/orgapp/custom-robot-access
https://open.dingtalk.com/document/orgapp/server-api-error-codes-1
"""

from __future__ import annotations

from typing import Final

from relay.backends.answer import Answer
from relay.backends.meaning import Meaning, PayloadError, meanings, meant, paused
from relay.backends.numbered import Numbered
from relay.backends.tokens import TokenRefusedError
from relay.errors import BackendDownError, BackendError, RejectedError, TemporaryError
from relay.models import Json

BLOCKED: Final = 600.0  # seconds for which a robot that was too fast takes nothing
BANNED: Final = 300.0  # seconds for which the address of a host that was too fast is kept out

_ROBOT: Final = Numbered(
    field="errcode",
    waits={"130101": BLOCKED, "410100": BLOCKED},
    meanings=meanings(TemporaryError, {"-1": "DingTalk is busy"})
    | meanings(
        BackendDownError,
        {
            "300001": "the access token is missing",
            "300005": "the access token is wrong, or the robot was removed",
            "310000": "the robot's security settings refuse the message",
            "400101": "the access token is wrong, or the robot was removed",
            "400102": "the robot is stopped",
        },
    )
    | meanings(
        RejectedError,
        {
            "400013": "the group was dissolved",
            "400106": "the robot is not in the group any more",
        },
    )
    | meanings(
        PayloadError,
        {
            "40033": "characters that DingTalk doesn't take",
            "40035": "not valid parameters",
            "43002": "not a method that DingTalk takes",
            "43004": "not a type of content that DingTalk takes",
            "400105": "not a type of message that DingTalk takes",
            "430101": "a link in the text isn't allowed",
            "430102": "the text isn't allowed",
            "430103": "an image isn't allowed",
            "430104": "the content isn't allowed",
        },
    ),
)
# What 310000 is about, only its words tell.
_SECURITY: Final = {
    "keyword": "the robot wants one of its keywords: set `keyword`",
    "timestamp": "this host's clock is more than an hour off",
    "sign": "the signature is wrong: set `secret` (SEC...)",
    "whitelist": "this host's address is not in the robot's IP list",
}

_MINUTES: Final = {str(code): 120.0 for code in range(90001, 90018)}
_NOTICE: Final = Numbered(
    field="errcode",
    waits={**_MINUTES, "90002": 1.0, "90018": 1.0},
    meanings=meanings(TemporaryError, {"-1": "DingTalk is busy"})
    | meanings(
        TokenRefusedError,
        {
            "40001": "the access token is not valid",
            "40014": "the access token is not valid",
            "41001": "the access token is missing",
            "42001": "the access token has expired",
        },
    )
    | meanings(
        BackendDownError,
        {
            "40056": "`agent_id` is not an app of this company",
            "40089": "`appkey` or `appsecret` is wrong",
            "41028": "`agent_id` is wrong",
            "41029": "`agent_id` is missing",
            "60011": "the app lacks the permission for this interface",
            "60020": "this host's address is not in the app's IP list",
            "90020": "the month's calls of this edition of DingTalk are used up",
        },
    )
    | meanings(
        RejectedError,
        {
            "33012": "no such user",
            "40003": "no such user",
            "40031": "none of these users exists",
        },
    )
    | meanings(
        PayloadError,
        {
            "34016": "the message, or a part of it, is too long",
            "40033": "characters that DingTalk doesn't take",
        },
    ),
)


def stale(answer: Answer) -> bool:
    """Whether a robot refused the time that its message was signed at."""
    return answer.code("errcode") == "310000" and "timestamp" in answer.code("errmsg").lower()


def require_posted(answer: Answer, now: float) -> None:
    """Raise what a robot's answer says, unless it is 0."""
    if failure := _guard(answer, now):
        raise failure
    if answer.code("errcode") == "310000":
        raise meant(_security(answer), "310000", answer)
    _ROBOT.required(answer, now)


def required(answer: Answer, now: float) -> Json:
    """An app's answer that says 0; raises what any other says."""
    if failure := _guard(answer, now):
        raise failure
    if answer.code("errcode") == "88":
        raise _of_the_gateway(answer, now)
    return _NOTICE.required(answer, now)


def granted(answer: Answer, now: float) -> tuple[str, float]:
    """An access token and its lifetime."""
    if failure := _guard(answer, now):
        raise failure
    return _NOTICE.granted(answer, now, "access_token", "expires_in")


def _security(answer: Answer) -> Meaning:
    told = answer.code("errmsg").lower()
    words = (words for sign, words in _SECURITY.items() if sign in told)
    return Meaning(BackendDownError, next(words, "the robot's security settings refuse the message"))


def _of_the_gateway(answer: Answer, now: float) -> BackendError:
    """88 stands for any number in `sub_code`, some of which are words."""
    code = answer.code("sub_code")
    if code in _NOTICE.waits or code in _NOTICE.meanings:
        return _NOTICE.failure(code, answer, now)
    if "access_token" in f"{code} {answer.code('sub_msg')} {answer.code('errmsg')}".lower():
        return meant(Meaning(TokenRefusedError, "the access token was refused"), "88", answer)
    return meant(
        Meaning(BackendDownError, "the app lacks a permission, or is set up otherwise"), "88", answer
    )


def _guard(answer: Answer, now: float) -> BackendError | None:
    """DingTalk's firewall, which keeps a host out: an answer of its own form, or a web page."""
    if answer.accepted and answer.body.lstrip()[:1] == b"<":
        return paused("web page", answer, now, BANNED)
    if answer.code("status") == "1111" and not answer.code("errcode"):
        minutes = answer.code("wait")
        return paused("1111", answer, now, float(minutes) * 60 if minutes.isdecimal() else BANNED)
    return None
