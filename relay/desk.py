"""The outbox desk: what the commands may ask of the running daemon, as verbs of the control socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from relay.clock import Clock
from relay.control import Verb
from relay.models import DeliveryState, Json
from relay.outbox.store import Store
from relay.placing import Known
from relay.reload import Prepared
from relay.routing.hold import Hold, dumped

MOST_ROWS: Final = 1000
MOST_SEEN: Final = 5000  # kinds of events that `relay check` is told of
SECOND_LIFE: Final = 86400.0  # seconds a retried delivery gets before it expires


class Desk:
    """Each verb takes a request object and returns plain data."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        status: Callable[[], Awaitable[Json]],
        known: Callable[[], Known],
        counted: Callable[[str, str], Struct | None],
        notice: Callable[[str, float], None],
        reload: Callable[[], Awaitable[Prepared]],
        holds: Callable[[], Sequence[Hold]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._status = status
        self._known = known
        self._counted = counted
        self._notice = notice
        self._reload = reload
        self._holds = holds

    def verbs(self) -> Mapping[str, Verb]:
        """By the name used on the control socket."""
        return {
            "status": self._on_status,
            "reload": self._on_reload,
            "alerts": self._on_alerts,
            "alert": self._on_alert,
            "known": self._on_known,
            "live": self._on_live,
            "seen": self._on_seen,
            "counted": self._on_counted,
            "holds": self._on_holds,
            "outbox": self._on_outbox,
            "delivery": self._on_delivery,
            "retry": self._on_retry,
            "drop": self._on_drop,
        }

    async def _on_status(self, _: Json) -> Json:
        return await self._status()

    async def _on_reload(self, _: Json) -> Json:
        prepared = await self._reload()
        return {"taken": prepared.rules is not None, "problems": [str(each) for each in prepared.problems]}

    async def _on_alerts(self, request: Json) -> Any:
        rows = await self._store.alerts(states=request.get("states", ()), most=_most(request))
        return [msgspec.to_builtins(row) for row in rows]

    async def _on_alert(self, request: Json) -> Any:
        number = int(request["id"])
        row = await self._store.alert(number)
        if row is None:
            return None
        return {
            **msgspec.to_builtins(row),
            "events": msgspec.to_builtins(await self._store.events_of(number)),
            "deliveries": msgspec.to_builtins(await self._store.deliveries(alert=number)),
        }

    async def _on_known(self, _: Json) -> Json:
        """What decides, beside the rules, where an event belongs; for `relay explain`."""
        known = self._known()
        return {"down": list(known.down), "signature": known.signature}

    async def _on_live(self, request: Json) -> Any:
        """Live alerts by fingerprint, for `relay explain`."""
        return msgspec.to_builtins(self._known().live(request["fingerprints"]))

    async def _on_seen(self, request: Json) -> Any:
        """What came in lately, and what came of the latest attempt at each address, for `relay check`."""
        since = float(request["since"])
        return {
            "events": msgspec.to_builtins(await self._store.seen(since, MOST_SEEN)),
            "attempts": msgspec.to_builtins(await self._store.last_outcomes(since)),
        }

    async def _on_counted(self, request: Json) -> Any:
        """What a rule has counted under a key, for `relay explain`."""
        return msgspec.to_builtins(self._counted(str(request["rule"]), str(request["key"])))

    async def _on_holds(self, _: Json) -> Any:
        """What holds messages back, for `relay explain`."""
        return [dumped(hold) for hold in self._holds()]

    async def _on_outbox(self, request: Json) -> Any:
        states = [DeliveryState(state) for state in request.get("states", ())]
        return msgspec.to_builtins(await self._store.deliveries(states=states, most=_most(request)))

    async def _on_delivery(self, request: Json) -> Any:
        found = await self._store.delivery(int(request["id"]))
        if found is None:
            return None
        delivery, attempts = found
        return {"delivery": msgspec.to_builtins(delivery), "attempts": msgspec.to_builtins(attempts)}

    async def _on_retry(self, request: Json) -> Json:
        now = self._clock.now()
        count = await self._store.retry(await self._chosen(request), now, now + SECOND_LIFE)
        for backend, at in (await self._store.next_due()).items():
            self._notice(backend, at)
        return {"count": count}

    async def _on_drop(self, request: Json) -> Json:
        return {"count": await self._store.drop(await self._chosen(request), self._clock.now())}

    async def _chosen(self, request: Json) -> list[int]:
        """The ids of the request, or all dead ones."""
        if request.get("all_dead"):
            dead = await self._store.deliveries(states=[DeliveryState.DEAD], most=MOST_ROWS)
            return [delivery.id for delivery in dead]
        return [int(number) for number in request["ids"]]


def _most(request: Json) -> int:
    return max(1, min(int(request.get("most", 100)), MOST_ROWS))
