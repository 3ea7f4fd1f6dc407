from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.values import Secret, format_duration, parse_duration, parse_rate, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("30s", 30), ("1h30m", 5400), ("1.5d", 129600), ("1w", 604800)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "1 s", "1y", "1s2"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: write 30s"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min"), (7500, "2 h 5 min"), (7200, "2 h"), (345600, "4 d")],
)
def test_durations_as_people_say_them(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "size"), [("4096", 4096), ("64KiB", 65536), ("1mb", 1_000_000), ("1 GiB", 2**30), ("5B", 5)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "1.5MB", "-1", "1TB"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size: write 4096"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("20/1m", (20, 60.0)), ("20/m", (20, 60.0)), ("5/500ms", (5, 0.5)), ("1/1h30m", (1, 5400.0))],
)
def test_rates(text: str, rate: tuple[int, float]) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text", ["", "20", "20/", "/1m", "0/1m", "-1/1m", "20/0s", "20/1x", "20 per 1m", "1/2/3m"]
)
def test_no_rates(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate: write 20/1m"):
        parse_rate(text)


@given(st.text())
def test_a_rate_is_read_or_refused(text: str) -> None:
    try:
        count, seconds = parse_rate(text)
    except ValueError:
        return
    assert count > 0
    assert seconds > 0


def test_a_secret_hides() -> None:
    secret = Secret("sesame")
    assert "sesame" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "sesame"
    assert secret == Secret("sesame")
    assert hash(secret) == hash(Secret("sesame"))
    assert secret != Secret("")
    assert not Secret("")
