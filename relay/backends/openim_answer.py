"""What an OpenIM server's answer means.

v3 answers 200 to nearly everything, with `errCode` in the body; v2 has numbers of its own, some of them
under HTTP 400 and 500. Sources: open-im-server's `errs` and `constant` packages, docs.openim.io.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from relay.backends.answer import Answer, refusal, retry_after
from relay.backends.tokens import TokenRefusedError
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError

Purpose = Literal["token", "notification", "message"]  # what was asked for
Outcome = Literal["temporary", "rejected", "down", "token", "limited"]
Verdict = Literal["temporary", "rejected", "down"]  # what an operator may make of a site's own codes
Meaning = tuple[Outcome, str]

PAUSE: Final = 5.0  # seconds, where the limiter doesn't say for how long
SITE_CODES: Final = range(20001, 30000)  # verdicts of webhooks that a site has added to its server

_V3: Final[dict[str, Meaning]] = {
    "429": ("limited", "the server's rate limiter"),
    "500": ("temporary", "internal error of the server"),
    "1001": ("down", "bad arguments: `version` or `admin_user_id` may be wrong"),
    "1002": (
        "down",
        "no permission: a wrong secret, or `send_id` is no administrator or notification account",
    ),
    "1003": ("down", "duplicate key"),
    "1004": ("rejected", "no such receiver"),
    "1050": ("down", "the server still has its default secret and refuses to work with it"),
    "1101": ("rejected", "no such user"),
    "1201": ("rejected", "no such group"),
    "1203": ("rejected", "the sender is no member of the group"),
    "1204": ("rejected", "the group was dismissed"),
    "1205": ("rejected", "the wrong type of group"),
    "1302": ("rejected", "the receiver has blocked the sender"),
    "1303": ("rejected", "the sender is no friend of the receiver"),
    "1402": ("rejected", "the sender is muted in the group"),
    "1403": ("rejected", "the group is muted"),
    "1501": ("token", "the token has expired"),
    "1502": ("token", "the token is invalid"),
    "1503": ("token", "the token is malformed"),
    "1504": ("token", "the token is not valid yet: compare the clocks"),
    "1505": ("token", "the token is unknown"),
    "1506": ("token", "the token was kicked out"),
    "1507": ("token", "the token is not in the server's table"),
    "80000": ("temporary", "a webhook of the server failed"),
    "90002": ("temporary", "database error"),
    "90004": ("temporary", "network error within the server"),
    "90007": ("temporary", "data error within the server"),
}
_V2: Final[dict[str, Meaning]] = {
    "201": ("temporary", "the message bus failed, or a callback refused"),
    "202": ("rejected", "the sender is not in the group"),
    "203": ("down", "unknown type of session"),
    "400": ("rejected", "the server can't read the request"),
    "401": ("down", "the secret is wrong, or the content can't be decoded"),
    "403": ("rejected", "the content is not valid"),
    "404": ("rejected", "this type of content is not supported"),
    "405": ("rejected", "the receiver is empty"),
    "500": ("temporary", "a part of the server is away"),
    "600": ("rejected", "the receiver has blocked the sender"),
    "601": ("rejected", "the sender is no friend of the receiver"),
    **{str(code): ("token", "the token was refused") for code in range(700, 709)},
    **{str(code): ("down", "the server refused") for code in range(801, 813)},
    "802": ("temporary", "database error"),
    "810": ("limited", "the limit of messages is reached"),
    "812": ("temporary", "internal error of the server"),
}


def verdict(
    answer: Answer, *, old: bool, purpose: Purpose, sites: Mapping[str, Verdict], now: float
) -> BackendError | None:
    """Why the server refused; None if it did as asked."""
    code = answer.code("errCode")
    if not code or (code == "0" and not answer.accepted):
        malformed = TemporaryError("an answer without errCode", code="malformed", detail=answer.detail)
        return refusal(answer, now) or malformed
    if code == "0":
        return None
    outcome, words = _meaning_v2(code, answer) if old else _meaning_v3(code, answer, purpose, sites)
    if purpose == "token" and outcome in {"rejected", "token"}:
        outcome, words = "down", f"no token for `admin_user_id`: {words}"
    return _error(outcome, f"{code}: {words}", code, answer, now)


def _meaning_v3(code: str, answer: Answer, purpose: Purpose, sites: Mapping[str, Verdict]) -> Meaning:
    told = f"{answer.code('errMsg')} {answer.code('errDlt')}"
    if code.isdecimal() and int(code) in SITE_CODES:
        return sites.get(code, "down"), "a webhook of this site refused (`site_codes` says what that means)"
    if code == "1001" and "message is not sent" in told:  # the same number as for bad arguments
        return "rejected", "the receiver takes no messages"
    if code == "500" and ("Field validation" in told or "failed to decode" in told):
        return "rejected", "the server can't take this content"
    if code == "1101" and purpose == "notification":
        return "down", "`send_id` is no account of the server"
    return _V3.get(code) or _unknown(answer)


def _meaning_v2(code: str, answer: Answer) -> Meaning:
    told = answer.code("errMsg")
    if code == "400" and "parse token failed" in told:  # no number tells these three apart
        return "token", "the token was refused"
    if code == "400" and "not authorized" in told:
        return "down", "`admin_user_id` is no administrator"
    return _V2.get(code) or _unknown(answer)


def _unknown(answer: Answer) -> Meaning:
    return ("temporary" if answer.status >= 500 else "down"), "unknown code"


def _error(outcome: Outcome, text: str, code: str, answer: Answer, now: float) -> BackendError:
    detail = answer.detail
    match outcome:
        case "limited":
            pause = retry_after(answer.headers.get("Retry-After", ""), now) or PAUSE
            return RateLimitedError(text, retry_after=pause, code=code, detail=detail)
        case "temporary":
            return TemporaryError(text, code=code, detail=detail)
        case "token":
            return TokenRefusedError(text, code=code, detail=detail)
        case "rejected":
            return RejectedError(text, code=code, detail=detail)
        case "down":
            return BackendDownError(text, code=code, detail=detail)
