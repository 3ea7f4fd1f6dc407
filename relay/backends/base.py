"""What a backend is: settings, limits, and one message to one address, once.

A backend builds a payload, posts it, and reads *that service's* answer. It does not retry, sleep, log, or
write to itself after `__init__`. What no backend should repeat stands beside this file: `http` (the
request, its deadline, its failures by class name), `answer` (status codes to errors), `compose`, `fit`
and `dialect` (a message as text within a service's limits).
"""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from msgspec import Struct

from relay.backends.rehearsal import Rehearsal
from relay.backends.template import Template
from relay.clock import Clock
from relay.errors import BackendError, TemporaryError
from relay.models import Message
from relay.values import Duration

if TYPE_CHECKING:  # 100 ms of import that whoever only reads rules.yaml need not wait for
    import aiohttp


Windows = tuple[tuple[int, float], ...]  # (messages, seconds) pairs, each of them sliding


class Limits(Struct, frozen=True, kw_only=True):
    """What a service takes, in all and for each receiver."""

    windows: Windows = ()  # of the whole account
    counts: Literal["calls", "receivers"] = (
        "calls"  # what `windows` count, where a call has several receivers
    )
    per_receiver: Windows = ()  # of each receiver by itself; see `Backend.pace`
    concurrency: int = 64  # messages in flight at most
    receivers: int = 1  # per call, for `send_many`
    share: str = ""  # equal ones share one limit (`shared` of the account); "": this backend has its own


def shared(*account: str) -> str:
    """The name of an account's limit: the same for the same account, and no way back to it."""
    return blake2b("\0".join(account).encode(errors="replace"), digest_size=16).hexdigest()


class Pace(Struct, frozen=True):
    """How often one receiver may be told something; addresses of one `name` are one receiver."""

    name: str
    windows: Windows


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """Settings every backend has, in rules.yaml under `backends: NAME:`.

    * `timeout`: total deadline of one attempt; default 10s
    * `attempts`: temporary failures of one delivery before it is dead; default 100
    * `expire`: a delivery older than this is dead; default 1d
    * `rate`: `20/1m`, or a list of such: replaces the service's published limits
    * `concurrency`: messages on their way at once; default: what suits the service
    * `on_ambiguous`: what becomes of a message whose request went out whole and got no complete answer:
      `retry` (the default: it may arrive twice) or `drop` (it is taken as sent, and may be lost; the
      attempt's note says so). Where the service itself knows a repeat by relay's key, it is repeated in
      either case. `drop` doesn't cover an attempt that relay's own stop or end cut short
    * `template`: `title` and `body` of messages here, in Jinja2; a rule's own template comes first
    """

    timeout: Duration = 10.0
    attempts: int = 100
    expire: Duration = 86400.0
    rate: tuple[str, ...] = ()  # each window slides
    concurrency: int = 0  # 0: the service's default
    on_ambiguous: Literal["retry", "drop"] = "retry"
    template: Template = Template()

    def problems(self) -> list[tuple[str, str]]:
        """What no single field shows: (field, what is wrong with it), for the checker of rules.yaml."""
        return []

    def refuses(self, to: str) -> str:
        """Why `to` can never be an address here; "" if it can. Needs no network: `relay check` can ask."""
        del to
        return ""


class Receipt(Struct, frozen=True, kw_only=True):
    """The service's own word that it accepted a message."""

    id: str = ""  # its message id, where it gives one
    note: str = ""  # anything worth recording: "queued", "offline, stored"
    handle: str = ""  # what a later message about the same alert needs to update or reply to this one


class Assumed(Receipt, frozen=True, kw_only=True):
    """Taken as sent without the service's word (`on_ambiguous: drop`); `error` says why there is none."""

    error: TemporaryError


class Feedback(Struct, frozen=True):
    """What became of a message that the service had accepted."""

    id: str  # `Receipt.id`
    to: str  # the address it went to
    outcome: Receipt | BackendError


class CallbackRequest(Struct, frozen=True, kw_only=True):
    """A request that the service (or somebody who says so) made to `/callback/NAME`."""

    method: str  # GET or POST
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    body: bytes  # at most 256 KiB
    now: float  # relay's clock


class CallbackAnswer(Struct, frozen=True, kw_only=True):
    """What to answer, and what the request told."""

    status: int = 200
    body: str = ""
    content_type: str = "text/plain"
    feedback: tuple[Feedback, ...] = ()


class Check(Struct, frozen=True, kw_only=True):
    """One finding of `relay doctor`."""

    ok: bool
    text: str
    code: str = ""


class Door(Struct, frozen=True, kw_only=True):
    """What the world gives a backend."""

    session: aiohttp.ClientSession  # shared by all backends: `http.open_session()`
    clock: Clock
    name: str  # the backend's name in rules.yaml
    rehearsal: Rehearsal | None = None  # takes what would be sent; nothing goes out then


class Backend(abc.ABC):
    """One configured connection to a service. Nothing is written to `self` after `__init__`."""

    type: ClassVar[str]
    settings: Settings
    limits: Limits = Limits()  # of the class; of the instance where settings decide
    idempotent: bool = False  # whether the service knows each message by relay's key, and a repeat of it
    tells_later: bool = False  # whether it calls back about accepted messages: their receipts are kept then

    def __init__(self, settings: Settings, door: Door) -> None:
        self.settings = settings
        self.door = door

    @abc.abstractmethod
    async def send(self, message: Message, to: str) -> Receipt:
        """Hand one message to one address, once; raises a `BackendError`."""

    async def send_many(self, message: Message, tos: Sequence[str]) -> list[Receipt | BackendError]:
        """Hand one message to up to `limits.receivers` addresses in one call: an outcome for each, in order.

        Only called where `limits.receivers` is above one, and with each address once. What is raised holds
        for all.
        """
        raise NotImplementedError

    def concluded(self, outcome: Receipt | BackendError) -> Receipt | BackendError:
        """The outcome, an ambiguous one as `on_ambiguous` has it."""
        match outcome:
            case TemporaryError(ambiguous=True, repeatable=False) if not self.idempotent:
                if self.settings.on_ambiguous == "drop":
                    return Assumed(note=f"taken as sent (on_ambiguous: drop): {outcome}", error=outcome)
        return outcome

    def pace(self, to: str) -> Pace:
        """How often that address may be used; only asked where `limits.per_receiver` isn't empty."""
        return Pace(to, self.limits.per_receiver)

    async def check(self) -> list[Check]:
        """Credentials and reachability without sending, as far as the service allows."""
        return []

    async def presence(self, to: str) -> bool | None:
        """Whether that account is online; None where it can't be known."""
        del to
        return None

    async def callback(self, request: CallbackRequest) -> CallbackAnswer:
        """Read what the service reports; raises `CallbackRefusedError` if it isn't the service's.

        Gets a few seconds. The request may be anybody's: check its signature before anything else.
        """
        del request
        return CallbackAnswer(status=404, body="this backend takes no callbacks")

    async def open(self) -> Self:
        """Get ready; may do nothing."""
        return self

    async def close(self) -> None:  # noqa: B027 - most backends hold nothing, and need not say so
        """Let go of what `open` took."""


class Registered(Struct, frozen=True):
    """A backend type as rules.yaml may name it."""

    settings: type[Settings]
    backend: type[Backend]
