"""The words of relay as records: what an event, an alert, a notification and a delivery are.

Records are frozen: a change is a new record (`msgspec.structs.replace`). Times are seconds since the
epoch, UTC, as float, unless a name says otherwise. `gc=False` keeps a million of them from stalling the
collector; such records never form cycles.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct, field


class Level(enum.IntEnum):
    """How bad an event is. Ordered, so that `level: error` can mean error or above."""

    DEBUG = 10
    INFO = 20
    NOTICE = 25
    WARNING = 30
    ERROR = 40
    CRITICAL = 50

    @property
    def word(self) -> str:
        """The lower-case word used in rules.yaml, on the socket and in messages."""
        return self.name.lower()

    @classmethod
    def of(cls, text: str) -> Level | None:
        """The level that `text` names (any case, the usual synonyms), or None."""
        return LEVEL_WORDS.get(text.lower())


# What log libraries, syslog and people write for each level.
LEVEL_WORDS: Final[dict[str, Level]] = {
    **{level.name.lower(): level for level in Level},
    "trace": Level.DEBUG,
    "verbose": Level.DEBUG,
    "fine": Level.DEBUG,
    "finer": Level.DEBUG,
    "finest": Level.DEBUG,
    "dbg": Level.DEBUG,
    "information": Level.INFO,
    "config": Level.INFO,
    "warn": Level.WARNING,
    "err": Level.ERROR,
    "severe": Level.ERROR,
    "exception": Level.ERROR,
    "crit": Level.CRITICAL,
    "fatal": Level.CRITICAL,
    "alert": Level.CRITICAL,
    "emerg": Level.CRITICAL,
    "emergency": Level.CRITICAL,
    "panic": Level.CRITICAL,
}


class Event(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One thing that happened."""

    time: float  # when it happened, as the event itself says; else when relay read it
    source: str  # the source's name in rules.yaml
    module: str  # dotted name of the part of the system that reported it
    level: Level
    message: str  # the text; a stack trace follows its first line after a newline
    labels: dict[str, str] = field(default_factory=dict)
    origin: str = ""  # where it was read: "/path/app.log:1234" (byte offset) or "pid 12 uid 0 prog"
    id: str = ""  # the writer's own id, if it gave one
    program: str = ""  # who wrote it on the socket ("uid/comm"); an id is unique within it


class AlertState(enum.StrEnum):
    """The life of an alert."""

    FIRING = "firing"
    ACKED = "acked"
    RESOLVED = "resolved"


class Standing(Struct, frozen=True, gc=False, array_like=True):
    """What one recipient has been told of an alert, where that is not what the others have been told."""

    recipient: str
    via: str  # the rota they were reached through; "": none
    count: int  # events of the alert that they have been told of
    at: float  # when that was decided; 0.0: they were never told
    waiting: bool  # they are told when their hours begin


class Alert(Struct, frozen=True, gc=False, kw_only=True):
    """The same problem over time. One live alert per fingerprint; a resolved one stays as history."""

    id: int  # given by the store, increasing
    fingerprint: str  # 16 hex digits over rule, module and the masked message
    rule: str
    module: str
    level: Level  # the worst seen
    title: str  # the masked message's first line: what people read as the alert's name
    state: AlertState
    first_seen: float  # time of the first event
    last_seen: float  # time of the latest event
    count: int  # events so far
    notified_count: int  # events that the people told so far have been told of
    notified_at: float  # when relay last decided to tell someone; 0.0: never
    reminders: int  # reminders sent so far: picks the next step of `repeat`
    touched_at: float  # relay's clock at the latest event; quiet time counts from here
    hosts: tuple[str, ...] = ()  # the first few values of the label `host`, as first seen
    standings: tuple[Standing, ...] = ()  # of those who have been told of other events than the rest
    group: str = ""  # key of the group it is told in; "": it is told by itself
    hushed: str = ""  # key of the silence or inhibition that holds a message about it back
    acked_by: str = ""  # who works on it, while it is acked
    acked_until: float = 0.0  # when the acknowledgement lapses; 0.0: not while the alert lives
    step: int = 0  # steps of `escalate` taken
    stepped_at: float = 0.0  # since when the next step's time runs
    equal: tuple[tuple[str, ...], ...] = ()  # values that `inhibit` compares, as seen in its events


