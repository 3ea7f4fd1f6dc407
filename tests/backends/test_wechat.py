"""WeChat against its emulator: tokens, the channel a message takes, templates, every code."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.base import CallbackRequest, Door
from relay.backends.callbacks import CallbackRefusedError
from relay.backends.http import json_bytes
from relay.backends.wechat import MiniProgram, Settings, WeChat
from relay.backends.wechat_answer import bare, until_midnight
from relay.clock import FakeClock
from relay.errors import (
    BackendDownError,
    BackendError,
    NeedsFallbackError,
    RateLimitedError,
    ReceiverLimitedError,
    RejectedError,
    TemporaryError,
)
from relay.models import AlertState, Reason
from relay.values import Secret
from tests.backends.messages import message, reminder
from tests.emulators.faults import Fault
from tests.emulators.wechat import APPID, CALLBACK_TOKEN, SECRET, TEMPLATE, User, WeChatServer, anchors

FIELDS = {"thing1": "{title}", "thing2": "{module} {host}", "time3": "{last_seen}", "keyword4": "{level}"}


@pytest.fixture
async def server() -> AsyncIterator[WeChatServer]:
    async with WeChatServer() as server:
        yield server


@pytest.fixture
def wechat(server: WeChatServer, door: Door) -> Any:
    def build(**changes: Any) -> WeChat:
        fields = {"url": server.url, "appid": APPID, "secret": Secret(SECRET)}
        return WeChat(Settings(**{**fields, **changes}), door)

    return build


@pytest.fixture
def templated(wechat: Any) -> Any:
    return lambda **changes: wechat(**{"template_id": TEMPLATE, "template_fields": FIELDS, **changes})


def later(server: WeChatServer, door: Door, seconds: float) -> None:
    assert isinstance(door.clock, FakeClock)
    door.clock.advance(seconds)
    server.now += seconds


async def failure(backend: WeChat, to: str = "oWang") -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), to)
    return caught.value


class TestCustomMessages:
    async def test_the_text_and_who_it_is_from(self, server: WeChatServer, wechat: Any) -> None:
        receipt = await wechat(kf_account="ops@example").send(message(text="订单 4711 超时 😀"), "oWang")
        (arrived,) = server.arrived
        assert arrived.text.startswith("[ERROR] pay.refund: timeout after <num> ms\n订单 4711 超时 😀\n")
        assert arrived.payload["customservice"] == {"kf_account": "ops@example"}
        assert "超时".encode() in arrived.raw
        assert receipt.note == "customer-service message"

    def test_the_body_on_the_wire(self) -> None:
        text = {"content": "磁盘告警\n主机 db-01"}
        body = json_bytes({"touser": "oABC", "msgtype": "text", "text": text})
        assert len(body) == 82
        assert hashlib.sha256(body).hexdigest() == (
            "345ec69d3dadebeee96ab27d2f4266583ea7d5f880026312887a94865c66e9a2"
        )

    async def test_only_relays_links_are_links(self, server: WeChatServer, wechat: Any) -> None:
        links = (("确认 <a>", 'http://relay/a/17?x="<1>'),)
        hostile = '<a href="http://e">x</a> < A HREF=x> </a > <abbr> a<b \\u202e \u202e'
        await wechat().send(message(text=hostile, links=links), "oWang")
        (arrived,) = server.arrived
        assert anchors(arrived.text) == ['<a href="http://relay/a/17?x=%22%3C1%3E">', "</a>"]
        assert "＜a href" in arrived.text
        assert "<abbr> a<b" in arrived.text  # no links: left as they are

    async def test_the_cap_in_bytes(self, server: WeChatServer, wechat: Any) -> None:
        await wechat().send(reminder(text="告警" * 2000, late=840.0), "oWang")
        (arrived,) = server.arrived
        assert 1900 < len(arrived.text.encode()) <= 2048
        assert arrived.text.endswith("14 min late")

    async def test_a_smaller_cap_than_thought(self, server: WeChatServer, wechat: Any) -> None:
        server.most_text = 1500
        await wechat().send(message(text="告警" * 2000), "oWang")
        assert server.channels == ["custom", "custom"]
        assert 900 < len(server.arrived[0].text.encode()) <= 1024
        server.most_text = 100
        error = await failure(wechat())
        assert isinstance(error, RejectedError)
        assert error.code == "45002"
        assert len(server.channels) == 4

    async def test_control_characters_need_no_escape(self, server: WeChatServer, wechat: Any) -> None:
        await wechat().send(message(text='tab\tquote" back\\slash \x01 \\u0041 \x7f'), "oWang")
        assert "tab\tquote" in server.arrived[0].text


class TestTemplates:
    @pytest.mark.parametrize(
        ("user", "code"),
        [(User(replies_until=0.0), "45015"), (User(replies_until=4e9, replies_left=0), "45047")],
    )
    async def test_a_closed_window_falls_back_at_once(
        self, server: WeChatServer, templated: Any, user: User, code: str, wechat: Any
    ) -> None:
        server.users["oLi"] = user
        receipt = await templated().send(message(), "oLi")
        assert server.channels == ["custom", "template"]
        assert [one.channel for one in server.arrived] == ["template"]
        assert receipt.note == "template message"
        assert receipt.id == str(server.arrived[0].id) == "2918131553548107776"
        error = await failure(wechat(), "oLi")  # no template: the next address
        assert isinstance(error, NeedsFallbackError)
        assert error.code == code

    async def test_no_other_refusal_does(self, server: WeChatServer, templated: Any) -> None:
        backend = templated()
        for code in (40003, 43101, 43117, 45009, 45011, 48001, -1, 44004, 99999):
            server.answer = {"errcode": code, "errmsg": "no"}
            await failure(backend)
        assert set(server.channels) == {"custom"}
        assert server.arrived == []

    async def test_which_ones_do_is_a_setting(self, server: WeChatServer, templated: Any) -> None:
        server.users["oLi"] = User(replies_until=4e9, replies_left=0)
        error = await failure(templated(fallback_codes=(45015,)), "oLi")
        assert isinstance(error, NeedsFallbackError)
        assert server.channels == ["custom"]

    async def test_its_refusal_is_final(self, server: WeChatServer, templated: Any) -> None:
        server.users["oLi"] = User(subscribed=False)
        error = await failure(templated(), "oLi")
        assert isinstance(error, RejectedError)
        assert error.code == "43004"  # 45015 before it meant that the user has left
        assert server.channels == ["custom", "template"]

    async def test_a_token_that_ends_meanwhile_changes_nothing_else(
        self, server: WeChatServer, templated: Any
    ) -> None:
        server.users["oLi"] = User()
        server.tokens_end_after = "custom"
        await templated().send(message(), "oLi")
        assert server.channels == ["custom", "template", "template"]
        assert [one.channel for one in server.arrived] == ["template"]

    async def test_the_body_on_the_wire(self, server: WeChatServer, wechat: Any) -> None:
        server.users["oABC"] = User()
        fields = {"keyword1": "磁盘告警", "keyword2": "db-01"}
        backend = wechat(template_id=TEMPLATE, template_fields=fields, custom_enabled=False)
        await backend.send(message(key="relay-0001"), "oABC")
        raw = server.arrived[0].raw
        assert len(raw) == 141
        assert hashlib.sha256(raw).hexdigest() == (
            "03027674f6da828713179af2eb90411bdc0180a33d3e91224ecac132bce24de3"
        )

    async def test_fields_are_filled_and_cut(self, server: WeChatServer, templated: Any) -> None:
        told = message(
            module="pay.refund.worker.batch", title="磁盘\n空间不足\\u0041" * 9, hosts=("web1", "web2")
        )
        await templated(custom_enabled=False).send(told, "oWang")
        data = {name: part["value"] for name, part in server.arrived[0].payload["data"].items()}
        assert data["thing1"] == "磁盘 空间不足＼u0041磁盘 空间不…"
        assert data["thing2"] == "pay.refund.worker.b…"
        assert data["time3"] == "2026-01-05 " + data["time3"][11:]
        assert len(data["time3"]) == 19
        assert data["keyword4"] == "ERROR"

    async def test_kinds_of_fields(self, server: WeChatServer, wechat: Any) -> None:
        fields = {
            "character_string1": "{title}",
            "phrase2": "{title}",
            "name3": "{title}",
            "thing4": "{rule}",
            "keyword5": "{count}x {source} {text} {headline} {first_seen}",
        }
        backend = wechat(template_id=TEMPLATE, template_fields=fields, custom_enabled=False, field_limit=12)
        await backend.send(message(title="x" * 99, rule=""), "oWang")
        data = {name: part["value"] for name, part in server.arrived[0].payload["data"].items()}
        assert [len(value) for value in data.values()] == [32, 5, 10, 1, 12]
        assert data["thing4"] == "-"  # an empty one would be refused
        assert data["keyword5"].startswith("1x shop ")

    async def test_what_it_opens(self, server: WeChatServer, templated: Any) -> None:
        told = message(links=(("ack", "http://relay/a/17"),))
        program = MiniProgram(appid="wxfedcba9876543210", pagepath="pages/x?y=1")
        await templated(custom_enabled=False).send(told, "oWang")
        await templated(custom_enabled=False, template_url="http://t/").send(message(key="b"), "oWang")
        await templated(custom_enabled=False, miniprogram=program).send(message(key="c"), "oWang")
        first, second, third = (one.payload for one in server.arrived)
        assert (first["url"], second["url"]) == ("http://relay/a/17", "http://t/")
        assert third["miniprogram"] == {"appid": "wxfedcba9876543210", "pagepath": "pages/x?y=1"}
        assert "url" not in third

    async def test_a_second_attempt_is_shown_once(self, server: WeChatServer, templated: Any) -> None:
        backend = templated(custom_enabled=False)
        server.fault = Fault(cut="before")
        error = await failure(backend)
        assert isinstance(error, TemporaryError)
        assert error.ambiguous
        assert templated(on_ambiguous="drop").concluded(error) is error  # it may be sent again
        server.fault = Fault()
        await backend.send(message(late=60.0), "oWang")
        assert len(server.arrived) == 1
        await backend.send(message(key="k-17-2"), "oWang")
        assert len(server.arrived) == 2

    async def test_a_resolution(self, server: WeChatServer, templated: Any) -> None:
        told = message(reason=Reason.RESOLVED, state=AlertState.RESOLVED)
        await templated(custom_enabled=False).send(told, "oWang")
        assert "RESOLVED" in server.arrived[0].text


class TestTokens:
    async def test_one_fetch_for_all(self, server: WeChatServer, wechat: Any) -> None:
        backend = wechat()
        await asyncio.gather(*(backend.send(message(key=f"k{n}"), "oWang") for n in range(60)))
        assert server.token_calls == ["stable"]
        assert len(server.arrived) == 60

    async def test_it_is_replaced_in_its_last_minute(
        self, server: WeChatServer, wechat: Any, door: Door
    ) -> None:
        backend = wechat()
        await backend.send(message(), "oWang")
        later(server, door, 7139)
        await backend.send(message(), "oWang")
        assert server.token_calls == ["stable"]
        later(server, door, 2)
        await backend.send(message(), "oWang")
        assert server.token_calls == ["stable", "stable"]

    async def test_a_refused_token_is_forced_once(self, server: WeChatServer, wechat: Any) -> None:
        backend = wechat()
        await backend.send(message(), "oWang")
        server.end_tokens()
        await asyncio.gather(*(backend.send(message(key=f"k{n}"), "oWang") for n in range(9)))
        assert server.token_calls == ["stable", "stable", "forced"]
        assert len(server.arrived) == 10

    async def test_tokens_are_forced_as_seldom_as_the_service_wants(
        self, server: WeChatServer, wechat: Any, door: Door
    ) -> None:
        backend = wechat()
        await backend.send(message(), "oWang")
        server.end_tokens()
        await backend.send(message(), "oWang")
        server.end_tokens()  # at once again: another program forces tokens too
        error = await failure(backend)
        assert isinstance(error, RateLimitedError)
        assert error.code == "45011"
        for _ in range(19):
            later(server, door, 60)
            server.end_tokens()
            await backend.send(message(), "oWang")
        later(server, door, 60)
        server.end_tokens()
        error = await failure(backend)
        assert isinstance(error, RateLimitedError)
        assert error.code == "45009"

    async def test_a_day_of_legacy_tokens(self, server: WeChatServer, wechat: Any) -> None:
        server.most_legacy = 1
        backend = wechat(token_mode="legacy")
        await backend.send(message(), "oWang")
        server.end_tokens()
        error = await failure(backend)
        assert isinstance(error, RateLimitedError)
        assert (error.code, error.retry_after) == ("45009", until_midnight(server.now))

    async def test_a_token_that_another_program_replaced_is_not_forced(
        self, server: WeChatServer, wechat: Any, door: Door
    ) -> None:
        backend = wechat()
        await backend.send(message(), "oWang")
        server.end_tokens()
        server._current = server._new_token()
        await backend.send(message(), "oWang")
        assert server.token_calls == ["stable", "stable"]

    async def test_a_second_refusal_needs_an_operator(self, server: WeChatServer, wechat: Any) -> None:
        server.refuse_tokens = True
        error = await failure(wechat())
        assert isinstance(error, BackendDownError)
        assert error.code == "40001"
        assert len(server.channels) == 2  # tried twice, and no more
        assert "c4n4ry" not in str(error) + error.detail  # the service quoted the token

    async def test_legacy_tokens(self, server: WeChatServer, wechat: Any) -> None:
        backend = wechat(token_mode="legacy")
        await backend.send(message(), "oWang")
        server.end_tokens()
        await backend.send(message(), "oWang")
        assert server.token_calls == ["legacy", "legacy"]
        assert len(server.arrived) == 2

    @pytest.mark.parametrize("form", ["bare", "json"])
    async def test_tokens_of_another_program(
        self, server: WeChatServer, wechat: Any, door: Door, form: str
    ) -> None:
        server.external = form
        backend = wechat(token_mode="external", token_url=Secret(f"{server.url}/token?key=c4n4ry"))
        await backend.send(message(), "oWang")
        later(server, door, 59)
        await backend.send(message(), "oWang")
        assert server.token_calls == ["external"]
        later(server, door, 2)
        await backend.send(message(), "oWang")
        assert len(server.token_calls) == (2 if form == "bare" else 1)
        server.end_tokens()
        await backend.send(message(), "oWang")
        assert len(server.arrived) == 4

    @pytest.mark.parametrize("told", ["", "two words", "<html>", '{"errcode":0}', '{"token":"x"}', "é"])
    async def test_what_is_no_token(self, server: WeChatServer, wechat: Any, told: str) -> None:
        server.external = told
        error = await failure(wechat(token_mode="external", token_url=Secret(f"{server.url}/token")))
        if told == "<html>":  # one word of ASCII may be one: the service says that it isn't
            assert isinstance(error, BackendDownError)
        else:
            assert isinstance(error, TemporaryError)
            assert error.code == "malformed"

    @pytest.mark.parametrize("mode", ["stable", "legacy"])
    async def test_credentials_that_are_refused(self, server: WeChatServer, wechat: Any, mode: str) -> None:
        for changes, code, words in (
            ({"secret": Secret("other")}, "40125", "`secret`"),
            ({"appid": "wx0"}, "40013", "`appid`"),
        ):
            backend = wechat(token_mode=mode, **changes)
            (check,) = await backend.check()
            assert (check.ok, check.code) == (False, code)
            assert words in check.text
            assert isinstance(await failure(backend), BackendDownError)
        server.allowed_ip = False
        (check,) = await wechat(token_mode=mode).check()
        assert check.text.startswith("40164: this host's IP address is not in the account's list (")
        assert "203.0.113.9" in check.text
        assert "rid" not in check.text

    async def test_a_token_call_with_40001_needs_an_operator(self, server: WeChatServer, wechat: Any) -> None:
        backend = wechat(token_mode="external", token_url=Secret(f"{server.url}/token"))
        server.external = '{"errcode":40001,"errmsg":"invalid credential"}'
        error = await failure(backend)
        assert isinstance(error, BackendDownError)
        assert server.channels == []

    async def test_check_sends_nothing(self, server: WeChatServer, wechat: Any) -> None:
        (check,) = await wechat().check()
        assert (check.ok, check.code) == (True, "0")
        assert server.requests == 0


class TestAnswers:
    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            *((code, TemporaryError) for code in (-1, -1000)),
            *(
                (code, BackendDownError)
                for code in (40001, 40014, 42001, 41001)  # the fresh token was refused as well
            ),
            *(
                (code, BackendDownError)
                for code in (40002, 40013, 40125, 41002, 41004, 40164, 42007, 89501, 89503, 89506, 89507)
            ),
            *((code, RejectedError) for code in (40003, 40031, 43004, 50005, 43019, 48002, 43101, 46004)),
            *(
                (code, RejectedError)
                for code in (40008, 40033, 40035, 40038, 43002, 44002, 44004, 47001, 87014, 45002, 47003)
            ),
            *((code, BackendDownError) for code in (40036, 40037, 43116, 45026)),
            (43117, ReceiverLimitedError),
            *((code, NeedsFallbackError) for code in (45015, 45047)),
            *((code, RateLimitedError) for code in (45009, 45011)),
            *((code, BackendDownError) for code in (48001, 48003, 48004, 48008, 40200, 61007, 50002, 12345)),
        ],
    )
    async def test_each_code(
        self, server: WeChatServer, wechat: Any, code: int, expected: type[BackendError]
    ) -> None:
        server.answer = {"errcode": code, "errmsg": "no"}
        error = await failure(wechat())
        assert type(error) is expected
        assert error.code == str(code)
        assert f"{code}: " in str(error)
        assert "rid" not in str(error)
        assert "rid" in error.detail

    @pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'{"errcode":null}', b'{"msgid":1}', b"[0]"])
    async def test_an_answer_without_errcode_is_no_success(
        self, server: WeChatServer, wechat: Any, body: bytes
    ) -> None:
        server.fault = Fault(status=200, body=body)
        error = await failure(wechat())
        assert isinstance(error, TemporaryError)
        assert error.code == "malformed"

    async def test_a_code_as_text(self, server: WeChatServer, wechat: Any) -> None:
        server.fault = Fault(status=200, body=b'{"errcode":"0","errmsg":"ok"}')
        await wechat().send(message(), "oWang")
        server.fault = Fault(status=200, body=b'{"errcode":"45015"}')
        assert isinstance(await failure(wechat()), NeedsFallbackError)

    async def test_quotas(self, server: WeChatServer, wechat: Any) -> None:
        server.minute_left = 0
        error = await failure(wechat())
        assert isinstance(error, RateLimitedError)
        assert error.retry_after == 60.0
        server.day_left = 0
        error = await failure(wechat())
        assert isinstance(error, RateLimitedError)
        assert error.retry_after == until_midnight(server.now) == 8 * 3600.0  # 16:00 in Beijing

    async def test_a_follower_who_is_told_too_often_waits_alone(
        self, server: WeChatServer, templated: Any, door: Door
    ) -> None:
        server.users["oLi"] = User(replies_until=server.now + 172_800, often=2)
        backend = templated(user_pause=90.0)
        waits = []
        for _ in range(2):
            error = await failure(backend, "oLi")
            assert isinstance(error, ReceiverLimitedError)
            waits.append(error.retry_after)
            await backend.send(message(), "oWang")
            later(server, door, error.retry_after)
        assert waits == [90.0, 180.0]
        await backend.send(message(), "oLi")
        assert "template" not in server.channels
        server.users["oLi"].often = 1
        error = await failure(backend, "oLi")
        assert isinstance(error, ReceiverLimitedError)
        assert error.retry_after == 90.0

    async def test_busy_passes(self, server: WeChatServer, wechat: Any) -> None:
        server.busy = 1
        backend = wechat()
        error = await failure(backend)
        assert isinstance(error, TemporaryError)
        assert error.wait == 2.0
        await backend.send(message(), "oWang")

    async def test_a_field_that_does_not_fit_is_named(self, server: WeChatServer, templated: Any) -> None:
        fields = {"thing1": "{title}"}
        error = await failure(templated(custom_enabled=False, template_fields=fields, field_limit=60))
        assert isinstance(error, RejectedError)
        assert "data.thing1.value" in str(error)

    async def test_a_banned_template(self, server: WeChatServer, templated: Any) -> None:
        server.banned = {TEMPLATE}
        error = await failure(templated(custom_enabled=False))
        assert isinstance(error, BackendDownError)
        assert str(error) == "43116: the template is banned"

    def test_texts_without_the_requests_id(self) -> None:
        assert bare("freq limit rid: 65a0-1f") == "freq limit"
        assert bare("invalid openid, hint: [Ab] rid: 1-2") == "invalid openid"
        assert bare("no") == "no"

    @pytest.mark.parametrize(
        ("now", "seconds"), [(1_767_542_400.0, 86400.0), (1_767_542_399.0, 1.0), (0.0, 57600.0)]
    )
    def test_midnight_in_beijing(self, now: float, seconds: float) -> None:
        assert until_midnight(now) == seconds


def test_limits(wechat: Any, templated: Any) -> None:
    assert wechat().limits.concurrency == 60
    assert wechat().limits.windows == ()
    assert templated(custom_enabled=False).limits.windows == ((50, 1.0),)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"appid": "wx1"}, "appid"),
        ({"appid": ""}, "appid"),
        ({"secret": Secret("short")}, "secret"),
        ({"url": "api.weixin.qq.com"}, "url"),
        ({"url": "https://h/?a=b"}, "url"),
        ({"token_url": Secret("http://h/t")}, "token_url"),
        ({"token_mode": "external"}, "token_url"),
        ({"token_mode": "external", "token_url": Secret("h/t")}, "token_url"),
        ({"custom_enabled": False}, "custom_enabled"),
        ({"kf_account": "ops"}, "kf_account"),
        ({"fallback_codes": (45015, 40001)}, "fallback_codes"),  # tokens are replaced, that is all
        ({"fallback_codes": (0,)}, "fallback_codes"),
        ({"template_id": "TPL 1", "template_fields": FIELDS}, "template_id"),
        (
            {
                "template_id": TEMPLATE,
                "template_fields": FIELDS,
                "miniprogram": MiniProgram(appid="gh_1"),
            },
            "miniprogram",
        ),
        ({"template_fields": FIELDS}, "template_fields"),
        ({"miniprogram": MiniProgram(appid=APPID)}, "miniprogram"),
        ({"template_id": TEMPLATE}, "template_fields"),
        ({"template_id": TEMPLATE, "template_fields": {"first": "{title}"}}, "template_fields"),
        ({"template_id": TEMPLATE, "template_fields": {"remark": "x"}}, "template_fields"),
        ({"template_id": TEMPLATE, "template_fields": {"1x": "{title}"}}, "template_fields"),
        ({"template_id": TEMPLATE, "template_fields": {"thing1": "{titel}"}}, "template_fields"),
        ({"template_id": TEMPLATE, "template_fields": FIELDS, "template_url": "x"}, "template_url"),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], field: str) -> None:
    fields: dict[str, Any] = {"appid": APPID, "secret": Secret("0123456789abcdef" * 2)}
    assert [name for name, _ in Settings(**{**fields, **changes}).problems()] == [field]


def test_settings_that_work() -> None:
    settings = Settings(
        appid=APPID, secret=Secret("0123456789abcdef" * 2), template_id=TEMPLATE, template_fields=FIELDS
    )
    assert settings.problems() == []
    assert Settings(token_mode="external", token_url=Secret("http://h/t?k=c4n4ry")).problems() == []
    assert "c4n4ry" not in repr(Settings(token_url=Secret("c4n4ry")))


class TestCallbacks:
    async def test_the_console_checks_the_url(self, server: WeChatServer, wechat: Any, door: Door) -> None:
        backend = wechat(callback_token=Secret(CALLBACK_TOKEN))
        answer = await backend.callback(asked({**server.signed(), "echostr": "4711"}, door))
        assert (answer.status, answer.body, answer.content_type) == (200, "4711", "text/plain")

    async def test_a_report_becomes_feedback(self, server: WeChatServer, wechat: Any, door: Door) -> None:
        backend = wechat(callback_token=Secret(CALLBACK_TOKEN))
        query, body = server.report(7, "failed:user block")
        answer = await backend.callback(asked(query, door, body))
        assert answer.body == "success"
        (told,) = answer.feedback
        assert (told.id, told.to) == ("7", "oWang")
        assert isinstance(told.outcome, RejectedError)
        other = b"<xml><MsgType>event</MsgType><Event>subscribe</Event></xml>"
        answer = await backend.callback(asked(server.signed(), door, other))
        assert (answer.body, answer.feedback) == ("success", ())

    async def test_a_wrong_signature_is_refused(self, server: WeChatServer, wechat: Any, door: Door) -> None:
        backend = wechat(callback_token=Secret(CALLBACK_TOKEN))
        query, body = server.report(7, "success", token="another")
        with pytest.raises(CallbackRefusedError):
            await backend.callback(asked(query, door, body))
        with pytest.raises(CallbackRefusedError):
            await backend.callback(asked({**query, "echostr": "x"}, door))

    async def test_without_a_callback_token_there_is_nothing(
        self, server: WeChatServer, wechat: Any, door: Door
    ) -> None:
        query, body = server.report(7, "success", token="")
        assert (await wechat().callback(asked(query, door, body))).status == 404
        assert not wechat().tells_later
        assert wechat(callback_token=Secret(CALLBACK_TOKEN)).tells_later


def asked(query: dict[str, str], door: Door, body: bytes = b"") -> CallbackRequest:
    method = "POST" if body else "GET"
    return CallbackRequest(method=method, query=query, headers={}, body=body, now=door.clock.now())
