"""What an answer of WeChat's Official Account API means: HTTP 200 nearly always, and an `errcode`.

Sources: the table of global return codes in WeChat's documentation for developers of Official Accounts, and
that of each call.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from relay.backends.answer import Answer, refusal
from relay.backends.tokens import TokenRefusedError
from relay.errors import (
    BackendDownError,
    BackendError,
    NeedsFallbackError,
    RateLimitedError,
    ReceiverLimitedError,
    RejectedError,
    TemporaryError,
)

Outcome = Literal["temporary", "token", "down", "rejected", "closed", "often", "minute", "day"]

TOO_LONG: Final = "45002"
BUSY_WAIT: Final = 2.0  # seconds: the service asks for patience with -1
OFTEN_WAIT: Final = 60.0  # seconds: nothing says how long a user is left alone
DAY: Final = 86400.0  # seconds
CHINA: Final = 8 * 3600.0  # seconds that WeChat's days begin before those of UTC

_PAYLOAD: Final = "the service can't take this message"
_NOT_GRANTED: Final = "the account may not use this call"

_CODES: Final[dict[str, tuple[Outcome, str]]] = {
    "-1": ("temporary", "the service is busy"),
    "-1000": ("temporary", "error of the service"),
    "40001": ("token", "the access token is not valid, or `secret` is wrong"),
    "40014": ("token", "the access token is not valid"),
    "42001": ("token", "the access token has expired"),
    "41001": ("token", "the access token is missing"),
    "40002": ("down", "wrong grant type"),
    "40013": ("down", "`appid` is wrong"),
    "40125": ("down", "`secret` is wrong"),
    "41002": ("down", "`appid` is missing"),
    "41004": ("down", "`secret` is missing"),
    "40164": ("down", "this host's IP address is not in the account's list"),
    "42007": ("down", "the authorization ended with a change of password"),
    "89501": ("down", "this host's IP address waits for an administrator's consent"),
    "89503": ("down", "this host's IP address waits for an administrator's consent"),
    "89506": ("down", "an administrator has refused this host's IP address"),
    "89507": ("down", "an administrator has refused this host's IP address"),
    "40003": ("rejected", "this openid is none of this account's followers"),
    "40031": ("rejected", "this openid is none of this account's followers"),
    "43004": ("rejected", "the user doesn't follow the account (any more)"),
    "50005": ("rejected", "the user doesn't follow the account"),
    "43019": ("rejected", "the user is on the account's black list"),
    "48002": ("rejected", "the user takes no messages from the account"),
    "43101": ("rejected", "the user has declined"),
    "46004": ("rejected", "no such user"),
    "40008": ("rejected", f"{_PAYLOAD}: wrong type"),
    "40033": ("rejected", f"{_PAYLOAD}: characters it doesn't allow"),
    "40035": ("rejected", f"{_PAYLOAD}: wrong parameter"),
    "40038": ("rejected", f"{_PAYLOAD}: wrong format"),
    "43002": ("rejected", f"{_PAYLOAD}: it wants a POST"),
    "44002": ("rejected", f"{_PAYLOAD}: it is empty"),
    "44004": ("rejected", f"{_PAYLOAD}: the text is empty"),
    "47001": ("rejected", f"{_PAYLOAD}: no JSON"),
    "87014": ("rejected", f"{_PAYLOAD}: its text was judged risky"),
    TOO_LONG: ("rejected", "the text is too long: `max_bytes` is above what the service takes"),
    "40036": ("down", "`template_id` has a wrong form"),
    "40037": ("down", "there is no template of this `template_id`"),
    "43116": ("down", "the template is banned"),
    "45026": ("down", "the account has too many templates"),
    "47003": ("rejected", "a field of `template_fields` doesn't fit the template"),
    "43117": ("often", "too many messages to this user in a short time"),
    "45009": ("day", "today's quota is used up"),
    "45011": ("minute", "too many calls in this minute"),
    "45015": ("closed", "the user hasn't written to the account for too long, or doesn't follow it any more"),
    "45047": ("closed", "too many messages since the user last wrote to the account"),
    "48001": ("down", f"{_NOT_GRANTED}: it is not granted"),
    "48003": ("down", f"{_NOT_GRANTED}: its agreement is not accepted"),
    "48004": ("down", f"{_NOT_GRANTED}: it is banned"),
    "48008": ("down", f"{_NOT_GRANTED}: not with this type of message"),
    "40200": ("down", f"{_NOT_GRANTED}: the type of the account"),
    "61007": ("down", f"{_NOT_GRANTED}: it was not authorized for the platform"),
    "50002": ("down", "the account is restricted"),
}
OF_A_FOLLOWER: Final = frozenset(
    code for code, (outcome, _) in _CODES.items() if outcome in {"rejected", "closed", "often"}
)
_TELLING: Final = {"40164", "47003"}  # codes whose text names the address, or the field
_TRAILER: Final = re.compile(r"[\s,]*(?:rid:|hint:).*\Z", re.DOTALL)


def verdict(answer: Answer, now: float) -> BackendError | None:
    """Why the service refused; None if it did as asked."""
    code = answer.code("errcode")
    if code == "0" and answer.accepted:
        return None
    if code in {"", "0"}:
        malformed = TemporaryError("an answer without errcode", code="malformed", detail=answer.detail)
        return refusal(answer, now) or malformed
    return _error(code, answer, now)


def token_refusal(answer: Answer, now: float) -> BackendError | None:
    """Why the service gave no access token; None if it gave one."""
    code = answer.code("errcode")
    if answer.accepted and answer.code("access_token") and code in {"", "0"}:
        return None
    failure = verdict(answer, now)
    if failure is None:  # errcode 0, and no token
        return TemporaryError("an answer without access_token", code="malformed", detail=answer.detail)
    if isinstance(failure, TokenRefusedError):
        return BackendDownError(str(failure), code=failure.code, detail=failure.detail)
    return failure


def bare(words: str) -> str:
    """The service's words without the request's id: the same for the same error."""
    return _TRAILER.sub("", words).strip()


def until_midnight(now: float) -> float:
    """Seconds until the service's next day begins."""
    return DAY - (now + CHINA) % DAY


def _error(code: str, answer: Answer, now: float) -> BackendError:
    outcome, words = _CODES.get(code) or ("temporary" if answer.status >= 500 else "down", "unknown code")
    told = answer.mask(bare(answer.code("errmsg"))) if code in _TELLING or code not in _CODES else ""
    text, detail = f"{code}: {words}" + (f" ({told})" if told else ""), answer.detail
    match outcome:
        case "temporary":
            return TemporaryError(text, code=code, detail=detail, wait=BUSY_WAIT)
        case "token":
            return TokenRefusedError(text, code=code, detail=detail)
        case "down":
            return BackendDownError(text, code=code, detail=detail)
        case "rejected":
            return RejectedError(text, code=code, detail=detail)
        case "closed":
            return NeedsFallbackError(text, code=code, detail=detail)
        case "often":
            return ReceiverLimitedError(text, retry_after=OFTEN_WAIT, code=code, detail=detail)
        case "minute":
            return RateLimitedError(text, retry_after=60.0, code=code, detail=detail)
        case "day":
            return RateLimitedError(text, retry_after=until_midnight(now), code=code, detail=detail)
