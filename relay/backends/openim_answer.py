"""What an OpenIM server's answer means.

v3 answers 200 to nearly everything, with `errCode` in the body; v2 has numbers of its own, some of them
under HTTP 400 and 500. Sources: open-im-server's `errs` and `constant` packages, docs.openim.io.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from relay.backends.answer import Answer, refusal, retry_after
from relay.backends.meaning import Meaning, meanings, meant
from relay.backends.tokens import TokenRefusedError
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError

Purpose = Literal["token", "notification", "message"]  # what was asked for
Verdict = Literal["temporary", "rejected", "down"]  # what an operator may make of a site's own codes

MOST_CODE: Final = 80  # characters
PAUSE: Final = 5.0  # seconds, where the limiter doesn't say for how long ...
PAUSE_LEAST, PAUSE_MOST = 1.0, 60.0  # ... and what it says is kept within these: its window is a short one
SITE_CODES: Final = range(20001, 30000)  # verdicts of webhooks that a site has added to its server

_VERDICTS: Final = {"temporary": TemporaryError, "rejected": RejectedError, "down": BackendDownError}
_LIMITED: Final = {"429", "810"}  # of v3 and of v2
_V3: Final[dict[str, Meaning]] = {
    **meanings(
        TemporaryError,
        {
            "500": "internal error of the server",
            "80000": "a webhook of the server failed",
            "90002": "database error",
            "90004": "network error within the server",
            "90007": "data error within the server",
        },
    ),
    **meanings(
        BackendDownError,
        {
            "1001": "bad arguments: `version` or `admin_user_id` may be wrong",
            "1002": "no permission: `secret` is wrong, or `send_id` no administrator or notification account",
            "1003": "duplicate key",
            "1050": "the server still has its default secret and refuses to work with it",
        },
    ),
    **meanings(
        RejectedError,
        {
            "1004": "no such receiver",
            "1101": "no such user",
            "1201": "no such group",
            "1203": "the sender is no member of the group",
            "1204": "the group was dismissed",
            "1205": "the wrong type of group",
            "1302": "the receiver has blocked the sender",
            "1303": "the sender is no friend of the receiver",
            "1402": "the sender is muted in the group",
            "1403": "the group is muted",
        },
    ),
    **meanings(
        TokenRefusedError,
        {
            "1501": "the token has expired",
            "1502": "the token is invalid",
            "1503": "the token is malformed",
            "1504": "the token is not valid yet: compare the clocks",
            "1505": "the token is unknown",
            "1506": "the token was kicked out",
            "1507": "the token is not in the server's table",
        },
    ),
}
_V2: Final[dict[str, Meaning]] = {
    **meanings(BackendDownError, {str(code): "the server refused" for code in range(801, 813)}),
    **meanings(
        BackendDownError,
        {
            "203": "unknown type of session",
            "401": "`secret` is wrong, or the content can't be decoded",
        },
    ),
    **meanings(
        TemporaryError,
        {
            "201": "the message bus failed, or a callback refused",
            "500": "a part of the server is away",
            "802": "database error",
            "812": "internal error of the server",
        },
    ),
    **meanings(
        RejectedError,
        {
            "202": "the sender is not in the group",
            "400": "the server can't read the request",
            "403": "the content is not valid",
            "404": "this type of content is not supported",
            "405": "the receiver is empty",
            "600": "the receiver has blocked the sender",
            "601": "the sender is no friend of the receiver",
        },
    ),
    **meanings(TokenRefusedError, {str(code): "the token was refused" for code in range(700, 709)}),
}


def verdict(
    answer: Answer, *, old: bool, purpose: Purpose, sites: Mapping[str, Verdict], now: float
) -> BackendError | None:
    """Why the server refused; None if it did as asked."""
    code = answer.mask(answer.code("errCode"))[:MOST_CODE]
    if code == "0" and answer.accepted:
        return None
    if code in {"", "0"}:
        detail = "" if purpose == "token" else answer.detail  # it may hold the token
        malformed = TemporaryError("an answer without errCode", code="malformed", detail=detail)
        return refusal(answer, now) or malformed
    if code in _LIMITED:
        asked = retry_after(answer.headers.get("Retry-After", ""), now) or PAUSE
        pause = min(PAUSE_MOST, max(PAUSE_LEAST, asked))
        text = f"{code}: too many messages, asked to wait {pause:g} s"
        return RateLimitedError(text, retry_after=pause, code=code, detail=answer.detail)
    meaning = _meaning_v2(code, answer) if old else _meaning_v3(code, answer, purpose, sites)
    if purpose == "token" and meaning.outcome in {RejectedError, TokenRefusedError}:
        meaning = Meaning(BackendDownError, f"no token for `admin_user_id`: {meaning.words}")
    return meant(meaning, code, answer)


def _meaning_v3(code: str, answer: Answer, purpose: Purpose, sites: Mapping[str, Verdict]) -> Meaning:
    told = f"{answer.code('errMsg')} {answer.code('errDlt')}"
    if code.isdecimal() and int(code) in SITE_CODES:
        outcome = _VERDICTS[sites.get(code, "down")]
        return Meaning(outcome, "a webhook of this site refused (`site_codes` says what that means)")
    if code == "1001" and "message is not sent" in told:  # the same number as for bad arguments
        return Meaning(RejectedError, "the receiver takes no messages")
    if code == "500" and ("Field validation" in told or "failed to decode" in told):
        return Meaning(RejectedError, "the server can't take this content")
    if code == "1101" and purpose == "notification":
        return Meaning(BackendDownError, "`send_id` is no account of the server")
    return _V3.get(code) or _unknown(answer)


def _meaning_v2(code: str, answer: Answer) -> Meaning:
    told = answer.code("errMsg")
    if code == "400" and "parse token failed" in told:  # no number tells these three apart
        return Meaning(TokenRefusedError, "the token was refused")
    if code == "400" and "not authorized" in told:
        return Meaning(BackendDownError, "`admin_user_id` is no administrator")
    return _V2.get(code) or _unknown(answer)


def _unknown(answer: Answer) -> Meaning:
    outcome = TemporaryError if answer.status >= 500 else BackendDownError
    return Meaning(outcome, "a code that relay doesn't know")
