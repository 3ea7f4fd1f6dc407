"""What an RTX script's answer means.

The scripts answer 200 to nearly everything, in GBK with no reliable charset, in UTF-8 where a site patched
them, as JSONP with escapes elsewhere. Published clients look for one phrase in the bytes, and so does this.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Final
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from relay.backends.answer import Answer, refusal
from relay.backends.lenient import RawAnswer
from relay.backends.mask import Mask
from relay.errors import BackendDownError, BackendError, RejectedError, TemporaryError

TRIES: Final = 3  # of an answer nobody knows: it may pass, and is most likely for an operator
UNKNOWN_USER: Final = -984  # getstatus.php's word for it

_STATE: Final = re.compile(rb'\s*(?:.{0,64}"state"\s*:\s*"?)?(-?\d+)\b', re.DOTALL)


class Markers(Struct, frozen=True):
    """Phrases that tell one kind of answer from another, in any of the encodings a site may use."""

    success: tuple[str, ...]
    ip_denied: tuple[str, ...]
    unknown: tuple[str, ...]


def verdict(answer: RawAnswer, markers: Markers, now: float) -> BackendError | None:
    """Why the server didn't take the message; None if it did."""
    if failure := barred(answer, markers, now):
        return failure
    detail, code = words(answer), _code(answer)
    if code == "0" or _holds(answer.body, markers.success):
        return None
    if not answer.body.strip() and not code:
        return TemporaryError("empty answer: the script failed", code="empty")
    if _holds(answer.body, markers.unknown):
        return RejectedError("no such user, department or group", code=code or "unknown", detail=detail)
    return TemporaryError("the RTX server refused it", code=code, detail=detail, limit=TRIES)


def barred(answer: RawAnswer, markers: Markers, now: float) -> BackendError | None:
    """Why no script could say anything: the server's IP list, or the HTTP status; None if one did."""
    if denied(answer, markers):
        text = "this host is not in the RTX server's IP list (SDKProperty.xml, sdkhttp, IPLimit)"
        return BackendDownError(text, code=_code(answer) or "ip", detail=words(answer))
    return None if answer.status == 200 else by_status(answer, now)


def denied(answer: RawAnswer, markers: Markers) -> bool:
    """Whether this host is kept out by its address."""
    if answer.status == 404:  # one variant of the script says it in the status line
        return b"ip limited" in answer.reason.lower()
    return not _holds(answer.body, markers.success) and _holds(answer.body, markers.ip_denied)


def by_status(answer: RawAnswer, now: float) -> BackendError | None:
    """What the HTTP status says."""
    wait = answer.headers.get(b"retry-after", b"").decode("ascii", "replace")
    return refusal(Answer(answer.status, {"Retry-After": wait}, words(answer).encode(), Mask()), now)


def state(answer: RawAnswer) -> int | None:
    """The number getstatus.php gave, bare or in JSONP; None if there is none."""
    found = _STATE.match(answer.body) if answer.status == 200 else None
    return int(found[1]) if found and len(found[1]) < 10 else None


def words(answer: RawAnswer) -> str:
    """The answer's text for people, without its tags: the body, else the `Ret String` header."""
    body = answer.body.strip() or unquote_to_bytes(answer.headers.get(b"ret string", b""))
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = body.decode("gbk", "replace")
    text = re.sub(r"<[^<>]{0,200}>", " ", text)
    return Answer(answer.status, {}, text.encode(), Mask()).detail


def _code(answer: RawAnswer) -> str:
    return answer.headers.get(b"ret code", b"").decode("ascii", "replace")


def _holds(body: bytes, markers: tuple[str, ...]) -> bool:
    body = body.lower()
    return any(form in body for marker in markers for form in _forms(marker))


def _forms(marker: str) -> set[bytes]:
    """A phrase as a script may send it: GBK, UTF-8, or escaped by PHP's json_encode."""
    marker = marker.lower()
    forms = {marker.encode(), json.dumps(marker)[1:-1].encode()}
    with suppress(UnicodeEncodeError):
        forms.add(marker.encode("gbk"))
    return forms
