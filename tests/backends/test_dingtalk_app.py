"""DingTalk's app robots: groups and people, cards that are rewritten, words for what went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from relay.backends.base import Door, Receipt
from relay.backends.dingtalk_app import DingtalkApp, Settings
from relay.clock import FakeClock
from relay.errors import (
    BackendDownError,
    BackendError,
    NeedsFallbackError,
    RateLimitedError,
    RejectedError,
    TemporaryError,
)
from relay.models import AlertState, Reason
from relay.values import Secret
from tests.backends.messages import NOW, message, reminder
from tests.emulators.dingtalk_app import DingtalkOpenApi
from tests.emulators.faults import Fault

GROUP = "cid6KeBB+/oX=="
TEMPLATE = "6f2f-a2.schema"
LINKS = (("ack", "https://relay.example/a/ack/17"), ("silence", "https://relay.example/s/17"))
RESOLVED = {
    "state": AlertState.RESOLVED,
    "reason": Reason.RESOLVED,
    "count": 57,
    "first_seen": NOW - 900,
    "last_seen": NOW - 180,
    "key": "k-17-9",
}


@pytest.fixture
async def company() -> AsyncIterator[DingtalkOpenApi]:
    async with DingtalkOpenApi("ding1", "right", template=TEMPLATE) as company:
        yield company


@pytest.fixture
def app(company: DingtalkOpenApi, session: aiohttp.ClientSession) -> Any:
    def build(**changes: Any) -> DingtalkApp:
        settings = {"appkey": "ding1", "appsecret": Secret("right"), "server": company.url}
        door = Door(session=session, clock=FakeClock(), name="app")
        return DingtalkApp(Settings(**{**settings, **changes}), door)

    return build


async def failure(backend: DingtalkApp, to: str = GROUP, **changes: Any) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(**changes), to)
    return caught.value


@pytest.mark.parametrize(
    ("to", "reached"), [(GROUP, GROUP), ("0123", "0123"), ("user:manager4220", "manager4220")]
)
@pytest.mark.parametrize(("template", "kind"), [("", "sampleMarkdown"), (TEMPLATE, "card")])
async def test_groups_and_people(
    company: DingtalkOpenApi, app: Any, to: str, reached: str, template: str, kind: str
) -> None:
    receipt = await app(card_template=template).send(message(links=LINKS), to)
    (post,) = company.posts
    assert (post.kind, post.to, bool(receipt.id)) == (kind, reached, True)
    assert receipt.handle == (receipt.id if template else "")
    assert isinstance(await failure(app(card_template=template), "cid6KeBBxx=="), RejectedError)
    assert isinstance(await failure(app(card_template=template), "nobody"), RejectedError)


async def test_markdown_links_and_a_robot_of_its_own(company: DingtalkOpenApi, app: Any) -> None:
    company.robot = "dingrobot"
    assert isinstance(await failure(app()), BackendDownError)
    await app(robot_code="dingrobot").send(message(links=LINKS), GROUP)
    assert "[ack](https://relay.example/a/ack/17) · [silence](" in company.posts[0].content


@pytest.mark.parametrize(
    ("field", "expected", "code"),
    [
        ("hurried", NeedsFallbackError, "flowControlledStaffId"),
        ("filtered", RejectedError, "filteredStaffId"),
    ],
)
async def test_accepted_is_not_shown_to_a_user_that_the_answer_names(
    company: DingtalkOpenApi, app: Any, field: str, expected: type[BackendError], code: str
) -> None:
    getattr(company, field).add("0123")
    error = await failure(app(), "0123")
    assert (type(error), error.code, company.posts) == (expected, code, [])


async def test_a_card_holds_the_parts_of_the_message(company: DingtalkOpenApi, app: Any) -> None:
    await app(card_template=TEMPLATE).send(reminder(links=LINKS, late=840.0), GROUP)
    (post,) = company.posts
    card = post.card
    assert card["state"] == "error"
    assert (
        card["title"].replace("\u200b", "") == "[ERROR, still happening] pay.refund: timeout after <num> ms"
    )
    assert card["text"] == "timeout after 3000 ms"
    assert "host: web1, web2, web3" in card["facts"]
    assert card["footer"].startswith("alert 17 · +312 more")
    assert (card["label_1"], card["url_1"]) == LINKS[0]
    assert (card["label_2"], card["url_2"]) == LINKS[1]
    assert (card["label_3"], card["url_3"]) == ("", "")
    assert post.preview == "[ERROR, still happening] pay.refund: timeout after <num> ms"


async def test_a_card_pings_only_whom_the_address_names(company: DingtalkOpenApi, app: Any) -> None:
    backend = app(card_template=TEMPLATE)
    text = "@all <a atId=0123>x</a> @0123"
    await backend.send(message(text=text), GROUP)
    await backend.send(message(text=text, key="2"), f"{GROUP} @all @0123")
    assert [post.pinged for post in company.posts] == [(), ("@ALL", "0123")]
    assert "<a" not in company.posts[0].content


async def test_a_card_follows_its_alert(company: DingtalkOpenApi, app: Any) -> None:
    backend = app(card_template=TEMPLATE)
    first = await backend.send(message(links=LINKS), GROUP)
    again = await backend.send(reminder(handle=first.handle, key="k-17-2"), GROUP)
    assert again == Receipt(id=first.id, handle=first.id, note="edited")
    end = await backend.send(message(handle=again.handle, **RESOLVED), GROUP)
    (post,) = company.posts
    assert (end.id, post.edits, post.card["state"]) == (first.id, 2, "resolved")
    assert "resolved after 12 min, 57 events" in post.text
    assert post.card["url_1"] == ""
    await app(card_template=TEMPLATE, follow_up="new").send(message(handle=first.handle, key="3"), GROUP)
    assert len(company.posts) == 2


@pytest.mark.parametrize("handle", ["om_of-another-backend", "relay-../../x", "gone"])
async def test_a_card_that_is_not_there_is_followed_by_a_new_one(
    company: DingtalkOpenApi, app: Any, handle: str
) -> None:
    handle = "relay-" + "0" * 32 if handle == "gone" else handle
    receipt = await app(card_template=TEMPLATE).send(message(handle=handle), GROUP)
    assert (len(company.posts), receipt.note) == (1, "")


async def test_a_retry_of_a_card_that_arrived_is_shown_once(company: DingtalkOpenApi, app: Any) -> None:
    backend = app(card_template=TEMPLATE)
    company.fault = Fault(cut="before")
    error = await failure(backend)
    assert isinstance(error, TemporaryError)
    assert error.ambiguous
    company.fault = Fault()
    receipt = await backend.send(message(late=61.0), GROUP)
    assert (receipt.note, receipt.handle, len(company.posts)) == ("sent before", receipt.id, 1)
    await backend.send(message(), "0123")
    await backend.send(message(key="another"), GROUP)
    assert len(company.posts) == 3


async def test_a_card_that_is_not_delivered_goes_as_markdown(company: DingtalkOpenApi, app: Any) -> None:
    company.lost = True
    receipt = await app(card_template=TEMPLATE).send(message(), GROUP)
    (post,) = company.posts
    assert (post.kind, receipt.handle) == ("sampleMarkdown", "")


async def test_what_is_refused_as_it_is_goes_once_in_each_plainer_form(
    company: DingtalkOpenApi, app: Any
) -> None:
    company.refusing = {"card", "sampleMarkdown"}
    await app(card_template=TEMPLATE).send(reminder(text="x" * 5000, late=840.0), GROUP)
    (post,) = company.posts
    assert post.kind == "sampleText"
    assert post.text.endswith("14 min late")
    assert len(post.text.encode()) <= 1000
    assert company.requests == 3
    company.refusing.add("sampleText")
    assert isinstance(await failure(app()), RejectedError)


@pytest.mark.parametrize("template", ["", TEMPLATE])
async def test_each_form_fits_whatever_is_told(company: DingtalkOpenApi, app: Any, template: str) -> None:
    for number, text in enumerate(("告警" * 9000, '"\\\n' * 9000, "*`<" * 9000, "😀" * 9000)):
        told = reminder(
            text=text,
            title=text[:200],
            module=text,
            links=LINKS,
            hosts=(text,) * 9,
            key=str(number),
            late=840.0,
        )
        await app(card_template=template).send(told, GROUP)
    assert [post.kind for post in company.posts] == ["card" if template else "sampleMarkdown"] * 4
    for post in company.posts:
        assert post.text.endswith("14 min late")
        assert "characters cut" in post.text
        assert "\ufffd" not in post.text


async def test_a_digest_names_every_alert(company: DingtalkOpenApi, app: Any) -> None:
    lines = tuple(f"[ERROR] pay.{number}: {'<num> ' * 9}failed #{number}" for number in range(14))
    await app(card_template=TEMPLATE).send(message(text="x" * 50_000, digest=lines), GROUP)
    (post,) = company.posts
    assert post.kind == "sampleMarkdown"
    assert all(line in post.text for line in lines)


async def test_one_token_for_calls_that_come_together(company: DingtalkOpenApi, app: Any) -> None:
    company.token_delay = 0.01
    backend = app()
    await asyncio.gather(*(backend.send(message(text=str(number)), GROUP) for number in range(10)))
    assert company.token_requests == 1
    company.expire()
    await backend.send(message(), GROUP)
    assert (company.token_requests, len(company.posts)) == (2, 11)
    company.code, company.status = "InvalidAuthentication", 401
    assert isinstance(await failure(backend), BackendDownError)
    assert company.token_requests == 3


async def test_credentials_that_are_refused(company: DingtalkOpenApi, app: Any) -> None:
    error = await failure(app(appsecret=Secret("wrong")))
    assert isinstance(error, BackendDownError)
    assert str(error) == "invalidClientIdOrSecret: `appkey` or `appsecret` is wrong"
    assert company.requests == 0
    (finding,) = await app(appsecret=Secret("wrong")).check()
    assert not finding.ok
    (finding,) = await app().check()
    assert finding.ok


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("send.too.fast", 400, RateLimitedError),
        ("send.byToken.tooFast", 400, RateLimitedError),
        ("Forbidden.AccessDenied.QpsLimitForAppkeyAndApi", 403, RateLimitedError),
        ("Forbidden.AccessDenied.QpsLimitForApi", 403, RateLimitedError),
        ("Forbidden.AccessDenied.ApiCountLimitForOrg", 403, BackendDownError),
        ("Forbidden.AccessDenied.AccessTokenPermissionDenied", 403, BackendDownError),
        ("Forbidden.AccessDenied.IpNotInWhiteList", 403, BackendDownError),
        ("Forbidden.AccessDenied.Whatever", 403, BackendDownError),
        ("bot.stopped", 400, BackendDownError),
        ("param.templateUnpublished", 400, BackendDownError),
        ("invalidParameter.robotCode.empty", 400, BackendDownError),
        ("group.disbanded", 400, RejectedError),
        ("invalidParameter.robotCode.notExsit", 400, RejectedError),
        ("invalidParameter.msgParam.invalid", 400, RejectedError),
        ("param.cardPublicDataEmpty", 400, RejectedError),
        ("never.heard.of", 400, RejectedError),
        ("never.heard.of", 200, TemporaryError),
        ("system.error", 500, TemporaryError),
        ("system.busy", 500, TemporaryError),
    ],
)
async def test_a_word_becomes_its_error(
    company: DingtalkOpenApi, app: Any, code: str, status: int, expected: type[BackendError]
) -> None:
    company.code, company.status = code, status
    error = await failure(app())
    assert isinstance(error, expected)
    assert error.code == code


@pytest.mark.parametrize(
    ("code", "seconds"), [("send.too.fast", 60.0), ("Forbidden.AccessDenied.QpsLimitForApi", 1.0)]
)
async def test_a_limit_says_how_long_by_its_word(
    company: DingtalkOpenApi, app: Any, code: str, seconds: float
) -> None:
    company.code = code
    error = await failure(app())
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"appkey": "ding 1"}, "appkey"),
        ({"appsecret": Secret("c4n4ry ")}, "appsecret"),
        ({"robot_code": "a/b"}, "robot_code"),
        ({"card_template": "https://x"}, "card_template"),
        ({"server": "api"}, "server"),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], field: str) -> None:
    settings = Settings(**{"appkey": "d", "appsecret": Secret("s"), **changes})
    assert [name for name, _ in settings.problems()] == [field]
    assert "c4n4ry" not in str(settings.problems())


def test_a_mention_needs_a_card() -> None:
    settings = Settings(appkey="d", appsecret=Secret("s"))
    assert "card_template" in settings.refuses(f"{GROUP} @all")
    settings = Settings(appkey="d", appsecret=Secret("s"), card_template="t")
    assert settings.refuses(f"{GROUP} @all") == ""
    assert "only in a group" in settings.refuses("0123 @all")
