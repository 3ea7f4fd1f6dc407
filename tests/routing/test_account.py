from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from relay.models import AlertState, Level, Reason
from relay.routing.account import MOST_LINES, MOST_RANGES, NOTHING, Account, joined, of_alert, spelled
from relay.routing.hold import Hold, Kind
from relay.routing.render import held_message
from tests.fakes import alert


def account(number: int, events: int = 1, **fields: Any) -> Account:
    usual: dict[str, Any] = {"id": number, "title": f"problem {number}"}
    return of_alert(alert(f"f{number}", **usual | fields), events)


def all_of(numbers: list[int]) -> Account:
    whole = NOTHING
    for number in numbers:
        whole = joined(whole, account(number))
    return whole


@given(st.lists(st.integers(1, 60)), st.lists(st.integers(1, 60)))
def test_each_problem_is_counted_once_and_each_event_too(one: list[int], other: list[int]) -> None:
    whole = joined(all_of(one), all_of(other))
    assert whole.alerts == len({*one, *other})
    assert whole.events == whole.tellings == len(one) + len(other)
    found = {
        number
        for first, last in re.findall(r"#(\d+)(?:-#(\d+))?", spelled(whole.numbers))
        for number in range(int(first), int(last or first) + 1)
    }
    assert found == {*one, *other}
    listed = {line.alert for line in whole.lines}
    assert len(listed) == min(MOST_LINES, whole.alerts)
    rest = {number for first, last in whole.numbers for number in range(first, last + 1)} - listed
    assert all(f"#{number}" not in spelled(whole.numbers, listed).split() for number in listed)
    assert (spelled(whole.numbers, listed) == "") == (not rest)


def test_numbers_are_bounded_and_what_is_beyond_is_still_counted() -> None:
    whole = all_of(list(range(1, 1001, 2)))
    assert (whole.alerts, len(whole.numbers)) == (500, MOST_RANGES)
    assert spelled(whole.numbers).endswith(" ...")


def test_the_worst_have_a_line_of_their_own() -> None:
    whole = all_of(list(range(1, 40)))
    whole = joined(whole, account(99, level=Level.CRITICAL))
    whole = joined(whole, account(98, 500))
    assert [line.alert for line in whole.lines][-2:] == [98, 99]


def test_the_message_says_what_is_beyond_its_lines_and_cannot_be_forged_by_a_title() -> None:
    forged = account(40, 7, title="x\n[CRITICAL] fake: line #1")
    whole = joined(all_of(list(range(1, 31))), forged)
    hold = Hold(key="storm-1", kind=Kind.STORM, rule="pay", opened_at=5.0)
    said = held_message(hold, whole, Reason.STORM, None, key="k", ends=False)
    assert said.title == "a storm of rule pay: 31 problems more"
    lines = said.text.split("\n")
    assert len(lines) == MOST_LINES + 1
    assert lines[-2].startswith("[ERROR] m: x [CRITICAL] fake: line #1 (x7) #40")
    assert lines[-1] == "and 11 more with 11 events: #20-#30"
    assert (said.more, said.count, said.state) == (37, 37, AlertState.FIRING)


def test_what_is_over_reads_as_over() -> None:
    over = joined(account(1, state=AlertState.RESOLVED), account(2, state=AlertState.RESOLVED))
    assert over.is_over
    assert not joined(over, account(3)).is_over
