"""Acknowledgements and escalation: who is told next, and since when somebody has been working on it. Pure."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from relay.config.schema import Config, Rule, Step
from relay.models import Acknowledge, Alert, AlertState, Event
from relay.routing.recipients import Reached, addresses, expected_by, reached_by

UNACCEPTED: Final = 60.0  # seconds without acceptance by any address after which the next one is told


def acknowledged(alert: Alert, order: Acknowledge, rule: Rule | None, now: float) -> Alert:
    """The alert as the order wants it; the very object given if nothing changes."""
    if order.undo:
        return lifted(alert, now) if alert.state is AlertState.ACKED else alert
    if alert.state is AlertState.RESOLVED:
        return alert
    until = order.until or now + (rule or Rule(name="")).ack_for
    return replace(alert, state=AlertState.ACKED, acked_by=order.by, acked_until=until)


def lifted(alert: Alert, now: float) -> Alert:
    """Nobody works on it any more: reminders go on, and the time until the next step begins anew."""
    return replace(alert, state=AlertState.FIRING, acked_by="", acked_until=0.0, stepped_at=now)


def lapsed(alert: Alert, now: float) -> bool:
    """Whether its acknowledgement is over."""
    return alert.state is AlertState.ACKED and 0 < alert.acked_until <= now


def next_step(rule: Rule | None, alert: Alert) -> Step | None:
    """The step that time brings; None: nobody is left, or someone works on it, or it is held back."""
    waits = alert.state is AlertState.FIRING and alert.notified_at > 0 and not alert.hushed
    if rule is None or not waits or alert.step >= len(rule.escalate):
        return None
    return rule.escalate[alert.step]


def step_due(rule: Rule | None, alert: Alert, now: float) -> float | None:
    """When the next step is taken; None: not at all. A clock set back makes it no later."""
    step = next_step(rule, alert)
    return None if step is None else min(alert.stepped_at, now) + step.after


def audience(
    config: Config, rule: Rule, alert: Alert | None, now: float, event: Event | None = None
) -> list[Reached]:
    """Whom the rule reaches, and whom the steps taken so far have reached."""
    return _with_steps(reached_by(config, rule, now, event), config, rule, alert, now)


def expected(config: Config, rule: Rule, alert: Alert, now: float) -> list[Reached]:
    """As `audience`, without an event: whoever owns the code is known from the alert's standings."""
    return _with_steps(expected_by(config, rule, now, alert.standings), config, rule, alert, now)


def _with_steps(
    reached: list[Reached], config: Config, rule: Rule, alert: Alert | None, now: float
) -> list[Reached]:
    taken = rule.escalate[: alert.step] if alert is not None else ()
    if not taken:
        return reached
    further = addresses(config, [name for step in taken for name in step.to], now)
    known = {each.recipient for each in reached}
    return reached + [each for each in further if each.recipient not in known]
