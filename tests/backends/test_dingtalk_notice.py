"""DingTalk's work notifications: tokens, results, duplicates, status bars."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from msgspec import structs

from relay.backends.base import Door, Receipt
from relay.backends.dingtalk_notice import DingtalkNotice, Settings
from relay.clock import FakeClock
from relay.errors import (
    BackendDownError,
    BackendError,
    RateLimitedError,
    RejectedError,
    TemporaryError,
)
from relay.models import AlertState, Reason
from relay.values import Secret
from tests.backends.messages import message, reminder
from tests.emulators.dingtalk_notice import DingtalkServer
from tests.emulators.faults import Fault

LINKS = (
    ("ack", "https://relay.example/a/ack/17"),
    ("silence for an hour and more", "https://relay.example/s/17"),
)
RESOLVED = {"state": AlertState.RESOLVED, "reason": Reason.RESOLVED}


@pytest.fixture
async def company() -> AsyncIterator[DingtalkServer]:
    async with DingtalkServer("ding1", "right", 123) as company:
        yield company


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def app(company: DingtalkServer, session: aiohttp.ClientSession, clock: FakeClock) -> Any:
    def build(**changes: Any) -> DingtalkNotice:
        settings = {"appkey": "ding1", "appsecret": Secret("right"), "agent_id": 123, "server": company.url}
        return DingtalkNotice(
            Settings(**{**settings, **changes}), Door(session=session, clock=clock, name="app")
        )

    return build


async def failure(backend: DingtalkNotice, to: str = "manager4220") -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), to)
    return caught.value


@pytest.mark.parametrize(
    ("to", "fields"),
    [
        ("manager4220", {"userid_list": "manager4220"}),
        ("user:0123", {"userid_list": "0123"}),
        ("dept:7", {"dept_id_list": "7"}),
        ("@all", {"to_all_user": True}),
    ],
)
async def test_each_kind_of_receiver(company: DingtalkServer, app: Any, to: str, fields: Any) -> None:
    receipt = await app(allow_broadcast=True).send(message(), to)
    assert receipt == Receipt(id="256271667526", note="queued")
    call, result = company.calls
    assert {
        name: call[name] for name in ("userid_list", "dept_id_list", "to_all_user") if name in call
    } == fields
    assert call["agent_id"] == 123
    assert result == {"agent_id": 123, "task_id": 256271667526}


async def test_a_hundred_people_in_a_call_each_with_an_outcome(company: DingtalkServer, app: Any) -> None:
    people = [f"u{number}" for number in range(150)]
    company.users |= set(people)
    tos = [*people, "nobody", "dept:7", "dept:9", "@all"]
    outcomes = await app().send_many(message(), tos)
    assert all(isinstance(outcome, Receipt) for outcome in outcomes[:150])
    told = [outcome.code if isinstance(outcome, BackendError) else "ok" for outcome in outcomes[150:]]
    assert told == ["invalid_user_id", "ok", "invalid_dept_id", "address"]
    assert len([call for call in company.calls if "msg" in call]) == 3
    assert company.token_requests == 1


async def test_the_result_is_asked_for_only_where_that_is_wanted(company: DingtalkServer, app: Any) -> None:
    await app(confirm=False).send(message(), "nobody")
    assert len(company.calls) == 1


async def test_a_result_that_can_not_be_had_changes_nothing(company: DingtalkServer, app: Any) -> None:
    company.result_code = -1
    receipt = await app().send(message(), "nobody")
    assert receipt.note == "queued"


async def test_the_same_text_twice_is_noticed(company: DingtalkServer, app: Any) -> None:
    await app().send(message(alert=0, key="a"), "manager4220")
    await app().send(message(alert=0, key="b"), "manager4220")
    assert len(company.posts) == 2
    with pytest.raises(RejectedError) as caught:
        await app().send(message(alert=0, key="b"), "manager4220")
    assert caught.value.code == "forbidden_user_id"


def test_people_have_a_limit_a_day_and_everybody_another(app: Any) -> None:
    backend = app()
    assert backend.pace("user:manager4220") == backend.pace("manager4220")
    windows = [backend.pace(to).windows for to in ("manager4220", "dept:7", "@all")]
    assert windows == [((500, 86400.0),), (), ((3, 86400.0),)]


async def test_one_token_for_calls_that_come_together(company: DingtalkServer, app: Any) -> None:
    company.token_delay = 0.01
    backend = app()
    await asyncio.gather(*(backend.send(message(text=str(number)), "0123") for number in range(10)))
    assert company.token_requests == 1
    company.expire()
    await backend.send(message(text="again"), "0123")
    assert (company.token_requests, len(company.posts)) == (2, 11)


async def test_credentials_that_are_refused(company: DingtalkServer, app: Any) -> None:
    backend = app(appsecret=Secret("wrong"))
    error = await failure(backend)
    assert isinstance(error, BackendDownError)
    assert str(error) == "40089: `appkey` or `appsecret` is wrong"
    (finding,) = await backend.check()
    assert not finding.ok
    (finding,) = await app().check()
    assert finding.ok
    assert company.requests == 0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"errcode": -1}, TemporaryError),
        ({"errcode": 40014}, BackendDownError),
        ({"errcode": 42001}, BackendDownError),
        ({"errcode": 40089}, BackendDownError),
        ({"errcode": 40056}, BackendDownError),
        ({"errcode": 41028}, BackendDownError),
        ({"errcode": 88, "sub_code": "60011"}, BackendDownError),
        ({"errcode": 88, "sub_code": "isv.permission-denied"}, BackendDownError),
        ({"errcode": 88, "sub_code": "90018"}, RateLimitedError),
        ({"errcode": 88, "sub_code": "33012"}, RejectedError),
        ({"errcode": 33012}, RejectedError),
        ({"errcode": 40003}, RejectedError),
        ({"errcode": "40031"}, RejectedError),
        ({"errcode": 34016}, RejectedError),
        ({"errcode": 40033}, RejectedError),
        ({"errcode": 90018}, RateLimitedError),
        ({"errcode": 90002}, RateLimitedError),
        ({"errcode": 90017}, RateLimitedError),
        ({"errcode": 90020}, BackendDownError),
        ({"status": 1111, "wait": 5}, RateLimitedError),
        ({"task_id": 1}, TemporaryError),
    ],
)
async def test_a_number_becomes_its_error(
    company: DingtalkServer, app: Any, answer: Any, expected: type[BackendError]
) -> None:
    company.answer = answer
    assert type(await failure(app())) in {expected, *expected.__subclasses__()}


@pytest.mark.parametrize(("code", "seconds"), [(90018, 1.0), (90002, 1.0), (90005, 120.0)])
async def test_a_limit_says_how_long_by_its_number(
    company: DingtalkServer, app: Any, code: int, seconds: float
) -> None:
    company.answer = {"errcode": code}
    error = await failure(app())
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == seconds


@pytest.mark.parametrize("told", [{"sub_code": "40014"}, {"sub_code": "x", "sub_msg": "bad access_token"}])
async def test_a_token_that_the_gateway_refuses_is_replaced_once(
    company: DingtalkServer, app: Any, told: dict[str, str]
) -> None:
    company.answer = {"errcode": 88, "errmsg": "ding talk error", **told}
    assert isinstance(await failure(app()), BackendDownError)
    assert (company.requests, company.token_requests) == (2, 2)


async def test_a_card_has_the_links_as_buttons(company: DingtalkServer, app: Any) -> None:
    await app(format="card").send(message(links=LINKS), "0123")
    card = company.posts[0].told["action_card"]
    assert card["btn_json_list"] == [
        {"title": "ack", "action_url": LINKS[0][1]},
        {"title": "silence for an hour…", "action_url": LINKS[1][1]},
    ]
    await app(format="card").send(message(), "0123")
    assert company.posts[1].kind == "markdown"


async def test_the_end_of_an_alert_turns_its_status_green(company: DingtalkServer, app: Any) -> None:
    backend = app(format="status")
    first = await backend.send(message(links=LINKS), "0123")
    assert first.handle.startswith(f"{first.id}/")
    assert company.posts[0].told["oa"]["status_bar"]["status_value"] == "error"
    end = await backend.send(message(links=LINKS, handle=first.handle, **RESOLVED), "0123")
    assert end == Receipt(id=first.id, note="updated")
    (update,) = company.updates
    assert update == {
        "agent_id": 123,
        "task_id": int(first.id),
        "status_value": "resolved",
        "status_bg": "0xFF52C41A",
    }
    assert len(company.posts) == 1
    company.stubborn = True
    await backend.send(message(links=LINKS, handle=first.handle, **RESOLVED), "0123")
    assert len(company.posts) == 2


async def test_a_status_of_several_turns_green_for_just_these(company: DingtalkServer, app: Any) -> None:
    company.users |= {f"u{number}" for number in range(9)}
    backend = app(format="status")
    first, _ = await backend.send_many(message(links=LINKS), ["u0", "u1"])
    end = message(links=LINKS, handle=first.handle, **RESOLVED)
    await backend.send_many(end, ["u0", "u2"])
    assert (len(company.posts), company.updates) == (2, [])
    await backend.send_many(end, ["u1", "u0"])
    assert len(company.updates) == 1
    many = [f"u{number}" for number in range(6)]  # more than can be updated
    first, *_ = await backend.send_many(message(links=LINKS, text="another"), many)
    await backend.send_many(message(links=LINKS, handle=first.handle, **RESOLVED), many)
    assert len(company.updates) == 1


@pytest.mark.parametrize("handle", ["om_of-another-backend", "٣"])
async def test_a_handle_that_is_none_is_left_alone(company: DingtalkServer, app: Any, handle: str) -> None:
    await app(format="status").send(message(links=LINKS, handle=handle, **RESOLVED), "0123")
    assert len(company.posts) == 1


async def test_what_is_too_long_goes_once_as_a_short_text(company: DingtalkServer, app: Any) -> None:
    company.refusing = {"markdown"}
    await app(format="markdown").send(reminder(text="x" * 5000, late=840.0), "0123")
    (post,) = company.posts
    assert post.kind == "text"
    assert post.text.endswith("14 min late")
    assert company.requests == 3  # the result is asked for too


@pytest.mark.parametrize("form", ["text", "markdown", "card", "status"])
async def test_each_form_fits_whatever_is_told(company: DingtalkServer, app: Any, form: Any) -> None:
    for number, text in enumerate(("告警" * 3000, '"\\\n' * 3000, "*`<" * 3000)):
        told = reminder(text=text, title=text[:200], links=LINKS, key=str(number), late=840.0)
        await app(format=form).send(told, "0123")
    kinds = {"text": "text", "markdown": "markdown", "card": "action_card", "status": "oa"}
    assert [post.kind for post in company.posts] == [kinds[form]] * 3
    assert all("14 min late" in post.text for post in company.posts)


async def test_a_digest_names_every_alert(company: DingtalkServer, app: Any) -> None:
    lines = tuple(f"[ERROR] pay.{number}: {'<num> ' * 9}failed #{number}" for number in range(14))
    for form in ("text", "markdown", "card", "status"):
        await app(format=form).send(message(links=LINKS, text="x" * 5000, digest=lines), "0123")
    assert len(company.posts) == 4
    assert all(line in post.text.replace("\u200b", "") for post in company.posts for line in lines)


async def test_a_slow_result_is_not_waited_for_beyond_the_deadline(company: DingtalkServer, app: Any) -> None:
    backend = app(timeout=0.2)
    await backend._tokens.get()
    company.slow_result = 5.0
    receipt = await backend.send(message(), "0123")
    assert receipt.note == "queued"


async def test_a_failure_to_send_is_of_all_receivers(company: DingtalkServer, app: Any) -> None:
    company.fault = Fault(status=503)
    outcomes = await app().send_many(message(), ["0123", "manager4220"])
    assert [type(outcome) for outcome in outcomes] == [TemporaryError, TemporaryError]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"appkey": "ding 1"}, "appkey"),
        ({"appsecret": Secret("c4n4ry ")}, "appsecret"),
        ({"server": "oapi"}, "server"),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], field: str) -> None:
    settings = Settings(**{"appkey": "d", "appsecret": Secret("s"), "agent_id": 1, **changes})
    assert [name for name, _ in settings.problems()] == [field]
    assert "c4n4ry" not in str(settings.problems())


def test_a_broadcast_is_switched_on_by_name() -> None:
    settings = Settings(appkey="d", appsecret=Secret("s"), agent_id=1)
    assert "allow_broadcast" in settings.refuses("@all")
    assert structs.replace(settings, allow_broadcast=True).refuses("@all") == ""