class Reason(enum.StrEnum):
    """Why a decision came out as it did. Stored, printed by `relay explain`, and counted."""

    FIRST = "first"  # a new problem: told at once
    REMINDER = "reminder"  # it goes on, and `repeat` says it is time
    RESOLVED = "resolved"  # quiet for `resolve_after`
    CLOSED = "closed"  # quiet; the last events of a window are accounted for in a closing line
    WINDOW = "window"  # the same problem within the repeat window: counted, told with the next reminder
    MUTED = "muted"  # outside of the hours of the rule or its recipients: counted, told when they begin
    QUIET = "quiet"  # nothing owed
    GROUP = "group"  # held for, or told in, the one message of its group
    STORM = "storm"  # held for, or told in, the one message of its rule's storm
    FLAPPING = "flapping"  # it fires and resolves over and over: said once, then held
    SETTLED = "settled"  # it has stopped flapping: what was held meanwhile
    BUDGET = "budget"  # held for, or told in, the digest of a recipient whose budget is spent
    NO_RULE = "no_rule"  # no rule matched
    BELOW = "below"  # fewer than the rule's `threshold` or `distinct` asks for: held back
    USUAL = "usual"  # no faster than before, for a rule with `rate`: held back
    KNOWN = "known"  # not the first of its kind, for a rule with `new`: held back
    OPENED = "opened"  # the first half of a `pair`: told only if the other doesn't come
    PAIRED = "paired"  # the half that ends a `pair`
    SEEN = "seen"  # it came, for a rule that tells when nothing does (`absent`)
    DROPPED = "dropped"  # a rule without recipients (`to: []`) took it
    LINKED = "linked"  # part of an outage that the watchdog tells of: counted there
    OPERATORS = "operators"  # relay's own trouble, told to the operators
    ACKED = "acked"  # someone works on it: counted, told when that lapses or it is over
    SILENCED = "silenced"  # a silence holds the message back
    INHIBITED = "inhibited"  # an alert that says more holds the message back
    ESCALATED = "escalated"  # nobody acknowledged it, or no address accepted it: the next recipient
    SUMMARY = "summary"  # what a silence or inhibition held back, now that it is over
    ENDING = "ending"  # a silence ends soon


class Address(Struct, frozen=True, gc=False, array_like=True):
    """One way to reach a recipient: an account, room or mail address at one backend."""

    backend: str
    to: str


class Silence(Struct, frozen=True, gc=False, kw_only=True):
    """A mute by command, API or link. Those of rules.yaml aren't stored."""

    id: int  # given by the store, increasing
    matchers: tuple[str, ...]  # `module=pay.*`, `host=/web[12]/`: all must hold
    author: str
    reason: str
    created_at: float
    ends_at: float  # at the latest
    until_quiet: float = 0.0  # seconds without a matching event after which it ends; 0.0: it doesn't
    quiet_since: float = 0.0  # the latest matching event, or its beginning
    reminded: bool = False  # that it ends soon has been told
    ended_at: float = 0.0  # 0.0: it is in force
    ended_by: str = ""  # who ended it early


class Withheld(Struct, frozen=True, gc=False, kw_only=True):
    """What a silence or inhibition held back from one recipient and no message will tell: for its closing."""

    hush: str  # the key of what held it back
    recipient: str
    events: int
    alerts: int
    hosts: tuple[str, ...]  # the first few
    first: float  # event times
    last: float
    lines: tuple[str, ...] = ()  # the first few alerts, in words
    addresses: tuple[Address, ...] = ()


class Acknowledge(Struct, frozen=True):
    """Someone works on a live alert, or no longer does."""

    alert: int
    by: str
    until: float = 0.0  # 0.0: for the rule's `ack_for`
    undo: bool = False


class EndSilence(Struct, frozen=True):
    """A silence is to end now."""

    silence: int
    by: str


Order = Acknowledge | Silence | EndSilence  # what people want done, in the pipeline's next transaction


class Position(Struct, frozen=True, gc=False, kw_only=True):
    """How far a tailed file has been read: saved in the transaction of what those bytes caused."""

    source: str
    path: str  # as opened (surrogateescape for names that aren't UTF-8)
    dev: int
    inode: int
    offset: int  # bytes consumed: all before it is in the store or wanted by no rule
    head: str  # hex digest of the file's first bytes, with their number: identity beyond the inode
    tail: str = ""  # hex digest of the bytes just before `offset`: notices a rewrite in place
    seen_at: float = 0.0  # relay's clock when last read; old ones are forgotten


