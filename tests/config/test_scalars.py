from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from relay.config.nodes import Scalar
from relay.config.scalars import digits, fraction, integer, line, surprise, text, truth
from relay.config.schema import Place


def scalar(written: str, *, plain: bool = True) -> Scalar:
    return Scalar(Place("f", 1, 1), written, plain)


@pytest.mark.parametrize(
    ("written", "meaning"),
    [
        ("no", "false"),
        ("Off", "false"),
        ("YES", "true"),
        ("on", "true"),
        ("012", "the number 10"),
        ("-0123", "the number -83"),
        ("0_12", "the number 10"),
        ("22:22", "a number in base 60"),
        ("1:30:00", "a number in base 60"),
    ],
)
def test_surprises(written: str, meaning: str) -> None:
    assert surprise(scalar(written)) == meaning
    with pytest.raises(
        ValueError, match=f"'{written}' without quotes is {meaning} in YAML 1.1: write it in quotes"
    ):
        text(scalar(written))
    assert text(scalar(written, plain=False)) == written


@pytest.mark.parametrize(
    "written",
    ["007", "0", "09", "none", "n", "true", "10.0.0.8:8012", "2026-01-05", "1e3", "0x1f", "08:30", "1.10"],
)
def test_no_surprise(written: str) -> None:
    assert text(scalar(written)) == written


@given(
    st.one_of(
        st.from_regex(r"[-+]?0[0-7_]{1,8}", fullmatch=True),
        st.from_regex(r"\d{1,3}(:\d\d?){1,2}", fullmatch=True),
    )
)
def test_what_is_taken_as_written_is_what_yaml_sees_too(written: str) -> None:
    if not surprise(scalar(written)):
        seen = yaml.safe_load(written)
        assert seen in (written, int(written.replace("_", "")) if ":" not in written else written)


@pytest.mark.parametrize(("written", "number"), [("0", 0), ("12", 12), ("-3", -3), ("+4", 4), ("007", 7)])
def test_integers(written: str, number: int) -> None:
    assert integer(scalar(written)) == number


@pytest.mark.parametrize(
    "written", ["", "x", "1.5", "1e3", "0x1f", "1_000", "１２", " 1", "012", "9" * 17, "9" * 5000, "no"]
)
def test_not_integers(written: str) -> None:
    with pytest.raises(ValueError):
        integer(scalar(written))


def test_a_leading_zero_in_quotes_is_a_decimal_number() -> None:
    assert integer(scalar("012", plain=False)) == 12
    with pytest.raises(ValueError, match=r"'012' is the number 10 in YAML 1.1: leave out the leading zero"):
        digits(scalar("012"))


def test_fractions() -> None:
    assert fraction(scalar("2.5")) == 2.5
    assert fraction(scalar("-3")) == -3.0
    for written in ("nan", ".inf", "1e999", "1.", "x"):
        with pytest.raises(ValueError, match="is not a number"):
            fraction(scalar(written))


def test_truth() -> None:
    assert [truth(scalar(word)) for word in ("true", "Yes", "ON")] == [True] * 3
    assert [truth(scalar(word)) for word in ("FALSE", "no", "off")] == [False] * 3
    for written in ("1", "y", "", "maybe"):
        with pytest.raises(ValueError, match="is neither true nor false"):
            truth(scalar(written))


def test_lines() -> None:
    assert line(scalar("a b")) == "a b"
    for written in ("", "  ", "a\nb", "a\x1b[1m", "a\u2028b", "x" * 1001):
        with pytest.raises(ValueError):
            line(scalar(written, plain=False))
