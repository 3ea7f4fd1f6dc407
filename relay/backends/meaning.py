"""A service's codes, and what each of them means for a message."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, TypeVar

from msgspec import Struct

from relay.backends.answer import PAUSE, Answer, clamped, refusal, retry_after
from relay.backends.base import Check
from relay.errors import BackendError, RateLimitedError, RejectedError, TemporaryError

Form = TypeVar("Form")
Result = TypeVar("Result")

ABOUT_THE_MESSAGE: Final = {400, 413, 422}  # statuses
FEW: Final = 3  # attempts at what an unknown code may mean


class PayloadError(RejectedError):
    """The message isn't taken as it is; a plainer, shorter one may be."""


class GoneError(RejectedError):
    """The earlier message can't be updated or replied to any more; a new one can be sent."""


class Meaning(Struct, frozen=True):
    """What a code says: the error it becomes, and words for whoever reads it."""

    outcome: type[BackendError]
    words: str


def meanings(outcome: type[BackendError], words: Mapping[str, str]) -> dict[str, Meaning]:
    """A part of a service's table: the codes with one outcome."""
    return {code: Meaning(outcome, text) for code, text in words.items()}


def said(table: Mapping[str, Meaning], sentence: str, answer: Answer) -> BackendError | None:
    """The error for a sentence that holds one of the table's, which are in lower case; None if it doesn't."""
    lower = sentence.lower()
    found = next((part for part in table if part in lower), None)
    return meant(table[found], found, answer) if found else None


def meant(meaning: Meaning, code: str, answer: Answer) -> BackendError:
    """The error for a code that is known."""
    return meaning.outcome(f"{code}: {meaning.words}", code=code, detail=answer.detail)


def unknown(code: str, answer: Answer) -> BackendError:
    """The error for a code that isn't known, in an answer whose status says nothing either."""
    code = answer.mask(code)[:80]
    text = f"{code}: a code that relay doesn't know" if code else "an answer that relay can't read"
    return TemporaryError(text, code=code, detail=answer.detail, limit=FEW)


def otherwise(code: str, answer: Answer, now: float) -> BackendError:
    """The error for a code that isn't known: what the status says, where it is not 2xx.

    A 400, 413 or 422 is about the message, which may be taken plainer and shorter.
    """
    if answer.status in ABOUT_THE_MESSAGE:
        status = str(answer.status)
        return PayloadError(f"HTTP {status}: refused", code=status, detail=answer.detail)
    return refusal(answer, now) or unknown(code, answer)


def paused(
    code: str, answer: Answer, now: float, *waits: float | str, words: str = "too many messages"
) -> RateLimitedError:
    """The service asks for a pause: the longest that header and body name, in seconds."""
    named = [retry_after(str(wait), now) for wait in (answer.headers.get("Retry-After", ""), *waits)]
    pause = clamped(max((seconds for seconds in named if seconds is not None), default=PAUSE))
    text = f"{code}: {words}, asked to wait {pause:g} s"
    return RateLimitedError(text, retry_after=pause, code=code, detail=answer.detail)


async def plainer(forms: Iterable[Form], call: Callable[[Form], Awaitable[Result]]) -> Result:
    """`call` with the first form that the service takes; `PayloadError` if it takes none."""
    refused: PayloadError | None = None
    for form in forms:
        try:
            return await call(form)
        except PayloadError as error:
            refused = error
    assert refused is not None, "at least one form"
    raise refused


async def examined(look: Callable[[], Awaitable[str]]) -> list[Check]:
    """One finding: the words that `look` returns, or the error it raises."""
    try:
        return [Check(ok=True, text=await look())]
    except BackendError as error:
        return [Check(ok=False, text=str(error), code=error.code)]
