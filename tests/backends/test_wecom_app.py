"""WeCom's apps: tokens, receivers of each kind, many at once, duplicates, cards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from msgspec import structs

from relay.backends.base import Door, Pace, Receipt
from relay.backends.wecom_app import PER_PERSON, Settings, WecomApp
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
from tests.emulators.faults import Fault
from tests.emulators.wecom_app import WecomServer

LINKS = (("ack", "https://relay.example/a/ack/17"), ("silence", "https://relay.example/a/silence/17"))
RESOLVED = {"state": AlertState.RESOLVED, "reason": Reason.RESOLVED}


@pytest.fixture
async def company() -> AsyncIterator[WecomServer]:
    async with WecomServer("ww1", "right", 1000002) as company:
        yield company


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def app(company: WecomServer, session: aiohttp.ClientSession, clock: FakeClock) -> Any:
    def build(**changes: Any) -> WecomApp:
        settings = {"corpid": "ww1", "corpsecret": Secret("right"), "agentid": 1000002, "server": company.url}
        return WecomApp(Settings(**{**settings, **changes}), Door(session=session, clock=clock, name="app"))

    return build


async def failure(backend: WecomApp, to: str = "zhangsan") -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), to)
    return caught.value


@pytest.mark.parametrize(
    ("to", "fields"),
    [
        ("zhangsan", {"touser": "zhangsan"}),
        ("user:zhangsan", {"touser": "zhangsan"}),
        ("party:2", {"toparty": "2"}),
        ("tag:7", {"totag": "7"}),
        ("@all", {"touser": "@all"}),
    ],
)
async def test_each_kind_of_receiver(company: WecomServer, app: Any, to: str, fields: Any) -> None:
    receipt = await app(allow_broadcast=True).send(message(), to)
    assert receipt.id == "m0"
    (call,) = company.calls
    assert {name: call[name] for name in ("touser", "toparty", "totag") if name in call} == fields
    assert call["agentid"] == 1000002
    assert call["safe"] == 0


async def test_a_group_chat_has_an_interface_of_its_own(company: WecomServer, app: Any) -> None:
    await app().send(message(), "chat:chat1")
    assert company.posts[0].receivers == ("chat1",)
    assert isinstance(await failure(app(), "chat:nothing"), RejectedError)


async def test_one_call_for_a_thousand_people(company: WecomServer, app: Any) -> None:
    people = [f"u{number}" for number in range(1500)]
    company.users |= set(people)
    outcomes = await app().send_many(message(), people[:1000])
    assert len(company.calls) == 1
    assert all(isinstance(outcome, Receipt) for outcome in outcomes)
    await app().send_many(message(text="another"), people)
    assert len(company.calls) == 3
    assert {name for post in company.posts for name in post.receivers} == set(people)


async def test_each_address_has_its_own_outcome_in_order(company: WecomServer, app: Any) -> None:
    company.unlicensed = {"wangwu"}
    tos = [
        "ZhangSan",
        "nobody",
        "LiSi",
        "wangwu",
        "party:2",
        "party:9",
        "tag:8",
        "chat:chat1",
        "@all",
        "ZhangSan",
    ]
    outcomes = await app().send_many(message(), tos)
    told = [outcome.code if isinstance(outcome, BackendError) else "ok" for outcome in outcomes]
    assert told == [
        "ok",
        "invaliduser",
        "ok",
        "unlicenseduser",
        "ok",
        "invalidparty",
        "81013",
        "ok",
        "address",
        "ok",
    ]
    assert all(isinstance(outcome, Receipt | RejectedError) for outcome in outcomes)
    assert company.posts[0].receivers == ("ZhangSan", "LiSi")


async def test_a_failure_holds_for_all_of_its_call_only(company: WecomServer, app: Any) -> None:
    company.chats.clear()
    outcomes = await app().send_many(message(), ["zhangsan", "LiSi", "chat:chat1"])
    assert [type(outcome) for outcome in outcomes] == [Receipt, Receipt, RejectedError]
    company.fault = Fault(cut="before")
    outcomes = await app().send_many(message(text="x"), ["zhangsan", "LiSi"])
    assert [isinstance(each, TemporaryError) and each.ambiguous for each in outcomes] == [True, True]


async def test_one_token_for_calls_that_come_together(
    company: WecomServer, app: Any, clock: FakeClock
) -> None:
    company.token_delay = 0.01
    backend = app()
    await asyncio.gather(*(backend.send(message(text=str(number)), "zhangsan") for number in range(10)))
    assert company.token_requests == 1
    clock.advance(6900)
    await backend.send(message(text="later"), "zhangsan")
    assert company.token_requests == 2


async def test_a_token_that_expired_is_replaced_once(company: WecomServer, app: Any) -> None:
    backend = app()
    await backend.send(message(), "zhangsan")
    company.expire()
    await backend.send(message(text="again"), "zhangsan")
    assert len(company.posts) == 2
    company.code = 42001
    error = await failure(backend)
    assert isinstance(error, BackendDownError)
    assert company.token_requests == 3


@pytest.mark.parametrize(
    ("changes", "code"), [({"corpsecret": Secret("wrong")}, "40001"), ({"corpid": "ww2"}, "40013")]
)
async def test_credentials_that_are_refused(company: WecomServer, app: Any, changes: Any, code: str) -> None:
    error = await failure(app(**changes))
    assert isinstance(error, BackendDownError)
    assert error.code == code
    assert company.token_requests == 1  # too many of these and WeCom bans this host
    (finding,) = await app(**changes).check()
    assert (finding.ok, finding.code) == (False, code)


async def test_doctor_asks_for_a_token_only(company: WecomServer, app: Any) -> None:
    (finding,) = await app().check()
    assert finding.ok
    assert company.requests == 0


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (-1, TemporaryError),
        (6000, TemporaryError),
        (40013, BackendDownError),
        (40056, BackendDownError),
        (40091, BackendDownError),
        (41002, BackendDownError),
        (41004, BackendDownError),
        (41011, BackendDownError),
        (48001, BackendDownError),
        (48002, BackendDownError),
        (50003, BackendDownError),
        (60020, BackendDownError),
        (301002, BackendDownError),
        (40014, BackendDownError),
        (41001, BackendDownError),
        (40003, RejectedError),
        (40031, RejectedError),
        (46004, RejectedError),
        (60011, RejectedError),
        (60111, RejectedError),
        (81013, RejectedError),
        (82001, RejectedError),
        (40050, RejectedError),
        (49008, RejectedError),
        (45009, RateLimitedError),
        (45033, RateLimitedError),
        (40035, RejectedError),
        (45034, RejectedError),
        (40204, RejectedError),
        (40206, RejectedError),
        (42051, RejectedError),
    ],
)
async def test_a_number_becomes_its_error(
    company: WecomServer, app: Any, code: int, expected: type[BackendError]
) -> None:
    company.code = code
    error = await failure(app())
    assert isinstance(error, expected)
    assert error.code == str(code)


async def test_an_app_of_another_secret(company: WecomServer, app: Any) -> None:
    error = await failure(app(agentid=7))
    assert isinstance(error, BackendDownError)
    assert error.code == "301002"


async def test_a_retry_is_dropped_by_wecom_and_a_wanted_repeat_is_not(company: WecomServer, app: Any) -> None:
    backend = app()
    company.fault = Fault(cut="before")
    await failure(backend)
    company.fault = Fault()
    await backend.send(message(), "zhangsan")
    assert (len(company.posts), company.swallowed) == (1, 1)
    for key in ("a", "a", "b"):
        await backend.send(message(alert=0, key=key), "zhangsan")
    assert (len(company.posts), company.swallowed) == (3, 2)
    assert company.calls[0]["duplicate_check_interval"] == 1800
    await app(duplicate_check_interval=0.0).send(message(text="x"), "zhangsan")
    assert "enable_duplicate_check" not in company.calls[-1]


def test_people_have_a_limit_by_whatever_name_they_go(app: Any) -> None:
    backend = app()
    assert backend.pace("user:ZhangSan") == backend.pace("zhangsan") == Pace("zhangsan", PER_PERSON)
    assert all(backend.pace(to).windows == () for to in ("party:2", "tag:3", "chat:x", "@all"))


async def test_a_card_has_the_links_as_buttons(company: WecomServer, app: Any) -> None:
    receipt = await app(format="card").send(message(links=LINKS), "zhangsan")
    card = company.posts[0].told["template_card"]
    assert card["main_title"]["title"] == "[ERROR] pay.refund"
    assert card["sub_title_text"].startswith("timeout after <num> ms\ntimeout after 3000 ms")
    assert [(each["text"], each["url"]) for each in card["button_list"]] == list(LINKS)
    assert {"keyname": "host", "value": "web1"} in card["horizontal_content_list"]
    assert receipt.handle.startswith("rc0/")


async def test_a_card_keeps_its_footer(company: WecomServer, app: Any) -> None:
    told = reminder(links=LINKS, text="x" * 5000, late=840.0)
    await app(format="card").send(told, "zhangsan")
    quote = company.posts[0].told["template_card"]["quote_area"]["quote_text"]
    assert quote.startswith("alert 17 · +312 more")
    assert quote.endswith("14 min late")


async def test_the_end_of_an_alert_rewrites_its_last_card(company: WecomServer, app: Any) -> None:
    backend = app(format="card")
    first = await backend.send(message(links=LINKS), "zhangsan")
    again = await backend.send(reminder(links=LINKS, handle=first.handle), "zhangsan")
    assert len(company.posts) == 2  # a reminder is to be noticed
    end = await backend.send(message(links=LINKS, handle=again.handle, **RESOLVED), "zhangsan")
    (update,) = company.updates
    assert update["userids"] == ["zhangsan"]
    assert update["template_card"]["main_title"]["title"] == "[RESOLVED] pay.refund"
    assert end.handle == ""
    assert len(company.posts) == 2


async def test_a_card_that_can_not_be_rewritten_is_followed_by_a_new_one(
    company: WecomServer, app: Any
) -> None:
    backend = app(format="card")
    first = await backend.send(message(links=LINKS), "zhangsan")
    company.codes.clear()
    await backend.send(message(links=LINKS, handle=first.handle, **RESOLVED), "zhangsan")
    assert company.posts[1].told["template_card"]["main_title"]["title"] == "[RESOLVED] pay.refund"


async def test_a_rewritten_card_without_links_says_resolved_on_its_button(
    company: WecomServer, app: Any
) -> None:
    backend = app(format="card")
    first = await backend.send(message(links=LINKS), "zhangsan")
    await backend.send(message(handle=first.handle, **RESOLVED), "zhangsan")
    assert company.updates[0]["button"] == {"replace_name": "RESOLVED"}


async def test_a_card_of_several_is_rewritten_for_just_these(company: WecomServer, app: Any) -> None:
    backend = app(format="card")
    first, second = await backend.send_many(message(links=LINKS), ["zhangsan", "LiSi"])
    assert first.handle == second.handle
    end = message(links=LINKS, handle=first.handle, **RESOLVED)
    await backend.send_many(end, ["zhangsan", "wangwu"])  # wangwu saw another card, or none
    assert (len(company.posts), company.updates) == (2, [])
    await backend.send_many(end, ["LiSi", "zhangsan"])
    assert company.updates[0]["userids"] == ["LiSi", "zhangsan"]


async def test_a_digest_is_text_that_names_every_alert(company: WecomServer, app: Any) -> None:
    lines = tuple(f"[ERROR] pay.{number}: {'<num> ' * 9}failed #{number}" for number in range(14))
    for form in ("card", "text", "markdown"):
        await app(format=form, duplicate_check_interval=0.0).send(
            message(links=LINKS, text="x" * 5000, digest=lines), "zhangsan"
        )
    assert [post.kind for post in company.posts] == ["text", "text", "markdown"]
    assert all(line in post.text for post in company.posts for line in lines)


async def test_a_card_without_links_or_one_that_is_refused_is_text(company: WecomServer, app: Any) -> None:
    backend = app(format="card")
    await backend.send(message(), "zhangsan")
    company.refusing = {"template_card"}
    await backend.send(message(links=LINKS), "zhangsan")
    await backend.send(message(links=LINKS), "chat:chat1")
    assert [post.kind for post in company.posts] == ["text"] * 3
    assert "ack: https://relay.example/a/ack/17" in company.posts[1].text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"corpid": "ww 1"}, "corpid"),
        ({"corpsecret": Secret("c4n4ry ")}, "corpsecret"),
        ({"duplicate_check_interval": 14401.0}, "duplicate_check_interval"),
        ({"server": "qyapi"}, "server"),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], field: str) -> None:
    settings = Settings(**{"corpid": "ww1", "corpsecret": Secret("s"), "agentid": 1, **changes})
    assert [name for name, _ in settings.problems()] == [field]
    assert "c4n4ry" not in str(settings.problems())


def test_a_broadcast_is_switched_on_by_name() -> None:
    settings = Settings(corpid="ww1", corpsecret=Secret("s"), agentid=1)
    assert settings.problems() == []
    assert "allow_broadcast" in settings.refuses("@all")
    assert structs.replace(settings, allow_broadcast=True).refuses("@all") == ""
