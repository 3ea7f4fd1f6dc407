"""Codes to errors."""

from __future__ import annotations

import pytest

from relay.backends.answer import PAUSE, Answer
from relay.backends.mask import Mask
from relay.backends.meaning import (
    GoneError,
    PayloadError,
    examined,
    meanings,
    meant,
    paused,
    plainer,
    said,
    unknown,
)
from relay.errors import BackendDownError, RejectedError, TemporaryError
from tests.backends.messages import NOW

TABLE = meanings(BackendDownError, {"bad key": "the key is wrong"}) | meanings(GoneError, {"gone": "deleted"})


def answer(**headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(200, named, b"bad key s3cret-token", Mask(["s3cret-token"]))


def test_a_known_code_has_words() -> None:
    error = meant(TABLE["bad key"], "310000", answer())
    assert type(error) is BackendDownError
    assert (str(error), error.code, error.detail) == ("310000: the key is wrong", "310000", "bad key ***")


def test_a_sentence_is_searched_in_any_case() -> None:
    assert isinstance(said(TABLE, "Oh, BAD KEY!", answer()), BackendDownError)
    assert isinstance(said(TABLE, "Message Gone", answer()), GoneError)
    assert said(TABLE, "fine", answer()) is None


def test_an_unknown_code_is_tried_a_few_times_and_hides_secrets() -> None:
    error = unknown("odd s3cret-token " + "x" * 200, answer())
    assert isinstance(error, TemporaryError)
    assert error.limit == 3
    assert "s3cret" not in str(error)
    assert len(error.code) == 80
    assert str(unknown("", answer())) == "an answer that relay can't read"


@pytest.mark.parametrize(
    ("header", "waits", "seconds"),
    [
        ("", (), PAUSE),
        ("7", (), 7.0),
        ("7", (9.5,), 9.5),
        ("7", ("0.3",), 7.0),
        ("", (0.523,), 0.523),
        ("", (0,), 0.5),
        ("", (-4.0,), 0.5),
        ("", ("soon",), PAUSE),
        ("", ("nan",), PAUSE),
        ("", ("1e9",), 3600.0),
        ("Mon, 05 Jan 2026 08:00:30 GMT", (), 30.0),
    ],
)
def test_the_longest_wait_counts(header: str, waits: tuple[float | str, ...], seconds: float) -> None:
    headers = {"Retry_After": header} if header else {}
    assert paused("429", answer(**headers), NOW, *waits).retry_after == seconds


async def test_a_plainer_form_follows_a_refused_one() -> None:
    tried = []

    async def call(form: str) -> str:
        tried.append(form)
        if form == "rich":
            raise PayloadError("no markup")
        return form

    assert await plainer(["rich", "plain", "plainest"], call) == "plain"
    assert tried == ["rich", "plain"]


async def test_when_no_form_is_taken_the_message_is_rejected() -> None:
    async def call(form: str) -> str:
        raise PayloadError(form)

    with pytest.raises(RejectedError, match="plain"):
        await plainer(["rich", "plain"], call)


async def test_other_errors_are_not_cured_by_a_plainer_form() -> None:
    async def call(form: str) -> str:
        raise TemporaryError(form)

    with pytest.raises(TemporaryError, match="rich"):
        await plainer(["rich", "plain"], call)


async def test_a_finding_is_words_or_the_error() -> None:
    async def fine() -> str:
        return "the token of relay"

    async def wrong() -> str:
        raise BackendDownError("invalid_auth: Slack doesn't take this token", code="invalid_auth")

    (good,) = await examined(fine)
    (bad,) = await examined(wrong)
    assert (good.ok, good.text) == (True, "the token of relay")
    assert (bad.ok, bad.code) == (False, "invalid_auth")
