"""Answers of DingTalk's newer server API, whose codes are words: `{"code":"send.too.fast",...}`.

https://open.dingtalk.com/document/development/server-api-error-codes-1
https://open.dingtalk.com/document/development/create-and-deliver-cards
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from relay.backends.answer import Answer, refusal
from relay.backends.meaning import GoneError, Meaning, PayloadError, meanings, meant, paused, unknown
from relay.backends.numbered import LIFETIME
from relay.backends.tokens import TokenRefusedError
from relay.errors import BackendDownError, BackendError, RejectedError, TemporaryError
from relay.models import Json

QUICK, SLOW = 1.0, 60.0  # seconds: calls a second; messages a minute
ALREADY: Final = "param.cardalreadyexist"

# Codes in lower case: the documentation and the service don't agree on it.
_WAITS: Final = {
    "send.too.fast": SLOW,
    "send.bytoken.toofast": SLOW,
    "forbidden.accessdenied.qpslimitforappkeyandapi": QUICK,
    "forbidden.accessdenied.qpslimitforapi": QUICK,
}
_MEANINGS: Final = (
    meanings(TemporaryError, {"system.error": "DingTalk failed", "system.busy": "DingTalk is busy"})
    | meanings(TokenRefusedError, {"invalidauthentication": "the access token is not valid"})
    | meanings(
        BackendDownError,
        {
            "invalidclientidorsecret": "`appkey` or `appsecret` is wrong",
            "forbidden.accessdenied.accesstokenpermissiondenied": "the app lacks a permission",
            "forbidden.accessdenied.ipnotinwhitelist": "this host's address is not in the app's IP list",
            "forbidden.accessdenied.apicountlimitfororg": "the month's calls of the company are used up",
            "bot.stopped": "the robot is stopped",
            "param.cardtemplateidempty": "`card_template` is wrong",
            "param.templatenotexist": "`card_template` is wrong",
            "param.templateunpublished": "the card's template is not published",
            "invalidparameter.robotcode.auth": "`robot_code` is not of this app",
        },
    )
    | meanings(
        RejectedError,
        {
            "group.disbanded": "the group was dissolved",
            "invalid.openconversationid": "no such group",
            "openconversationid.notexisted": "no such group",
            "param.openspaceidinvalid": "no such group or user",
            "param.useridnotexist": "no such user",
            "invalidparameter.robotcode.notexsit": "the robot is not in the group, or `robot_code` is wrong",
            "invalidparameter.robotcode.notexist": "the robot is not in the group, or `robot_code` is wrong",
            ALREADY: "this card was sent before",
        },
    )
    | meanings(GoneError, {"param.cardnotexist": "the earlier card is gone"})
    | meanings(PayloadError, {"param.contentunsafe": "the text isn't allowed"})
)
_FAMILIES: Final = {
    "forbidden.accessdenied.": Meaning(BackendDownError, "the app may not do this"),
    "invalidparameter.robotcode.": Meaning(BackendDownError, "`robot_code` is wrong"),
    "invalidparameter.": Meaning(PayloadError, "not valid parameters"),
    "param.": Meaning(PayloadError, "not valid parameters"),
}


def required(answer: Answer, now: float, proof: str) -> Json:
    """The body of an answer that accepts, which has a field `proof`; raises what any other says."""
    code = answer.code("code")
    if answer.accepted and not code and answer.code(proof) not in {"", "false"}:
        return answer.json() or {}
    raise _failure(code, answer, now)


def granted(answer: Answer, now: float) -> tuple[str, float]:
    """An access token and its lifetime; whoever is refused one needs an operator."""
    try:
        required(answer, now, "accessToken")
    except (RejectedError, TokenRefusedError) as error:
        raise BackendDownError(str(error), code=error.code, detail=error.detail) from None
    lifetime = answer.code("expireIn")
    return answer.code("accessToken"), float(lifetime) if lifetime.isdecimal() else LIFETIME


def _failure(code: str, answer: Answer, now: float) -> BackendError:
    word = code.lower()
    if word in _WAITS:
        return paused(code, answer, now, _WAITS[word])
    if meaning := _MEANINGS.get(word) or _of_a_family(word, _FAMILIES):
        return meant(meaning, code, answer)
    if code and answer.status == 400:
        code = answer.mask(code)[:80]
        return PayloadError(f"{code}: refused, by a code that relay doesn't know", code=code)
    return refusal(answer, now) or unknown(code, answer)


def _of_a_family(word: str, families: Mapping[str, Meaning]) -> Meaning | None:
    return next((meaning for start, meaning in families.items() if word.startswith(start)), None)
