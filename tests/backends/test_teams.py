"""Teams: cards, mentions, sizes, and what a workflow answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.base import Door, Receipt
from relay.backends.meaning import PayloadError
from relay.backends.teams import Settings, Teams, escaped
from relay.errors import BackendDownError, BackendError, RejectedError, TemporaryError
from relay.models import AlertState, Level, Reason
from relay.values import Secret
from tests.backends.messages import message, reminder
from tests.emulators.teams import QUERY
from tests.emulators.teams import Teams as Flow


@pytest.fixture
async def flow() -> AsyncIterator[Flow]:
    async with Flow() as flow:
        yield flow


@pytest.fixture
def teams(flow: Flow, door: Door) -> Any:
    return lambda **changes: Teams(Settings(**{"url": Secret(flow.hook), **changes}), door)


async def failure(backend: Teams) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), "ops")
    return caught.value


async def test_a_card(flow: Flow, teams: Any) -> None:
    told = message(links=(("ack", "https://r/a?x=1&y=2"),))
    assert await teams().send(told, "ops") == Receipt(note="queued")
    (card,) = flow.cards
    assert card.content["msteams"] == {"width": "Full"}
    head, body, facts, footer = card.content["body"]
    assert head["text"] == r"\[ERROR\] pay.refund: timeout after <" + "\u200bnum> ms"
    assert (head["color"], head["weight"]) == ("Attention", "Bolder")
    assert body["fontType"] == "Monospace"
    assert {"title": "host", "value": "web1"} in facts["facts"]
    assert footer["text"] == "alert 17"
    assert card.content["actions"] == [
        {"type": "Action.OpenUrl", "title": "ack", "url": "https://r/a?x=1&y=2"}
    ]


@pytest.mark.parametrize(
    ("fields", "colour"),
    [
        ({"level": Level.CRITICAL}, "Attention"),
        ({"level": Level.WARNING}, "Warning"),
        ({"level": Level.INFO}, "Accent"),
        ({"state": AlertState.RESOLVED, "reason": Reason.RESOLVED}, "Good"),
    ],
)
async def test_colours(flow: Flow, teams: Any, fields: dict[str, Any], colour: str) -> None:
    await teams().send(message(**fields), "ops")
    assert flow.cards[0].content["body"][0]["color"] == colour


async def test_the_signature_in_the_url_stays_as_it_is(flow: Flow, teams: Any) -> None:
    await teams().send(message(), "ops")
    assert flow.queries == [QUERY]


async def test_mentions_come_from_the_address(flow: Flow, teams: Any) -> None:
    await teams().send(message(text="<at>Bob</at>"), "ops @ann@example.com")
    assert flow.cards[0].pings == ["ann@example.com"]
    assert flow.cards[0].marks == ["ann@example.com", "<at>ann@example.com</at>"]


async def test_the_longest_card_fits(flow: Flow, teams: Any) -> None:
    await teams().send(reminder(text='告警 "x"\n' * 9000, late=840.0), "ops")
    (card,) = flow.cards
    assert 27_900 < card.size <= 28_000
    assert card.shown.endswith("14 min late")


async def test_a_card_that_is_too_large_is_sent_smaller(flow: Flow, teams: Any) -> None:
    flow.most = 20_000
    await teams().send(message(text="x" * 50_000), "ops")
    assert flow.cards[0].size <= 7_000
    assert flow.requests == 2


async def test_a_card_that_is_always_too_large_is_rejected(flow: Flow, teams: Any) -> None:
    flow.most = 10
    error = await failure(teams())
    assert isinstance(error, RejectedError)
    assert (error.code, flow.requests) == ("413", 2)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, PayloadError),
        (413, PayloadError),
        (401, BackendDownError),
        (403, BackendDownError),
        (404, BackendDownError),
        (410, BackendDownError),
        (408, TemporaryError),
        (500, TemporaryError),
    ],
)
async def test_each_status(flow: Flow, teams: Any, status: int, expected: type[BackendError]) -> None:
    flow.refusal = (status, json.dumps({"error": {"code": "x", "message": "no sig"}}).encode())
    error = await failure(teams())
    assert type(error) is expected
    assert "no sig" in error.detail


async def test_a_flow_that_wants_something_else(flow: Flow, teams: Any) -> None:
    flow.refusal = (400, b'{"error": {"code": "TriggerInputSchemaMismatch", "message": "no"}}')
    error = await failure(teams())
    assert (type(error), error.code) == (BackendDownError, "TriggerInputSchemaMismatch")
    assert flow.requests == 1


@pytest.mark.parametrize("status", [200, 202])
async def test_accepted_has_no_body(flow: Flow, teams: Any, status: int) -> None:
    flow.refusal = (status, b"")
    assert (await teams().send(message(), "ops")).note == "queued"


async def test_the_doctor_can_only_say_nothing(flow: Flow, teams: Any) -> None:
    assert await teams().check() == []
    assert flow.requests == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a *b* _c_ [d](e)", r"a \*b\* \_c\_ \[d\](e)"),
        ("one\ntwo", "one\n\ntwo"),
        ("- item\n1. one\n2) two\n# h\n> q", "\\- item\n\n1\\. one\n\n2\\) two\n\n\\# h\n\n\\> q"),
        ("    at x.y\n\tat z", "\xa0\xa0\xa0\xa0at x.y\n\n\xa0\xa0\xa0\xa0at z"),
        ("<at>x</at> &lt;", "<\u200bat>x<\u200b/at> &\u200blt;"),
        ("a < b && c", "a < b && c"),
    ],
)
def test_escapes(text: str, expected: str) -> None:
    assert escaped(text) == expected


@pytest.mark.parametrize(
    "url", ["https://x.webhook.office.com/webhookb2/a@b/IncomingWebhook/c/d", "teams", ""]
)
def test_settings_that_can_not_be_right(url: str) -> None:
    ((field, text),) = Settings(url=Secret(url)).problems()
    assert field == "url"
    assert "office.com" not in text


def test_settings_that_can() -> None:
    assert (
        Settings(url=Secret(f"https://prod-01.westeurope.logic.azure.com:443/workflows/x?{QUERY}")).problems()
        == []
    )
