"""Services whose answers carry a number in one field of the body, 0 for success, whatever the status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from relay.backends.answer import Answer, refusal
from relay.backends.meaning import FEW, Meaning, PayloadError, meant, paused, unknown
from relay.errors import BackendDownError, BackendError, RejectedError, TemporaryError
from relay.models import Json

LIFETIME: Final = 7200.0  # seconds of a token, where the service doesn't say

_NO_TOKEN: Final = Meaning(BackendDownError, "the credentials were refused")


class Numbered(Struct, frozen=True, kw_only=True):
    """A service's numbers and what they mean."""

    field: str  # that holds the number; some services send it as text at times
    meanings: Mapping[str, Meaning]
    waits: Mapping[str, float] = {}  # seconds to wait at numbers that say "too many", but not for how long

    def required(self, answer: Answer, now: float) -> Json:
        """The body of an answer that says 0; raises what any other says. `now` is the wall clock."""
        code = answer.code(self.field)
        if answer.accepted and code == "0":
            return answer.json() or {}
        raise self.failure(code, answer, now)

    def granted(self, answer: Answer, now: float, token: str, seconds: str) -> tuple[str, float]:
        """A token and its lifetime, by the fields' names; whoever is refused one needs an operator."""
        code = answer.code(self.field)
        meaning = self.meanings.get(code, _NO_TOKEN)
        passing = answer.status >= 500 or issubclass(meaning.outcome, TemporaryError)
        if code not in {"", "0", *self.waits} and not passing:
            raise meant(Meaning(BackendDownError, meaning.words), code, answer)
        self.required(answer, now)
        given, lifetime = answer.code(token), answer.code(seconds)
        if not given:
            raise unknown("", answer)
        return given, float(lifetime) if lifetime.isdecimal() else LIFETIME

    def failure(self, code: str, answer: Answer, now: float) -> BackendError:
        """What a number other than 0 says, or none at all."""
        if code in self.waits:
            return paused(code, answer, now, self.waits[code])
        if code in self.meanings:
            return meant(self.meanings[code], code, answer)
        if code not in {"", "0"} and answer.status == 400:
            return PayloadError(f"{code}: refused, by a code that relay doesn't know", code=code)
        return refusal(answer, now) or unknown(code, answer)


def refused(error: BackendError) -> bool:
    """Whether the service said no, by a number that relay knows or not, and is not just busy."""
    return isinstance(error, RejectedError) or (isinstance(error, TemporaryError) and error.limit == FEW)
