"""What is owed to whom, as rows of the outbox: addressed, with a seat where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from msgspec import structs

from relay.holds import Telling
from relay.links import Links
from relay.models import Address, Alert, AlertState, Delivery, DeliveryState, Event, Message, Reason
from relay.outbox.store import Store
from relay.routing.calendar import NEVER
from relay.routing.decide import Decision, Told
from relay.routing.hold import Kind, Part
from relay.routing.recipients import Reached
from relay.routing.render import held_message, message
from relay.rulebook import RELAY
from relay.turn import Turn

LEASE: Final = 120.0  # seconds a handed-over delivery stays claimed


class Outlets(Protocol):
    """What the pipeline needs from the dispatcher."""

    def order(self, addresses: Sequence[Address], avoid: str = "") -> tuple[Address, ...]:
        """Addresses by preference, backends that are down or to avoid last."""
        ...

    def seat(self, address: Address, delivery: int) -> bool:
        """Take a seat for that delivery, so that it can be committed as already claimed."""
        ...

    def give_back(self, delivery: int) -> None:
        """Return that delivery's seat."""
        ...

    def hand_over(self, deliveries: Sequence[Delivery]) -> None:
        """Start deliveries that were committed with a seat."""
        ...

    def notice(self, backend: str, at: float) -> None:
        """A pending delivery of that backend is due then."""
        ...


class Owing:
    """Makes deliveries; the turn they are made in commits them."""

    def __init__(self, store: Store, outlets: Outlets, links: Links) -> None:
        self._store = store
        self._outlets = outlets
        self._links = links

    def told(
        self,
        turn: Turn,
        told: Told,
        decision: Decision,
        before: Alert | None,
        sample: Event | None,
        counted: tuple[str, ...],
    ) -> None:
        """What a decision tells one recipient; `counted`: by its rule."""
        own = sample is not None and sample.source == RELAY
        avoid = sample.labels.get("avoid", "") if sample is not None and own else ""
        text = message(decision, before, sample, "", told, counted)
        text = structs.replace(text, links=self._links_of(turn, decision.alert, told.recipient))
        self._add(turn, told, Reason.OPERATORS if own else told.reason, text, avoid=avoid)

    def held(
        self,
        turn: Turn,
        telling: Telling,
        part: Part,
        reached: Reached,
        sample: Event | None,
        alert: Alert | None,
    ) -> None:
        """What was held, to one recipient; `alert`: the live one that all of it is about, if it is one."""
        hold = telling.hold
        over = part.account.is_over if telling.goes_on is None else not telling.goes_on
        text = held_message(hold, part.account, telling.reason, sample, key="", ends=over, note=telling.note)
        if alert is not None:
            text = structs.replace(text, links=self._links_of(turn, alert, reached.recipient))
        told = Told(reached.recipient, reached.addresses, telling.reason)
        match hold.kind:
            case Kind.GROUP | Kind.STORM:
                self._add(turn, told, told.reason, text, thread=hold.key)
            case Kind.BUDGET:  # this recipient's alone: nothing newer makes it stale, nobody shares it
                self._add(turn, told, told.reason, text, shared=False)
            case _:
                self._add(turn, told, told.reason, text)

    def note(self, turn: Turn, person: Reached, text: Message) -> None:
        """Something about what relay does, within their hours; not to addresses whose backend has gone."""
        ways = tuple(each for each in person.addresses if each.backend in turn.rules.config.backends)
        if ways and person.opens_at < NEVER:
            told = Told(person.recipient, ways, text.reason, not_before=person.opens_at)
            self._add(turn, told, text.reason, text)

    def _links_of(self, turn: Turn, alert: Alert, recipient: str) -> tuple[tuple[str, str], ...]:
        """What to do about an alert: its runbook, and while it fires what can be done by following a link."""
        rule = turn.rule_of(alert)
        runbook = (("runbook", rule.runbook),) if rule is not None and rule.runbook else ()
        firing = alert.state is AlertState.FIRING
        return runbook + (self._links.made(alert.id, recipient, turn.now) if firing else ())

    def _add(
        self,
        turn: Turn,
        told: Told,
        reason: Reason,
        text: Message,
        *,
        avoid: str = "",
        thread: str = "",
        shared: bool = True,
    ) -> None:
        """An outbox row for one recipient; it waits for their hours."""
        number = self._store.next_ids(1)
        first, *others = self._outlets.order(told.addresses, avoid)
        expire = max(turn.rules.config.backends[each.backend].expire for each in told.addresses)
        seated = not told.not_before and self._outlets.seat(first, number)
        due_at = max(turn.now, told.not_before)
        delivery = Delivery(
            id=number,
            alert=text.alert if shared else 0,
            recipient=told.recipient,
            reason=reason,
            address=first,
            fallbacks=tuple(others),
            message=structs.replace(text, key=f"{self._store.id}-{number}"),
            state=DeliveryState.SENDING if seated else DeliveryState.PENDING,
            created_at=due_at,  # what waits for someone's hours isn't late then
            next_at=due_at,
            expires_at=due_at + expire,
            lease_until=turn.now + LEASE if seated else 0.0,
            thread=thread,
        )
        turn.commit.deliveries.append(delivery)
