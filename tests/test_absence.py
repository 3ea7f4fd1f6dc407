"""The start report."""

from msgspec.structs import replace

from relay.absence import Absence, owed, spell, told_late
from relay.models import DeliveryState
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
    assert replace(short, late=1).matters(300.0)
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
