from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from relay.book import Book, RecentIds
from relay.models import Alert, AlertState
from tests.fakes import alert


def due(alert: Alert) -> float:
    return alert.touched_at + 10.0


def test_a_resolved_alert_leaves() -> None:
    book = Book(due, [alert("a")])
    book.put(structs.replace(alert("a"), state=AlertState.RESOLVED))
    assert book.get("a") is None
    assert book.pop_due(1e9, 10) == []


def test_due_is_asked_again_when_the_time_has_come() -> None:
    book = Book(due, [alert("a")])
    book.put(alert("a", touched=5.0))
    assert book.pop_due(10.0, 10) == []  # scheduled for 10, but it was touched since
    assert [each.fingerprint for each in book.pop_due(15.0, 10)] == ["a"]


def test_reschedule_follows_new_rules() -> None:
    wait = [10.0]
    book = Book(lambda each: each.touched_at + wait[0], [alert("a")])
    wait[0] = 3.0
    book.reschedule()
    assert book.next_due() == 3.0


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 100), st.booleans()), max_size=40))
def test_nobody_is_forgotten_and_nobody_comes_early(steps: list[tuple[str, float, bool]]) -> None:
    book = Book(due)
    latest: dict[str, Alert] = {}
    now = 0.0
    for fingerprint, at, look in steps:
        now = max(now, at)
        latest[fingerprint] = alert(fingerprint, touched=now)
        book.put(latest[fingerprint])
        if look:
            for each in book.pop_due(now, 10):
                assert due(each) <= now
                book.put(structs.replace(latest.pop(each.fingerprint), state=AlertState.RESOLVED))
    assert {each.fingerprint for each in book.pop_due(1e9, 10)} == set(latest)


def test_ids_are_remembered_for_at_least_a_generation() -> None:
    ids = RecentIds(generation=100)
    assert all(ids.add("p", str(number)) for number in range(1000))
    assert not any(ids.add("p", str(number)) for number in range(900, 1000))
    assert ids.add("other", "999")
    assert len(ids._young) + len(ids._old) <= 200
