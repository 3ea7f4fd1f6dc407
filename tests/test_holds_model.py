"""Anything may happen at any time, and relay may be killed in between: what must be true of what people got.

The model is the list of all events and the list of all messages, nothing else.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.config.schema import Flap, Person, Rule, Storm
from relay.config.windows import window
from relay.models import Delivery, Level, Reason
from tests.replay import Replay, accounted, named
from tests.test_holds import WORDS, config, on, rule

PLAIN = rule(repeat=(600.0, 1800.0), resolve_after=900.0)
RULES = {
    "plain": PLAIN,
    "grouped": rule(repeat=(600.0,), resolve_after=900.0, group_by=("host", "module")),
    "waiting": rule(group_wait=45.0, repeat=()),
    "stormy": rule(storm=Storm(3, 60.0), resolve_after=300.0),
    "flapping": rule(resolve_after=60.0, flap=Flap(2, 900.0)),
    "each": rule(fingerprint="event", storm=Storm(5, 60.0)),
    "all": rule(
        group_by=("host",), resolve_after=60.0, flap=Flap(2, 900.0), storm=Storm(2, 120.0), group_wait=5.0
    ),
}
BUDGETS = ((), ("3/1m",), ("2/1m", "6/1h"))
OFFICE = (window("08:20-08:40"), window("09:30-18:00"))  # the script begins at 08:00
DAYS = 5 * 86400.0

problems = st.tuples(st.sampled_from(WORDS[:12]), st.sampled_from(["web1", "web2"]), st.integers(1, 4))
bursts = st.lists(problems, min_size=1, max_size=8)
steps = st.one_of(
    bursts.map(lambda burst: ("events", burst)),
    bursts.map(lambda burst: ("critical", burst[:1])),
    st.sampled_from([1.0, 20.0, 61.0, 400.0, 4000.0]).map(lambda seconds: ("wait", seconds)),
    st.just(("kill", None)),
)


@settings(max_examples=150)
@given(st.sampled_from(sorted(RULES)), st.sampled_from(BUDGETS), st.lists(steps, max_size=30))
def test_each_event_is_told_exactly_once_and_nobody_hears_too_much(
    which: str, budget: tuple[str, ...], script: list[tuple[str, object]]
) -> None:
    asyncio.run(_play(RULES[which], budget, script))


async def _play(by: Rule, budget: tuple[str, ...], script: Iterable[tuple[str, object]]) -> None:
    li = Person(addresses={"a": "li"}, active=OFFICE, zone="UTC")
    people = {"wang": {"a": "wang"}, "li": li, "ops": {"a": "ops"}}
    replay = Replay(config(replace(by, to=("wang", "li")), budget=budget, recipients=people))
    given_events = 0
    for what, value in script:
        if what == "wait":
            assert isinstance(value, float)
            await replay.wait(value)
        elif what == "kill":
            replay.restart()
        else:
            assert isinstance(value, list)
            level = Level.CRITICAL if what == "critical" else Level.ERROR
            events = [on(host, f"{word} broke", level=level, time=replay.clock.now())
                      for word, host, times in value for _ in range(times)]  # fmt: skip
            given_events += len(events)
            await replay.take(*events)
        assert all(accounted(replay.messages(name)) <= given_events for name in ("wang", "li"))
    await replay.wait(DAYS)
    for name in ("wang", "li"):
        assert accounted(replay.messages(name)) == given_events, name
        assert named(replay.messages(name)) == set(replay.store.alerts), name
    assert sum(replay.store.reasons.values()) == given_events
    wang = [each for each in replay.told if each.recipient == "wang"]
    _check_budget(wang, budget)
    if not budget:  # a message that waited for a budget comes closer to the next
        _check_windows(wang, by)


def _check_budget(told: Iterable[Delivery], budget: tuple[str, ...]) -> None:
    """In no stretch of a window's length is there an uncritical message beyond the window's number."""
    times: list[float] = []
    for each in told:
        for rate, seconds in ((3, 60.0),) if budget == BUDGETS[1] else ((2, 60.0), (6, 3600.0)):
            lately = sum(at > each.created_at - seconds + 1e-6 for at in times)
            assert not budget or each.message.level >= Level.CRITICAL or lately < rate
        times.append(each.created_at)


def _check_windows(told: Iterable[Delivery], by: Rule) -> None:
    """No two messages about one problem or group within its window, but where it became critical or ended."""
    latest: dict[object, float] = defaultdict(lambda: float("-inf"))
    for each in told:
        if each.reason is Reason.REMINDER and each.message.level < Level.CRITICAL:
            assert each.created_at - latest[each.alert] >= by.repeat[0] - 1e-6
        if each.thread.startswith("group") and by.group_by:
            started = each.message.since == 0.0
            assert started or each.created_at - latest[each.thread] >= by.group_interval - 1e-6
        if each.thread.startswith("storm") and each.message.since:
            assert each.created_at - latest[each.thread] >= 30.0 - 1e-6
        latest[each.thread or each.alert] = each.created_at
