from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.digest import LINE, MOST, different, folded, joint, line, plan, receivers, subject, together
from relay.models import Address, Delivery, Level
from tests.fakes import delivery, message


def owed(number: int, level: Level = Level.ERROR, to: str = "room") -> Delivery:
    told = message(level=level, alert=number, title=f"problem {number}", key=f"k{number}")
    return delivery(number, float(number), address=Address("a", to), message=told)


def test_within_the_budget_each_goes_alone() -> None:
    groups, waiting = plan([[owed(number)] for number in range(1, 9)], 8, 10)
    assert [len(group) for group in groups] == [1] * 8
    assert waiting == []


def test_beyond_it_the_rest_shares_messages() -> None:
    groups, waiting = plan([[owed(number)] for number in range(1, 31)], 8, 10)
    assert [len(group) for group in groups] == [1] * 6 + [15, 9]
    assert waiting == []


def test_the_last_places_are_for_what_is_critical() -> None:
    quiet = [owed(number) for number in range(1, 5)]
    assert plan([[each] for each in quiet], 0, 2) == ([], quiet)
    groups, waiting = plan([[each] for each in (*quiet, owed(9, Level.CRITICAL))], 0, 2)
    assert [each.id for each in groups[0]] == [9, 1, 2, 3, 4]  # and takes the others along
    assert waiting == []


@given(
    st.lists(st.tuples(st.sampled_from([Level.ERROR, Level.CRITICAL]), st.sampled_from("abc")), max_size=80),
    st.integers(1, 20),
    st.integers(0, 5),
)
def test_nothing_is_dropped_or_doubled_and_the_budget_holds(
    wanted: list[tuple[Level, str]], room: int, kept: int
) -> None:
    claimed = [owed(number, level, to) for number, (level, to) in enumerate(wanted, 1)]
    groups, waiting = plan([[each] for each in claimed], room - kept, room)
    assert sorted(each.id for part in (*groups, waiting) for each in part) == [each.id for each in claimed]
    assert len(groups) <= room
    assert all(len(group) <= MOST and len({each.address for each in group}) == 1 for group in groups)


def test_one_alert_to_many_is_one_call_and_several_to_the_same_people_one_digest() -> None:
    told = [told_to(alert, person) for alert in (7, 8) for person in "abc"]
    groups = together([[each] for each in told], 3)
    assert [[each.address.to for each in group] for group in groups] == [["a", "b", "c"]] * 2
    (group,) = folded(groups)
    assert [each.alert for each in different(group)] == [7, 8]
    assert receivers(group) == 3
    fewer = together([[each] for each in told], 2)
    assert [[each.address.to for each in group] for group in fewer] == [["a", "b"], ["c"]] * 2


def test_where_receivers_are_counted_a_call_costs_as_many() -> None:
    told = [[told_to(alert, person) for person in "abc"] for alert in (7, 8, 9)]
    groups, waiting = plan(told, 6, 6, receivers)
    assert [len(group) for group in groups] == [3, 6]
    assert waiting == []
    groups, waiting = plan([*told, [told_to(10, "d")]], 3, 3, receivers)
    assert [{each.alert for each in group} for group in groups] == [{7, 8, 9}]
    assert [each.alert for each in waiting] == [10]


def told_to(alert: int, person: str) -> Delivery:
    return delivery(alert * 100 + ord(person), float(alert), alert=alert, address=Address("a", person))


def test_a_digest_names_every_alert_and_has_a_key_of_its_own() -> None:
    group = [owed(number) for number in range(1, 16)]
    told = joint(group, group[0].message)
    assert [text.rpartition("#")[2] for text in told.digest] == [str(number) for number in range(2, 16)]
    assert told.key == joint(group, group[0].message).key != joint(group[1:], group[1].message).key


@given(st.text(max_size=300), st.integers(1, 10**9), st.integers(1, 10**9))
def test_a_line_keeps_its_number_within_its_bytes(title: str, count: int, alert: int) -> None:
    text = line(message(title=title, count=count, alert=alert))
    assert len(text.encode()) <= LINE
    assert text.endswith(f"#{alert}")
    assert "\n" not in text


def test_a_groups_message_to_many_is_one_call() -> None:
    one, other = (delivery(number, 5.0, thread="group-1") for number in (1, 2))
    assert subject(one) == subject(other)
    assert subject(replace(one, thread="")) != subject(replace(other, thread=""))
