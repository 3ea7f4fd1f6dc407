"""What a WeCom app's calls name their receivers, and what an answer says of each of them.

https://developer.work.weixin.qq.com/document/path/90236
"""

from __future__ import annotations

import re
from typing import Any, Final

from relay.backends.base import Receipt
from relay.backends.batches import Batch, Receiver
from relay.errors import BackendError, RejectedError
from relay.models import Json

ADDRESS: Final = re.compile(
    r"(?:user:)?(?P<touser>[A-Za-z0-9][\w.@-]{0,63})|party:(?P<toparty>\d{1,10})|tag:(?P<totag>\d{1,10})"
    r"|chat:(?P<chatid>[A-Za-z0-9_-]{1,32})|(?P<everybody>@all)",
    re.ASCII,
)
AT_ONCE: Final = {"touser": 1000, "toparty": 100, "totag": 100}

_UNKNOWN: Final = "no such receiver, or the app may not see it"
_REFUSED: Final = {
    "invaliduser": ("touser", _UNKNOWN),
    "invalidparty": ("toparty", _UNKNOWN),
    "invalidtag": ("totag", _UNKNOWN),
    "unlicenseduser": ("touser", "the user has no licence for this interface"),
}


def path_of(batch: Batch) -> str:
    """Group chats have an interface of their own."""
    return "/cgi-bin/appchat/send" if batch.kind == "chatid" else "/cgi-bin/message/send"


def fields_of(batch: Batch) -> Json:
    """The receivers as a request names them."""
    return {"touser" if batch.kind == "everybody" else batch.kind: "|".join(batch.names)}


def outcomes_of(batch: Batch, told: Json) -> dict[str, Receipt | BackendError]:
    """What an answer that says 0 says of each address."""
    code = str(told.get("response_code") or "")
    receipt = Receipt(id=str(told.get("msgid") or ""), handle=f"{code}/{batch.digest}" if code else "")
    return {each.to: _refused(told, each) or receipt for each in batch.receivers}


def card_of(handle: str, batch: Batch) -> str:
    """The code that rewrites an earlier card, if it went to the same people; "" if it didn't."""
    code, _, digest = handle.partition("/")
    return code if batch.kind == "touser" and digest == batch.digest else ""


def _refused(told: Json, receiver: Receiver) -> RejectedError | None:
    """WeCom gives the ids of those it refuses back in lower case."""
    for field, (kind, words) in _REFUSED.items():
        if kind == receiver.kind and receiver.name.lower() in _names(told.get(field)):
            return RejectedError(words, code=field)
    return None


def _names(listed: Any) -> set[str]:
    return set(str(listed or "").lower().split("|"))
