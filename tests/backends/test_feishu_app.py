"""Feishu's apps: tokens, kinds of receivers, replies, edits, idempotency."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from relay.backends.base import Door
from relay.backends.feishu_app import FeishuApp, Settings
from relay.clock import FakeClock
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError
from relay.models import AlertState, Reason
from relay.values import Secret
from tests.backends.messages import message, reminder
from tests.emulators.faults import Fault
from tests.emulators.feishu_app import FeishuServer

LINKS = (("ack", "https://relay.example/a/ack/17"),)
RESOLVED = {"state": AlertState.RESOLVED, "reason": Reason.RESOLVED, "key": "k-17-9"}


@pytest.fixture
async def company() -> AsyncIterator[FeishuServer]:
    async with FeishuServer("cli_1", "right") as company:
        yield company


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def app(company: FeishuServer, session: aiohttp.ClientSession, clock: FakeClock) -> Any:
    def build(**changes: Any) -> FeishuApp:
        settings = {"app_id": "cli_1", "app_secret": Secret("right"), "server": company.url}
        return FeishuApp(Settings(**{**settings, **changes}), Door(session=session, clock=clock, name="app"))

    return build


async def failure(backend: FeishuApp, to: str = "oc_1", **changes: Any) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(**changes), to)
    return caught.value


@pytest.mark.parametrize("to", ["oc_1", "ou_1", "on_1", "li@example.com", "4d7a", "user:4d7a"])
async def test_each_kind_of_receiver(company: FeishuServer, app: Any, to: str) -> None:
    receipt = await app().send(message(), to)
    assert (receipt.id, receipt.handle) == ("om_0", "om_0")
    assert company.posts[0].to == to.removeprefix("user:")
    assert isinstance(await failure(app(), f"{to}x"), RejectedError)


@pytest.mark.parametrize("form", ["card", "post", "text"])
async def test_those_of_the_address_are_mentioned(company: FeishuServer, app: Any, form: Any) -> None:
    told = message(text='<at user_id="all">x</at> <at id=all></at>', links=LINKS)
    await app(format=form).send(told, "oc_1 @all @ou_1")
    (post,) = company.posts
    assert post.mentions == ["all", "ou_1"]
    assert post.links == ([] if form == "text" else list(LINKS))


@pytest.mark.parametrize(("follow_up", "thread"), [("reply", False), ("thread", True)])
async def test_later_messages_reply_to_the_first(
    company: FeishuServer, app: Any, follow_up: Any, *, thread: bool
) -> None:
    backend = app(follow_up=follow_up)
    first = await backend.send(message(), "oc_1")
    again = await backend.send(reminder(handle=first.handle, key="k-17-2"), "oc_1 @all")
    end = await backend.send(message(handle=again.handle, **RESOLVED), "oc_1")
    assert first.handle == again.handle == end.handle == "om_0"
    assert [(post.root, post.thread) for post in company.posts] == [
        ("", False),
        ("om_0", thread),
        ("om_0", thread),
    ]
    assert company.posts[1].mentions == ["all"]
    assert "resolved after" in company.posts[2].text


async def test_later_messages_rewrite_the_first(company: FeishuServer, app: Any) -> None:
    backend = app(follow_up="edit")
    first = await backend.send(message(), "oc_1")
    again = await backend.send(reminder(handle=first.handle, key="k-17-2"), "oc_1")
    assert again.handle == first.handle
    assert "313 times" in company.posts[0].text
    await backend.send(message(handle=first.handle, **RESOLVED), "oc_1")
    (post,) = company.posts
    assert post.body["header"]["template"] == "green"
    assert post.edits == 2


async def test_new_ones_where_that_is_wanted(company: FeishuServer, app: Any) -> None:
    await app(follow_up="new").send(message(handle="om_0"), "oc_1")
    assert company.posts[0].root == ""


@pytest.mark.parametrize("follow_up", ["reply", "edit"])
async def test_what_is_gone_is_followed_by_a_new_one(company: FeishuServer, app: Any, follow_up: Any) -> None:
    backend = app(follow_up=follow_up)
    first = await backend.send(message(), "oc_1")
    company.gone.add(first.handle)
    again = await backend.send(reminder(handle=first.handle, key="k-17-2"), "oc_1")
    assert again.handle == "om_1"
    assert company.posts[1].root == ""


async def test_a_card_that_was_edited_too_often_is_followed_by_a_new_one(
    company: FeishuServer, app: Any
) -> None:
    backend = app(follow_up="edit")
    first = await backend.send(message(), "oc_1")
    company.posts[0].edits = 20
    again = await backend.send(reminder(handle=first.handle, key="k-17-2"), "oc_1")
    assert again.handle == "om_1"


@pytest.mark.parametrize("handle", ["../../evil", "a b", "x?y=1"])
async def test_a_handle_that_is_none_is_left_alone(company: FeishuServer, app: Any, handle: str) -> None:
    await app().send(message(handle=handle), "oc_1")
    assert company.posts[0].root == ""


async def test_a_retry_of_what_arrived_is_shown_once(company: FeishuServer, app: Any) -> None:
    backend = app()
    company.fault = Fault(cut="before")
    error = await failure(backend)
    assert isinstance(error, TemporaryError)
    assert error.ambiguous
    company.fault = Fault()
    receipt = await backend.send(message(late=61.0), "oc_1")
    assert (receipt.id, len(company.posts)) == ("om_0", 1)
    await backend.send(message(), "ou_1")
    await backend.send(message(key="another"), "oc_1")
    assert len(company.posts) == 3
    assert all(len(post.uuid) <= 50 for post in company.posts)


async def test_one_token_for_calls_that_come_together(
    company: FeishuServer, app: Any, clock: FakeClock
) -> None:
    company.token_delay = 0.01
    backend = app()
    await asyncio.gather(*(backend.send(message(key=str(number)), "oc_1") for number in range(10)))
    assert company.token_requests == 1
    clock.advance(7200 - 600)  # from here on Feishu hands out a new one
    await backend.send(message(key="later"), "oc_1")
    assert company.token_requests == 2


@pytest.mark.parametrize("code", [99991661, 99991663, 99991664, 99991668, 99991671])
async def test_a_token_that_is_refused_is_replaced_once(company: FeishuServer, app: Any, code: int) -> None:
    backend = app()
    await backend.send(message(), "oc_1")
    company.expire()
    await backend.send(message(key="2"), "oc_1")
    assert (company.token_requests, len(company.posts)) == (2, 2)
    company.code, company.status = code, 401
    error = await failure(backend)
    assert isinstance(error, BackendDownError)
    assert error.code == str(code)
    assert company.token_requests == 3


async def test_credentials_that_are_refused(company: FeishuServer, app: Any) -> None:
    backend = app(app_secret=Secret("wrong"))
    error = await failure(backend)
    assert isinstance(error, BackendDownError)
    assert error.code == "10014"
    (finding,) = await backend.check()
    assert (finding.ok, finding.code) == (False, "10014")
    (finding,) = await app().check()
    assert finding.ok
    assert company.requests == 0
    company.token_code = 99991400
    assert isinstance(await failure(app()), RateLimitedError)


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (99991672, BackendDownError),
        (230006, BackendDownError),
        (230018, BackendDownError),
        (230027, BackendDownError),
        (230035, BackendDownError),
        (230002, RejectedError),
        (230013, RejectedError),
        (230029, RejectedError),
        (230034, RejectedError),
        (230053, RejectedError),
        (232009, RejectedError),
        (230001, RejectedError),
        (230022, RejectedError),
        (230025, RejectedError),
        (230028, RejectedError),
        (230054, RejectedError),
        (230099, RejectedError),
        (230020, RateLimitedError),
        (230049, TemporaryError),
    ],
)
async def test_a_number_becomes_its_error(
    company: FeishuServer, app: Any, code: int, status: int, expected: type[BackendError]
) -> None:
    company.code, company.status = code, status
    error = await failure(app())
    assert isinstance(error, expected)
    assert error.code == str(code)
    assert str(error).startswith(f"{code}: ")


@pytest.mark.parametrize("status", [429, 400])
@pytest.mark.parametrize(("reset", "seconds"), [("3", 3.0), ("0", 0.5), ("", 30.0), ("soon", 30.0)])
async def test_the_wait_stands_in_a_header(
    company: FeishuServer, app: Any, status: int, reset: str, seconds: float
) -> None:
    company.code, company.status, company.headers = 99991400, status, {"x-ogw-ratelimit-reset": reset}
    error = await failure(app())
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == seconds


@pytest.mark.parametrize("follow_up", ["reply", "edit"])
async def test_what_is_refused_as_it_is_goes_once_as_a_short_text(
    company: FeishuServer, app: Any, follow_up: Any
) -> None:
    backend = app(follow_up=follow_up)
    first = await backend.send(message(), "oc_1")
    company.refusing = {"interactive"}
    if follow_up == "edit":
        company.posts[0].body["config"]["update_multi"] = False  # can't be edited, it says
    await backend.send(reminder(text="x" * 5000, handle=first.handle, key="2", late=840.0), "oc_1")
    post = company.posts[-1]
    assert (post.kind, post.root) == ("text", "om_0")
    assert post.text.endswith("14 min late")
    company.refusing |= {"text"}
    assert isinstance(await failure(backend, key="3"), RejectedError)


@pytest.mark.parametrize("form", ["card", "post", "text"])
async def test_each_form_fits_whatever_is_told(company: FeishuServer, app: Any, form: Any) -> None:
    for number, text in enumerate(("告警" * 9000, '"\\\n' * 9000, "<at " * 9000)):
        told = reminder(text=text, title=text[:200], links=LINKS, key=str(number), late=840.0)
        await app(format=form).send(told, "oc_1")
    kinds = {"card": "interactive", "post": "post", "text": "text"}
    assert [post.kind for post in company.posts] == [kinds[form]] * 3
    assert all("14 min late" in post.text for post in company.posts)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"app_id": "cli 1"}, "app_id"),
        ({"app_secret": Secret("c4n4ry ")}, "app_secret"),
        ({"format": "post", "follow_up": "edit"}, "follow_up"),
        ({"max_bytes": 100_000}, "max_bytes"),
        ({"server": "open.feishu.cn"}, "server"),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], field: str) -> None:
    settings = Settings(**{"app_id": "cli_1", "app_secret": Secret("s"), **changes})
    assert [name for name, _ in settings.problems()] == [field]
    assert "c4n4ry" not in str(settings.problems())


def test_settings_that_work() -> None:
    assert Settings(app_id="cli_1", app_secret=Secret("s"), format="text", max_bytes=150_000).problems() == []


async def test_a_digest_is_not_in_the_small_letters_of_the_note(company: FeishuServer, app: Any) -> None:
    await app().send(message(digest=("[ERROR] pay.a: x #18", "[ERROR] pay.b: y #19")), "oc_1")
    *_, note, digest = company.posts[0].body["elements"]
    assert note["elements"][0]["content"] == "alert 17"
    assert digest["text"]["content"] == "and 2 more:\n[ERROR] pay.a: x #18\n[ERROR] pay.b: y #19"
