"""The start report."""

from pathlib import Path

from msgspec.structs import replace

from relay.absence import CATCH_UP, GRACE, LATE, NOTE, NOTED_EVERY, Absence, Life, owed, spell, told_late
from relay.clock import FakeClock
from relay.models import DeliveryState
from relay.outbox.sqlite import SqliteStore
from relay.outbox.store import Commit
from tests.fakes import delivery, message

NOW = 1_767_600_000.0


def test_the_words() -> None:
    missed = Absence(away=252.0, events=318, late=2, gaps=0, behind=False)
    assert missed.text == "away for 4 min 12 s, 318 events read, 2 alerts late, 0 lost"
    worse = Absence(away=3.0, events=1, late=1, gaps=2, behind=True)
    assert worse.text == (
        "away for 3 s, 1 event read, 1 alert late, "
        "2 gaps in what was read, see the reports on them, still catching up"
    )
    assert [spell(each) for each in (-5, 0.4, 60, 61, 3600, 90000)] == [
        "0 s",
        "0 s",
        "1 min",
        "1 min 1 s",
        "1 h",
        "25 h",
    ]


def test_what_matters() -> None:
    short = Absence(away=3.0, events=1000, late=0, gaps=0, behind=False)
    assert not short.matters(300.0)
    assert short.matters(3.0)
    assert not replace(short, late=1).matters(300.0)  # a restart in a busy hour wakes nobody
    assert replace(short, late=1, away=LATE).matters(300.0)
    assert replace(short, gaps=1).matters(300.0)


def test_what_was_owed_when_relay_started() -> None:
    rows = [
        delivery(1, NOW, alert=1),
        delivery(2, NOW, alert=2, state=DeliveryState.SENDING),
        delivery(3, NOW, alert=3, next_at=NOW + 60),  # its time has not come
        delivery(4, NOW, alert=4, state=DeliveryState.DELIVERED),
        delivery(5, NOW, alert=0),  # relay's own
    ]
    assert owed(rows, NOW) == {1, 2}


def test_what_was_decided_late() -> None:
    before, after = message(last_seen=NOW - 30), message(last_seen=NOW + 1)
    rows = [
        delivery(1, NOW + 5, alert=1, message=before),
        delivery(2, NOW + 5, alert=2, message=after),
        delivery(3, NOW - 5, alert=3, message=before),
    ]
    assert told_late(rows, NOW) == {1}


async def test_it_is_reported_once_relay_has_caught_up_and_only_once(tmp_path: Path) -> None:
    clock = FakeClock()
    store = await SqliteStore.open(str(tmp_path / "relay.db"), clock)
    told: list[str] = []
    behind = [True]

    def life() -> Life:
        return Life(
            store,
            clock,
            behind=lambda: behind[0],
            events=lambda: 7,
            tell=lambda missed: told.append(missed.text),
        )

    first = life()
    await first.begin()
    await first.run_once()
    assert await store.noted(NOTE) == str(clock.now())
    clock.advance(GRACE + CATCH_UP)
    await first.run_once()
    assert told == []  # nobody was away before the first start
    assert first.silent < NOTED_EVERY
    await store.commit(Commit(deliveries=[delivery(1, clock.now())]))
    clock.advance(252)
    second = life()
    await second.begin()
    clock.advance(GRACE)
    await second.run_once()
    assert told == []  # files are still being read
    behind[0] = False
    for _ in range(3):
        await second.run_once()
        clock.advance(1)
    assert told == ["away for 4 min 12 s, 7 events read, 0 alerts late, 0 lost"]
    behind[0] = True
    third = life()
    await third.begin()
    clock.advance(CATCH_UP)
    await third.run_once()
    assert told[1].endswith("still catching up")
    await store.close()
