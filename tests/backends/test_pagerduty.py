"""PagerDuty: incidents that open, go on and close, and its answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.base import Door
from relay.backends.pagerduty import PagerDuty, Settings
from relay.errors import BackendDownError, BackendError, RateLimitedError, TemporaryError
from relay.models import AlertState, Level, Reason
from relay.values import Secret
from tests.backends.messages import message, reminder
from tests.emulators.faults import Fault
from tests.emulators.pagerduty import KEY, PagerDutyEvents


@pytest.fixture
async def events() -> AsyncIterator[PagerDutyEvents]:
    async with PagerDutyEvents() as events:
        yield events


@pytest.fixture
def pagerduty(events: PagerDutyEvents, door: Door) -> Any:
    def build(**changes: Any) -> PagerDuty:
        given = {"routing_key": Secret(KEY), "endpoint": f"{events.url}/v2/enqueue", **changes}
        return PagerDuty(Settings(**given), door)

    return build


async def failure(backend: PagerDuty) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), "ops")
    return caught.value


async def test_an_event_says_all(events: PagerDutyEvents, pagerduty: Any) -> None:
    await pagerduty(client_url="https://relay").send(message(links=(("runbook", "https://h/x"),)), "ops")
    (event,) = events.events
    assert event["event_action"] == "trigger"
    assert event["payload"] == {
        "summary": "[ERROR] pay.refund: timeout after <num> ms",
        "source": "web1",
        "severity": "error",
        "timestamp": "2026-01-05T07:59:55.000Z",
        "component": "pay.refund",
        "group": "payments",
        "class": "timeout after <num> ms",
        "custom_details": {
            **event["payload"]["custom_details"],
            "host": "web1",
            "text": "timeout after 3000 ms",
            "note": "alert 17",
        },
    }
    assert event["links"] == [{"href": "https://h/x", "text": "runbook"}]
    assert (event["client"], event["client_url"]) == ("relay", "https://relay")


async def test_an_alert_is_one_incident(events: PagerDutyEvents, pagerduty: Any) -> None:
    first = await pagerduty().send(message(), "ops")
    again = {"first_seen": message().first_seen}
    await pagerduty().send(reminder(handle=first.handle), "ops")
    await pagerduty().send(reminder(**again), "ops")  # without its handle: the same key all the same
    await pagerduty().send(message(state=AlertState.ACKED), "ops")
    (incident,) = events.incidents
    assert (incident.status, len(incident.events)) == ("acknowledged", 4)
    await pagerduty().send(message(state=AlertState.RESOLVED, reason=Reason.RESOLVED), "ops")
    assert incident.status == "resolved"
    await pagerduty().send(message(alert=18), "ops")  # the next one opens another
    assert [one.status for one in events.incidents] == ["resolved", "triggered"]


async def test_relays_own_messages_have_keys_too(events: PagerDutyEvents, pagerduty: Any) -> None:
    await pagerduty().send(message(alert=0, fingerprint="", hosts=(), source=""), "ops")
    assert events.events[0]["dedup_key"] == "k-17-1"
    assert events.events[0]["payload"]["source"] == "pay.refund"


@pytest.mark.parametrize(
    ("level", "state", "expected"),
    [
        (Level.CRITICAL, AlertState.FIRING, "critical"),
        (Level.ERROR, AlertState.FIRING, "warning"),
        (Level.NOTICE, AlertState.FIRING, "info"),
        (Level.CRITICAL, AlertState.RESOLVED, "info"),
    ],
)
async def test_severities(
    events: PagerDutyEvents, pagerduty: Any, level: Level, state: AlertState, expected: str
) -> None:
    await pagerduty(severity={"error": "warning"}).send(message(level=level, state=state), "ops")
    assert events.events[0]["payload"]["severity"] == expected


async def test_a_key_that_is_refused_is_the_operators(pagerduty: Any) -> None:
    error = await failure(pagerduty(routing_key=Secret("x" * 32)))
    assert isinstance(error, BackendDownError)
    assert str(error) == "400: PagerDuty doesn't know this integration key"


async def test_too_many_wait_half_a_minute(events: PagerDutyEvents, pagerduty: Any) -> None:
    events.fault = Fault(status=429)
    error = await failure(pagerduty())
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 30.0


@pytest.mark.parametrize(
    ("status", "answer"), [(200, None), (202, {"status": "odd"}), (202, {"message": "ok"})]
)
async def test_an_answer_without_success_is_none(
    events: PagerDutyEvents, pagerduty: Any, status: int, answer: Any
) -> None:
    events.status, events.answer = status, answer
    error = await failure(pagerduty())
    assert isinstance(error, TemporaryError)
    assert error.limit == 3


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"routing_key": Secret("x" * 31)}, "routing_key"),
        ({"endpoint": "h"}, "endpoint"),
        ({"client_url": "h"}, "client_url"),
        ({"severity": {"error": "bad"}}, "severity"),
        ({"severity": {"bad": "error"}}, "severity"),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], key: str) -> None:
    assert Settings(routing_key=Secret(KEY)).problems() == []
    assert [found for found, _ in Settings(**{"routing_key": Secret(KEY), **changes}).problems()] == [key]
