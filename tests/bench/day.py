"""A day of a mixed log, through a relay that makes each line a message, and through this one.

The day is made with a fixed seed and replayed through the real pipeline under a fake clock: 24 hours take
seconds. What people got must make up for every event that concerned them.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from itertools import groupby

from relay.config.schema import Config, Match, Rule, Text
from relay.models import Event, Level
from relay.pipeline import Rules
from relay.routing.recipients import addresses
from relay.routing.ruleset import Ruleset
from tests.bench.storm import problem
from tests.fakes import FakeSettings
from tests.replay import Replay, accounted

SEED = 20260105
MODULES = ("pay.refund", "pay.card", "shop.cart", "shop.search", "stock.sync", "crm.mail")
MIDNIGHT = 1_767_571_200.0
HOUR = 3600.0
DAY = 24 * HOUR

CONFIG = Config(
    operators=("ops",),
    backends={"im": FakeSettings()},
    recipients={name: {"im": name} for name in ("wang", "li", "ops")},
    rules=(
        Rule(name="payments", match=Match(module=(Text("glob", "pay.*"),), level=Level.ERROR), to=("wang",),
             resolve_after=900.0),
        Rule(name="shop", match=Match(module=(Text("glob", "shop.*"),), level=Level.ERROR), to=("li",),
             group_by=("service",), resolve_after=900.0),
        Rule(name="probes", match=Match(module=(Text("exact", "probe"),), level=Level.WARNING), to=("ops",),
             resolve_after=90.0),
        Rule(name="every error", match=Match(level=Level.ERROR), to=("ops",)),
    ),
)  # fmt: skip


def main() -> None:
    plain, told, events = asyncio.run(play(list(day())))
    print(f"  {events:,} events in 24 h; messages to each person:")
    print(f"  {'':8} {'one line, one message':>22} {'relay':>8}   of these")
    for name in sorted(plain):
        kinds = ", ".join(f"{count} {reason}" for reason, count in sorted(told[name].items()))
        print(f"  {name:8} {plain[name]:>22,} {told[name].total():>8,}   {kinds}")
    print("  events that no message makes up for: 0")


async def play(
    events: list[Event], config: Config = CONFIG
) -> tuple[Counter[str], dict[str, Counter[str]], int]:
    """Messages to each person by a plain relay, by this one and reason, and how many events there were."""
    ruleset = Rules.of(config, Ruleset(config)).ruleset
    plain: Counter[str] = Counter()
    for event in events:
        for rule in ruleset.route(event):
            plain.update(reached.recipient for reached in addresses(config, rule.to, event.time))
    replay = Replay(config, MIDNIGHT)
    for second, batch in groupby(events, key=lambda event: int(event.time)):
        await replay.wait(max(0.0, second - replay.clock.now()))
        await replay.take(*batch)
    await replay.wait(MIDNIGHT + DAY - replay.clock.now())
    told = {name: Counter(each.reason.value for each in replay.messages(name)) for name in plain}
    await replay.wait(4 * DAY)  # until all is over: what was still counted then is told too
    for name, count in plain.items():
        assert accounted(replay.messages(name)) == count, name
    return plain, told, len(events)


def day() -> Iterator[Event]:
    """In order of time."""
    chance = random.Random(SEED)
    made = [*_usual(chance), *_storm(chance), *_dependency(chance), *_flapping(chance), *_disk(chance)]
    yield from sorted(made, key=lambda event: event.time)


def _usual(chance: random.Random) -> Iterator[Event]:
    """Errors as every day has them: some problems often, most of them seldom."""
    for number in range(150):
        module = chance.choice(MODULES)
        times = int(chance.paretovariate(0.8)) if number % 3 else 1
        for _ in range(min(times, 400)):
            yield _event(chance, chance.uniform(0, DAY), module, f"{problem(number)} failed", "web")


def _storm(chance: random.Random) -> Iterator[Event]:
    """02:51, the database is gone for ten minutes: whatever uses it fails in its own words."""
    for _ in range(60_000):
        number = 200 + int(chance.triangular(0, 400, 0))
        module = ("shop.cart", "shop.order", "stock.sync", "stock.count", "crm.mail")[number % 5]
        at = 2 * HOUR + 51 * 60 + chance.uniform(0, 600)
        yield _event(chance, at, module, f"{problem(number)}: connection to db refused", "web")


def _dependency(chance: random.Random) -> Iterator[Event]:
    """14:00 to 16:30, the card network answers late: five kinds of errors, twice a second."""
    for number in range(18_000):
        at = 14 * HOUR + number * 0.5
        yield _event(chance, at, "pay.card", f"{problem(700 + number % 5)}: timeout after {number} ms", "pay")


def _flapping(chance: random.Random) -> Iterator[Event]:
    """09:00 to 15:00, a probe that fails for a minute every five."""
    for start in range(int(9 * HOUR), int(15 * HOUR), 300):
        for second in range(0, 60, 10):
            message = "probe of gateway failed"
            yield _event(chance, start + second, "probe", message, "gw", Level.WARNING)


def _disk(chance: random.Random) -> Iterator[Event]:
    """20:10, critical."""
    for number in range(120):
        at = 20 * HOUR + 600 + number * 5
        yield _event(chance, at, "stock.db", "disk full on /var/lib/db", "db", Level.CRITICAL)


def _event(
    chance: random.Random, at: float, module: str, message: str, host: str, level: Level = Level.ERROR
) -> Event:
    return Event(
        time=MIDNIGHT + at,
        source="apps",
        module=module,
        level=level,
        message=message,
        labels={"host": f"{host}{chance.randint(1, 8)}", "service": module.partition(".")[2] or module},
    )