class Wording(Struct, frozen=True, gc=False, kw_only=True):
    """What the operators' template made of a message; untrusted text like all of it."""

    title: str = ""  # in place of module and title; "": these
    body: str | None = None  # in place of text and facts; None: these


class Message(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What is to be told, before any backend's dialect. All text in it is untrusted unless noted."""

    reason: Reason
    title: str  # the masked first line
    level: Level
    rule: str  # trusted: from rules.yaml
    module: str
    state: AlertState
    count: int  # events of the alert so far
    first_seen: float
    last_seen: float
    text: str  # the sample event's message, several lines, cut to a few KiB
    alert: int = 0  # the alert's id; 0 for messages about relay itself
    fingerprint: str = ""
    labels: dict[str, str] = field(default_factory=dict)  # the sample event's
    hosts: tuple[str, ...] = ()
    source: str = ""
    origin: str = ""
    more: int = 0  # events since the last message about this alert
    counted: tuple[str, ...] = ()  # what made the rule tell ("3 in 42 s"), then what was counted
    variants: int = 0  # problems that were new among them, where the message is about several
    since: float = 0.0  # when that last message was decided
    late: float = 0.0  # seconds between the decision and this attempt, when worth saying
    key: str = ""  # stable over retries: the idempotency key where a service has one
    links: tuple[tuple[str, str], ...] = ()  # (label, URL), trusted: from rules.yaml or made by relay
    handle: str = ""  # of the earlier message about this alert at this address: to update or reply to
    notes: tuple[str, ...] = ()  # what else to know: acknowledged by whom, which silence is over
    digest: tuple[str, ...] = ()  # one line for each further alert folded into this message
    wording: Wording | None = None  # made for each attempt from the rules as they are then; never stored


class DeliveryState(enum.StrEnum):
    """The states of an outbox row; the arrows between them stand in outbox/retry.py."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Delivery(Struct, frozen=True, gc=False, kw_only=True):
    """One message owed to one recipient: now to `address`, and if that fails to the next of `fallbacks`."""

    id: int  # given by the store, increasing
    alert: int  # the alert's id; 0 for relay's own messages
    recipient: str
    reason: Reason
    address: Address
    fallbacks: tuple[Address, ...]  # addresses not tried yet, in order
    message: Message
    state: DeliveryState
    created_at: float
    next_at: float  # not before this time
    expires_at: float
    attempts: int = 0  # attempts counted against the limit (rate limits and interruptions aren't)
    lease_until: float = 0.0  # while sending: when another may take it over
    tried: tuple[Address, ...] = ()  # addresses that refused or failed, for the outbox desk
    error: str = ""  # the last attempt's outcome in words, no secrets
    handle: str = ""  # what the service gave to update or reply to it
    receipt: str = ""  # its id at a service that may still tell what became of it; "" once it has told
    thread: str = ""  # key of the group, storm or digest it tells of, where that is no single alert


class Attempt(Struct, frozen=True, gc=False, kw_only=True):
    """One try to hand a delivery to a backend, as recorded."""

    delivery: int
    backend: str
    to: str
    started_at: float
    seconds: float
    outcome: str  # "delivered", or the error's short name: temporary, rate_limited, rejected ...
    code: str = ""  # the service's own code
    detail: str = ""  # the service's own words, masked, at most 2 KiB


class CheckRecord(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What the watchdog must know of a check after a restart. Times are relay's clock; 0.0: never."""

    name: str
    down: bool = False
    since: float = 0.0  # when it came to be up or down
    restarts: tuple[float, ...] = ()  # the latest, oldest first
    gave_up: bool = False  # it is restarted no more until it held for long, or someone resumes it
    paused_until: float = 0.0
    first_seen: float = 0.0  # when relay first watched it
    beat_at: float = 0.0  # the latest sign of life
    beat_failed: str = ""  # what the latest one said, if it told of a failure


class Batch(Struct, kw_only=True):
    """What a source hands over at once: events, and what may be saved with them (positions, records).

    `done` is called in the event loop after the transaction that holds the batch committed: None, or
    the error that made the store give up. Exactly one call per batch.
    """

    events: list[Event]
    positions: list[Position] = field(default_factory=list)
    checks: list[CheckRecord] = field(default_factory=list)
    done: Callable[[Exception | None], None] | None = None
    size: int = 0  # bytes of text held, for the intake's water marks
    orders: list[Order] = field(default_factory=list)


Json = dict[str, Any]
