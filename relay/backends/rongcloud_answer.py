"""What RongCloud's answers mean.

Sources: the table of status codes in RongCloud's server API documentation, and its server SDKs.
"""

from __future__ import annotations

from typing import Final, Literal

from relay.backends.answer import Answer, clamped, refusal
from relay.backends.refusals import Refusals
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError
from relay.models import Json

Outcome = Literal["temporary", "unclear", "rejected", "limited", "down"]

SIGNATURE: Final = "1004"
MANY_REFUSALS: Final = 3  # of a broadcast in a row, an hour apart: that is no quota

_CODES: Final[dict[str, tuple[Outcome, str]]] = {
    "404": ("down", "there is nothing at this path: one of `hosts` is wrong"),
    "405": ("rejected", "the group is full"),
    "1000": ("temporary", "internal error of the service"),
    "1001": ("down", "`app_key` and `app_secret` do not match"),
    "1002": ("down", "a parameter is wrong, or `app_key` is unknown"),
    "1003": ("down", "the request came without a body"),
    SIGNATURE: ("down", "the signature was refused: `app_secret` is wrong, or this host's clock is"),
    "1005": ("rejected", "the message is too long"),
    "1006": ("down", "the app is locked or deleted"),
    "1007": ("down", "the app may not use this call"),
    "1008": ("limited", "too many messages"),
    "1009": ("down", "this service is not enabled for the app"),
    "1050": ("unclear", "the service timed out within itself"),
    "2007": ("down", "a development app takes 100 users at most"),
}


def verdict(answer: Answer, refusals: Refusals, now: float, *, broadcast: bool) -> BackendError | None:
    """Why the service refused; None if it accepted. `refusals` counts those for the rate."""
    given = answer.code("code")
    if given == "200" and answer.accepted:
        refusals.end()
        return None
    code = given or str(answer.status)
    if given in {"", "200"} and code != "405":  # the vendor's table has that one without a body
        malformed = TemporaryError("an answer without a code", code="malformed", detail=answer.detail)
        return refusal(answer, now) or malformed
    outcome, words = _CODES.get(code) or ("temporary" if answer.status >= 500 else "down", "unknown code")
    text, detail = f"{code}: {words}", answer.detail
    match outcome:
        case "temporary" | "unclear":
            return TemporaryError(text, code=code, detail=detail, ambiguous=outcome == "unclear")
        case "rejected":
            return RejectedError(text, code=code, detail=detail)
        case "limited":
            return _limited(text, answer, refusals, broadcast=broadcast)
        case "down":
            return BackendDownError(text, code=code, detail=detail)


def _limited(text: str, answer: Answer, refusals: Refusals, *, broadcast: bool) -> BackendError:
    """Broadcasts that were never enabled are refused with the same code as too many of them."""
    wait = clamped(refusals.next_wait())
    if broadcast and refusals.in_a_row >= MANY_REFUSALS:
        words = f"{text}; {refusals.in_a_row} times in a row: broadcasts may not be enabled for this app"
        return BackendDownError(words, code="1008", detail=answer.detail)
    return RateLimitedError(text, retry_after=wait, code="1008", detail=answer.detail)


def message_ids(found: Json | None) -> dict[str, str]:
    """The service's id of each receiver's message, where it told them."""
    listed = (found or {}).get("messageUIDs")
    pairs = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    ids = {str(one.get("userId", one.get("groupId", ""))): str(one.get("messageUID", "")) for one in pairs}
    return {to: uid for to, uid in ids.items() if to}
