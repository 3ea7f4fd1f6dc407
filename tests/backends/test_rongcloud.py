"""RongCloud against its emulator: signatures, modes, receivers, quotas, hosts that fail."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from relay.backends.base import Assumed, Door, Receipt
from relay.backends.rongcloud import RongCloud, Settings
from relay.backends.rongcloud_api import signature
from relay.backends.rongcloud_request import dedup_number, form, push_body
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
from tests.backends.messages import message, reminder
from tests.emulators.faults import Fault
from tests.emulators.rongcloud import KEY, SECRET, RongCloudServer


@pytest.fixture
async def server() -> AsyncIterator[RongCloudServer]:
    async with RongCloudServer() as server:
        yield server


@pytest.fixture
def rongcloud(server: RongCloudServer, door: Door) -> Any:
    def build(**changes: Any) -> RongCloud:
        fields = {
            "app_key": KEY,
            "app_secret": Secret(SECRET),
            "from_user_id": "relay",
            "hosts": (server.url,),
        }
        return RongCloud(Settings(**{**fields, **changes}), door)

    return build


async def failure(backend: RongCloud, to: str = "wang") -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), to)
    return caught.value


class TestSigning:
    @pytest.mark.parametrize(
        ("secret", "nonce", "timestamp", "expected"),
        [
            ("Y1W2MeFwwwRxa0", "14314", "1408710653491", "dd11a264276f438b045b3b236a2741ddc89d48df"),
            ("Y1W2MeFwwwRxa0", "14314", "1585127132438", "d8daf4b0973a5ec456e08236acb784aa7ba77c82"),
            ("relay-secret", "1", "1700000000000", "f4f2b74726658debc5d8f1b8b633d2e5105e63d9"),
            ("relay-secret", "1", "1700000000", "66a90f351b9028fdd243ed2295769b2d2933c87b"),
        ],
    )
    def test_vectors(self, secret: str, nonce: str, timestamp: str, expected: str) -> None:
        assert signature(secret, nonce, timestamp) == expected

    @pytest.mark.parametrize(("unit", "digits"), [("ms", 13), ("s", 10)])
    async def test_the_unit_of_the_time_stamp(
        self, server: RongCloudServer, rongcloud: Any, unit: str, digits: int
    ) -> None:
        backend = rongcloud(timestamp_unit=unit)
        await backend.send(message(), "wang")
        await backend.send(message(), "wang")
        first, second = server.headers
        assert len(first["Timestamp"]) == digits
        assert first["Nonce"] != second["Nonce"]

    async def test_a_refused_signature_is_made_anew_once(
        self, server: RongCloudServer, rongcloud: Any
    ) -> None:
        error = await failure(rongcloud(app_secret=Secret("wrong")))
        assert isinstance(error, BackendDownError)
        assert str(error).startswith("1004: the signature was refused")
        assert server.requests == 2
        server.now += 400  # this host's clock is wrong
        assert (await failure(rongcloud())).code == "1004"

    async def test_the_second_signature_may_be_taken(
        self, server: RongCloudServer, rongcloud: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        admit = server._admit
        server.refuse = (401, 1004)

        def once(request: web.Request, body: bytes) -> None:
            try:
                admit(request, body)
            finally:
                server.refuse = (0, 0)

        monkeypatch.setattr(server, "_admit", once)
        await rongcloud().send(message(), "wang")
        assert len(server.stored) == 1

    async def test_an_unknown_app_key(self, rongcloud: Any) -> None:
        error = await failure(rongcloud(app_key="other"))
        assert isinstance(error, BackendDownError)
        assert error.code == "1002"


class TestBodies:
    def test_a_form_repeats_its_receivers(self) -> None:
        body = form(
            [
                ("fromUserId", "relay"),
                ("toUserId", "u1"),
                ("toUserId", "u2"),
                ("objectName", "RC:TxtMsg"),
                ("content", '{"content":"磁盘告警 db-01 & 95%","extra":""}'),
                ("pushContent", ""),
            ]
        )
        assert len(body) == 175
        assert body == (
            b"fromUserId=relay&toUserId=u1&toUserId=u2&objectName=RC%3ATxtMsg&content=%7B%22content%22%3A%22"
            b"%E7%A3%81%E7%9B%98%E5%91%8A%E8%AD%A6+db-01+%26+95%25%22%2C%22extra%22%3A%22%22%7D"
        )

    def test_a_push_holds_its_content_as_a_string(self) -> None:
        content = '{"content":"磁盘告警 db-01 & 95%","extra":""}'
        audience = {"userid": ["u1", "u2"], "is_to_all": False}
        body = push_body("relay", ("ios", "android"), audience, "RC:TxtMsg", content, "磁盘告警")
        assert len(body) == 250
        assert hashlib.sha256(body).hexdigest() == (
            "6bfc8b3bd4fe5b8247fdaa7ea1d5271ee7abad142ae7372845fb29c635bbe7f6"
        )

    async def test_text(self, server: RongCloudServer, rongcloud: Any) -> None:
        receipt = await rongcloud().send(message(text="订单 4711 超时 😀"), "wang")
        (stored,) = server.stored
        assert stored.way == "system"
        assert stored.sender == "relay"
        assert stored.content["content"].startswith(
            "[ERROR] pay.refund: timeout after <num> ms\n订单 4711 超时 😀"
        )
        assert stored.content["extra"] == "00f1e2d3c4b5a697"
        assert stored.push == "[ERROR] pay.refund: timeout after <num> ms"
        assert receipt.id == "uid-wang"

    async def test_a_note_in_the_conversation_rings_no_phone(
        self, server: RongCloudServer, rongcloud: Any
    ) -> None:
        await rongcloud(object_name="RC:InfoNtf").send(message(), "wang")
        assert "timeout after 3000 ms" in server.stored[0].content["message"]
        assert server.stored[0].push == ""
        await rongcloud(object_name="RC:InfoNtf", push_content="看").send(message(), "wang")
        assert server.stored[1].push == "看"

    async def test_a_command_is_data_for_an_app(self, server: RongCloudServer, rongcloud: Any) -> None:
        told = message(
            links=(("确认", "http://relay/a/17"),), state=AlertState.RESOLVED, reason=Reason.RESOLVED
        )
        await rongcloud(object_name="RC:CmdMsg", command="ops.alert").send(told, "wang")
        content = server.stored[0].content
        assert content["name"] == "ops.alert"
        data = json.loads(content["data"])
        assert data["state"] == "resolved"
        assert data["url"] == "http://relay/a/17"
        assert data["key"] == "k-17-1"

    async def test_a_type_of_ones_own(self, server: RongCloudServer, rongcloud: Any) -> None:
        await rongcloud(object_name="ops:Alert").send(message(), "wang")
        (stored,) = server.stored
        assert stored.content["severity"] == "error"
        assert stored.content["dedup_key"] == "00f1e2d3c4b5a697"
        assert stored.push.startswith("[ERROR]")  # without it no phone would ring

    async def test_content_is_cut_to_its_bytes(self, server: RongCloudServer, rongcloud: Any) -> None:
        for object_name in ("RC:TxtMsg", "RC:CmdMsg", "ops:Alert"):
            await rongcloud(object_name=object_name, max_bytes=3000).send(
                reminder(text='告"警\n' * 2000), "wang"
            )
            assert 2700 < len(server.stored[-1].raw.encode()) <= 3000
            assert "+312 more" in server.stored[-1].raw
        await rongcloud().send(message(text="告" * 100_000), "wang")
        assert 120_000 < len(server.stored[-1].raw.encode()) <= 128 * 1024


class TestModes:
    @pytest.mark.parametrize("mode", ["system", "private", "group"])
    async def test_each_receiver_gets_a_message(
        self, server: RongCloudServer, rongcloud: Any, mode: str
    ) -> None:
        backend = rongcloud(mode=mode)
        tos = ["a", "b", "c"]
        outcomes = await backend.send_many(message(), tos)
        assert [(stored.way, stored.to) for stored in server.stored] == [(mode, to) for to in tos]
        assert [outcome.id for outcome in outcomes] == ["uid-a", "uid-b", "uid-c"]
        assert server.requests == 1

    @pytest.mark.parametrize(("mode", "cap"), [("system", 100), ("private", 1000), ("group", 3)])
    async def test_the_most_receivers_of_one_call(
        self, server: RongCloudServer, rongcloud: Any, mode: str, cap: int
    ) -> None:
        backend = rongcloud(mode=mode)
        assert backend.limits.receivers == cap
        outcomes = await backend.send_many(message(), [f"u{n}" for n in range(cap)])
        assert all(isinstance(outcome, Receipt) for outcome in outcomes)
        with pytest.raises(BackendDownError):  # the emulator counts as the service does
            await backend.send_many(message(), [f"u{n}" for n in range(cap + 1)])

    async def test_a_push_reaches_users_tags_or_everybody(
        self, server: RongCloudServer, rongcloud: Any
    ) -> None:
        backend = rongcloud(
            mode="push", tags=("ops", "night"), tags_or=("web",), package_name="com.x", allow_broadcast=True
        )
        for to, audience in (
            ("wang", {"userid": ["wang"], "is_to_all": False}),
            (
                "@tags",
                {"tag": ["ops", "night"], "tag_or": ["web"], "packageName": "com.x", "is_to_all": False},
            ),
            ("@all", {"is_to_all": True}),
        ):
            receipt = await backend.send(message(), to)
            assert receipt.id == "push-1"
            assert json.loads(server.stored[-1].fields["audience"]) == audience
            server._sent.clear()
        assert "timeout after 3000 ms" in server.stored[0].content["content"]

    async def test_one_push_for_many_users(self, server: RongCloudServer, rongcloud: Any) -> None:
        backend = rongcloud(mode="push", allow_broadcast=True)
        outcomes = await backend.send_many(message(), ["a", "@all", "b", "@tags"])
        assert [stored.to for stored in server.stored] == ["a", "b", "*"]
        assert [type(outcome) for outcome in outcomes] == [Receipt, Receipt, Receipt, RejectedError]

    async def test_a_broadcast(self, server: RongCloudServer, rongcloud: Any) -> None:
        receipt = await rongcloud(mode="broadcast", allow_broadcast=True).send(message(), "@all")
        assert (server.stored[0].way, server.stored[0].to) == ("broadcast", "*")
        assert receipt.id == "uid-all"
        for mode, to in (("broadcast", "@all"), ("push", "@all"), ("push", "@ALL")):
            with pytest.raises(RejectedError, match="allow_broadcast"):
                await rongcloud(mode=mode).send(message(), to)
        with pytest.raises(RejectedError, match="only address"):
            await rongcloud(mode="broadcast", allow_broadcast=True).send(message(), "wang")
        assert len(server.stored) == 1

    def test_the_published_limits(self, rongcloud: Any) -> None:
        assert rongcloud().limits.windows == ((100, 1.0),)
        assert rongcloud(mode="private").limits.windows == ((6000, 60.0),)
        assert rongcloud(mode="group").limits.windows == ((20, 1.0),)
        assert rongcloud(mode="push").limits.windows == ((2, 3600.0), (3, 86400.0))
        assert rongcloud(mode="broadcast").limits.windows == ((2, 3600.0), (3, 86400.0))


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "code", "expected", "words"),
        [
            (404, 404, BackendDownError, "hosts"),
            (500, 1000, TemporaryError, "internal error"),
            (401, 1001, BackendDownError, "do not match"),
            (400, 1002, BackendDownError, "app_key"),
            (400, 1003, BackendDownError, "body"),
            (400, 1005, RejectedError, "too long"),
            (401, 1006, BackendDownError, "locked"),
            (401, 1007, BackendDownError, "may not use"),
            (429, 1008, RateLimitedError, "too many"),
            (430, 1009, BackendDownError, "not enabled"),
            (504, 1050, TemporaryError, "timed out"),
            (403, 2007, BackendDownError, "100 users"),
            (405, 405, RejectedError, "full"),
            (200, 1015, BackendDownError, "unknown code"),
            (502, 7777, TemporaryError, "unknown code"),
        ],
    )
    async def test_each_code(
        self,
        server: RongCloudServer,
        rongcloud: Any,
        status: int,
        code: int,
        expected: type[BackendError],
        words: str,
    ) -> None:
        server.refuse = (status, code)
        error = await failure(rongcloud())
        assert type(error) is expected
        assert str(error).startswith(f"{code}: ")
        assert words in str(error)
        assert error.code == str(code)
        assert getattr(error, "ambiguous", False) == (code == 1050)

    @pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'{"code":null}', b'{"code":true}', b"[200]"])
    async def test_an_answer_without_a_code_is_no_success(
        self, server: RongCloudServer, rongcloud: Any, body: bytes
    ) -> None:
        server.fault = Fault(status=200, body=body)
        error = await failure(rongcloud())
        assert isinstance(error, TemporaryError | BackendDownError)

    async def test_a_code_as_text_and_no_ids(self, server: RongCloudServer, rongcloud: Any) -> None:
        server.fault = Fault(status=200, body=b'{"code":"200"}')
        assert await rongcloud().send(message(), "wang") == Receipt()
        server.fault = Fault(status=200, body=b'{"code":200,"messageUIDs":[{"userId":"wang"},7,{}]}')
        assert await rongcloud().send(message(), "wang") == Receipt()

    async def test_a_server_without_ids(self, server: RongCloudServer, rongcloud: Any) -> None:
        server.old = True
        assert await rongcloud().send_many(message(), ["a", "b"]) == [Receipt(), Receipt()]

    async def test_waits_double_while_it_is_too_much(
        self, server: RongCloudServer, rongcloud: Any, door: Door
    ) -> None:
        assert isinstance(door.clock, FakeClock)
        backend = rongcloud()
        server.refuse = (429, 1008)
        waits = []
        for _ in range(3):
            error = await failure(backend)
            assert isinstance(error, RateLimitedError)
            waits.append(error.retry_after)
            door.clock.advance(error.retry_after)
        assert waits == [1.0, 2.0, 4.0]
        server.refuse = (0, 0)
        await backend.send(message(), "wang")
        server.refuse = (429, 1008)
        error = await failure(backend)
        assert isinstance(error, RateLimitedError)
        assert error.retry_after == 1.0

    @pytest.mark.parametrize("mode", ["push", "broadcast"])
    async def test_broadcasts_that_were_never_enabled(
        self, server: RongCloudServer, rongcloud: Any, door: Door, mode: str
    ) -> None:
        assert isinstance(door.clock, FakeClock)
        server.broadcast_enabled = False
        backend = rongcloud(mode=mode, allow_broadcast=True)
        for _ in range(2):
            error = await failure(backend, "@all")
            assert isinstance(error, RateLimitedError)
            assert error.retry_after == 3600.0
            door.clock.advance(3600)
            server.now += 3600
        error = await failure(backend, "@all")
        assert isinstance(error, BackendDownError)
        assert "may not be enabled" in str(error)

    async def test_the_quota_counts_receivers(self, server: RongCloudServer, rongcloud: Any) -> None:
        backend = rongcloud(mode="group")
        for _ in range(6):
            await backend.send_many(message(), ["a", "b", "c"])
        with pytest.raises(RateLimitedError):
            await backend.send_many(message(), ["a", "b", "c"])
        server.now += 1
        await backend.send_many(message(), ["a", "b", "c"])

    async def test_a_full_group_does_not_keep_the_others(
        self, server: RongCloudServer, rongcloud: Any
    ) -> None:
        server.full_groups = {"b"}
        outcomes = await rongcloud(mode="group").send_many(message(), ["a", "b", "c", "a b"])
        assert [type(outcome) for outcome in outcomes] == [Receipt, RejectedError, Receipt, RejectedError]
        assert sorted(stored.to for stored in server.stored) == ["a", "c"]

    async def test_too_long_for_one_is_too_long_for_all(
        self, server: RongCloudServer, rongcloud: Any
    ) -> None:
        server.refuse = (400, 1005)
        with pytest.raises(RejectedError):
            await rongcloud().send_many(message(), ["a", "b"])
        assert server.requests == 1

    async def test_nobody_to_tell_is_no_call(self, server: RongCloudServer, rongcloud: Any) -> None:
        (outcome,) = await rongcloud().send_many(message(), ["a b"])
        assert isinstance(outcome, RejectedError)
        assert server.requests == 0


class TestIdempotency:
    async def test_a_repeat_is_accepted_before(self, server: RongCloudServer, rongcloud: Any) -> None:
        server.dedup = True
        backend = rongcloud(idempotency=True, duplicate_codes=("1099",))
        await backend.send(message(), "wang")
        receipt = await backend.send(message(), "wang")
        assert "before" in receipt.note
        await backend.send(message(), "li")  # the same message for somebody else is another one
        await backend.send(message(key="k-17-2"), "wang")
        assert [stored.to for stored in server.stored] == ["wang", "li", "wang"]

    async def test_what_may_have_arrived_can_be_repeated(
        self, server: RongCloudServer, rongcloud: Any
    ) -> None:
        server.fault = Fault(cut="before")
        error = await failure(rongcloud())
        assert isinstance(rongcloud(on_ambiguous="drop").concluded(error), Assumed)
        assert rongcloud(on_ambiguous="drop", idempotency=True).concluded(error) is error

    async def test_it_is_off_unless_asked_for(self, server: RongCloudServer, rongcloud: Any) -> None:
        await rongcloud(duplicate_codes=("1099",)).send(message(), "wang")
        assert b"msgRandom" not in server.bodies[0]

    def test_its_number_is_a_positive_int64(self) -> None:
        numbers = {dedup_number(f"k{n}", ("a",)) for n in range(200)}
        assert len(numbers) == 200
        assert all(0 <= int(number) < 2**63 for number in numbers)


class TestPresence:
    async def test_states(self, server: RongCloudServer, rongcloud: Any) -> None:
        assert await rongcloud().presence("wang") is True
        assert await rongcloud().presence("li") is False
        assert await rongcloud(mode="group").presence("wang") is None

    async def test_offline_takes_the_next_address(self, server: RongCloudServer, rongcloud: Any) -> None:
        backend = rongcloud(presence_check=True)
        with pytest.raises(NeedsFallbackError):
            await backend.send(message(), "li")
        outcomes = await backend.send_many(message(), ["li", "wang"])
        assert [type(outcome) for outcome in outcomes] == [NeedsFallbackError, Receipt]
        assert [stored.to for stored in server.stored] == ["wang"]

    async def test_where_it_can_not_be_known_the_message_is_sent(
        self, server: RongCloudServer, rongcloud: Any
    ) -> None:
        server.states["li"] = "?"
        backend = rongcloud(presence_check=True)
        assert await backend.presence("li") is None
        await backend.send(message(), "li")
        assert len(server.stored) == 1


class TestHosts:
    @pytest.fixture
    async def second(self) -> AsyncIterator[RongCloudServer]:
        async with RongCloudServer() as second:
            yield second

    async def test_a_host_that_is_not_there_costs_no_attempt(
        self, second: RongCloudServer, rongcloud: Any
    ) -> None:
        async with RongCloudServer() as first:
            gone = first.url
        backend = rongcloud(hosts=(gone, second.url))
        await backend.send(message(), "wang")
        assert len(second.stored) == 1
        assert backend._api.roots[0] == second.url

    @pytest.mark.parametrize("refuse", [(500, 1000), (504, 1050), (503, 0)])
    async def test_after_an_error_the_next_attempt_goes_elsewhere(
        self, server: RongCloudServer, second: RongCloudServer, rongcloud: Any, refuse: tuple[int, int]
    ) -> None:
        server.refuse = refuse
        backend = rongcloud(hosts=(server.url + "/", second.url))
        error = await failure(backend)
        assert isinstance(error, TemporaryError)
        assert second.requests == 0  # the first may have taken it
        await backend.send(message(), "wang")
        await backend.send(message(), "wang")
        assert len(second.stored) == 2

    async def test_a_host_that_hangs(
        self, server: RongCloudServer, second: RongCloudServer, rongcloud: Any
    ) -> None:
        server.fault = Fault(hang="accept")
        backend = rongcloud(hosts=(server.url, second.url), timeout=0.1)
        error = await failure(backend)
        assert isinstance(error, TemporaryError)
        assert error.ambiguous
        await backend.send(message(), "wang")
        assert len(second.stored) == 1

    async def test_all_hosts_gone(self, rongcloud: Any) -> None:
        async with RongCloudServer() as first, RongCloudServer() as second:
            gone = (first.url, second.url)
        error = await failure(rongcloud(hosts=gone))
        assert isinstance(error, TemporaryError)
        assert not error.ambiguous

    async def test_check_looks_at_each_host(
        self, server: RongCloudServer, second: RongCloudServer, rongcloud: Any
    ) -> None:
        second.refuse = (401, 1006)
        checks = await rongcloud(hosts=(server.url, second.url)).check()
        assert [(check.ok, check.code) for check in checks] == [(True, "200"), (False, "1006")]
        assert "locked" in checks[1].text
        assert server.stored == second.stored == []
        (check,) = await rongcloud(app_secret=Secret("wrong")).check()
        assert (check.ok, check.code) == (False, "1004")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"app_key": ""}, "app_key"),
        ({"app_key": "a\r\nb"}, "app_key"),
        ({"app_secret": Secret("a b")}, "app_secret"),
        ({"app_secret": Secret("")}, "app_secret"),
        ({"from_user_id": "a,b"}, "from_user_id"),
        ({"from_user_id": "x" * 65}, "from_user_id"),
        ({"hosts": ("api.rong-api.com",)}, "hosts"),
        ({"object_name": "RC:ImgMsg"}, "object_name"),
        ({"object_name": "ops alert"}, "object_name"),
        ({"tags": ("ops",)}, "mode"),
        ({"mode": "push", "idempotency": True}, "idempotency"),
        ({"duplicate_codes": ("1099",)}, "duplicate_codes"),
        ({"idempotency": True, "duplicate_codes": ("E1",)}, "duplicate_codes"),
        ({"mode": "broadcast"}, "mode"),
        ({"allow_broadcast": True}, "allow_broadcast"),
        ({"mode": "group", "presence_check": True}, "presence_check"),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], field: str) -> None:
    fields: dict[str, Any] = {"app_key": KEY, "app_secret": Secret(SECRET), "from_user_id": "relay"}
    assert [name for name, _ in Settings(**{**fields, **changes}).problems()] == [field]
    assert Settings(**fields).problems() == []
