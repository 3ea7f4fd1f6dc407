"""What holds messages back, and until when: one record for each group, storm, flapping alert and budget.

A hold is as durable as what it holds: the store writes both in one transaction. All of it is a pure function
of the hold, the rules and `now`; times that a clock set back has left in the future count as now.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from hashlib import blake2b
from typing import cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from relay.models import Json, Level, Reason
from relay.routing.account import NOTHING, Account, Line, account_of, joined
from relay.routing.decide import Decision, Told


class Kind(enum.StrEnum):
    """What holds back, in the order in which a telling meets them."""

    FLAP = "flap"
    GROUP = "group"
    STORM = "storm"
    BUDGET = "budget"


class Part(Struct, frozen=True, gc=False):
    """What is held from recipients who have been told of the same so far."""

    to: tuple[str, ...]
    account: Account


class Hold(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One of them, as it is now."""

    key: str
    kind: Kind
    rule: str = ""  # but for budgets
    name: str = ""  # a group's values, a flapping alert's fingerprint, a budget's recipient
    opened_at: float = 0.0  # when it began to hold back; 0.0: it doesn't now
    told_at: float = 0.0  # when it last told; 0.0: never yet
    told: int = 0  # messages so far
    times: tuple[float, ...] = ()  # of what it counts: messages of a rule or recipient, resolutions
    urgent: tuple[float, ...] = ()  # storms: of critical ones, which have a count of their own
    moved_at: float = 0.0  # flapping: when it last fired or resolved
    cycles: int = 0  # flapping: resolutions held back
    level: Level = Level.DEBUG  # flapping: the worst that people know of
    news: bool = False  # groups: more than reminders is held
    subject: Line | None = None  # flapping: the latest alert
    not_before: float = 0.0  # budgets: when the recipient's hours begin
    to: tuple[str, ...] = ()  # flapping: who knows of it
    parts: tuple[Part, ...] = ()  # what is held, from whom

    @property
    def account(self) -> Account:
        """What is held from the first of them."""
        return self.parts[0].account if self.parts else NOTHING


def dumped(hold: Hold) -> Json:
    """As the store keeps it."""
    return cast("Json", msgspec.to_builtins(hold))


def restored(state: Json) -> Hold:
    """What the store kept."""
    return msgspec.convert(state, Hold)


def key_of(kind: Kind, *parts: str) -> str:
    """A name for the store, and for services that thread messages."""
    data = "\0".join(parts).encode(errors="surrogatepass")
    return f"{kind.value}-{blake2b(data, digest_size=8).hexdigest()}"


def recent(times: Iterable[float], now: float, seconds: float) -> tuple[float, ...]:
    """Those of the times that are less than so many seconds ago."""
    return tuple(min(at, now) for at in times if at > now - seconds)


def parts_of(decision: Decision) -> tuple[Part, ...]:
    """What a telling decision tells whom: people may know of different events."""
    told: dict[tuple[bool, int], list[Told]] = {}
    for each in decision.told:
        told.setdefault((each.reason is Reason.FIRST, each.known if each.since else 0), []).append(each)
    return tuple(
        Part(tuple(each.recipient for each in same), account_of(decision, same[0])) for same in told.values()
    )


def added(parts: Iterable[Part], more: Iterable[Part]) -> tuple[Part, ...]:
    """Both, the latter being later. Recipients who share an account go on sharing it as far as they can."""
    before = {name: part.account for part in parts for name in part.to}
    after = dict(before)
    sums: dict[tuple[int, int], Account] = {}
    for part in more:
        for name in part.to:
            old = before.get(name, NOTHING)
            pair = (id(old), id(part.account))
            if pair not in sums:
                sums[pair] = joined(old, part.account)
            after[name] = sums[pair]
    shared: dict[int, list[str]] = {}
    for name, account in after.items():
        shared.setdefault(id(account), []).append(name)
    return tuple(Part(tuple(names), after[names[0]]) for names in shared.values())


def worst(parts: Iterable[Part]) -> Level:
    """The worst in any of them."""
    return max((part.account.level for part in parts), default=Level.DEBUG)


def silenced(decision: Decision, by: Reason, why: str, until: float | None) -> Decision:
    """The decision with nobody told for now; its trace says by what, and until when."""
    held = {"by": by.value, "why": why, "until": until, "to": [each.recipient for each in decision.told]}
    return replace(decision, reason=by, told=(), trace={**decision.trace, "held": held})
