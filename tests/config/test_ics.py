from __future__ import annotations

from datetime import date

import pytest

from relay.config.ics import days_of

TODAY = date(2026, 3, 1)


def event(summary: str, start: str, *more: str) -> str:
    return "\r\n".join(
        ["BEGIN:VEVENT", f"SUMMARY:{summary}", f"DTSTART;VALUE=DATE:{start}", *more, "END:VEVENT"]
    )


def read(*events: str) -> tuple[list[str], list[str]]:
    text = "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//x//y//EN", *events, "END:VCALENDAR", ""])
    off, on = days_of(text, TODAY)
    return [date.fromordinal(day).isoformat() for day in sorted(off)], [
        date.fromordinal(day).isoformat() for day in sorted(on)
    ]


def test_a_holiday_of_several_days_ends_before_its_end() -> None:
    assert read(event("国庆节 假期", "20261001", "DTEND;VALUE=DATE:20261004")) == (
        ["2026-10-01", "2026-10-02", "2026-10-03"],
        [],
    )
    assert read(event("New Year", "20270101"))[0] == ["2027-01-01"]
    assert read(event("Easter", "20270328", "DURATION:P2D"))[0] == ["2027-03-28", "2027-03-29"]


@pytest.mark.parametrize(
    "summary", ["国庆节 补班 第1天/共2天", "春节(班)", "National Day（班）", "Working day"]
)
def test_a_day_that_is_worked_instead(summary: str) -> None:
    assert read(event(summary, "20261010")) == ([], ["2026-10-10"])


def test_apples_marks_count_and_their_notes_do_not() -> None:
    assert read(
        event("国庆节（休）", "20261001", "X-APPLE-SPECIAL-DAY:WORK-HOLIDAY"),
        event("国庆节（班）", "20261010", "X-APPLE-SPECIAL-DAY:ALTERNATE-WORKDAY"),
        event("立冬", "20261107"),
    ) == (["2026-10-01"], ["2026-10-10"])


def test_what_nobody_has_off() -> None:
    assert read(
        event("Valentine's Day", "20260214", "DESCRIPTION:Observance\\nTo hide observances, go to ..."),
        event("Called off", "20260215", "STATUS:CANCELLED"),
        "BEGIN:VEVENT\r\nSUMMARY:Meeting\r\nDTSTART:20260216T090000Z\r\nEND:VEVENT",
        "BEGIN:VEVENT\r\nSUMMARY:No start\r\nEND:VEVENT",
    ) == ([], [])


def test_one_that_comes_each_year_but_for_some() -> None:
    off, _ = read(
        event(
            "Labour Day", "20240501", "RRULE:FREQ=YEARLY;UNTIL=20280502T000000Z", "EXDATE;VALUE=DATE:20260501"
        )
    )
    assert off == ["2024-05-01", "2025-05-01", "2027-05-01", "2028-05-01"]
    assert read(event("Leap day", "20240229", "RRULE:FREQ=YEARLY"))[0][:3] == [
        "2024-02-29",
        "2028-02-29",
        "2032-02-29",
    ]


def test_an_endless_rule_ends_some_years_ahead() -> None:
    assert len(read(event("Friday", "20260102", "RRULE:FREQ=WEEKLY"))[0]) < 600


def test_too_many_days() -> None:
    with pytest.raises(ValueError, match="more than 20000 days"):
        read(event("Ever", "19000101", "DTEND;VALUE=DATE:20260101"))


def test_no_calendar() -> None:
    with pytest.raises(ValueError):
        days_of("<html>", TODAY)
