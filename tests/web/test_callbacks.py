"""Reports of services, and of those who only say they are one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog.testing

from relay.backends.base import CallbackAnswer, CallbackRequest, Feedback, Receipt
from relay.backends.callbacks import CallbackRefusedError
from tests.fakes import FakeBackend
from tests.web.rig import Client, House

TOLD = Feedback("m1", "wang", Receipt(id="m1"))


class Calling(FakeBackend):
    """Answers callbacks as it is told."""

    def __init__(self, house: House, outcome: Any) -> None:
        super().__init__("a", house.clock)
        self.asked: list[CallbackRequest] = []
        self.outcome = outcome

    async def callback(self, request: CallbackRequest) -> CallbackAnswer:
        self.asked.append(request)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        if self.outcome is None:
            await asyncio.Event().wait()
        assert isinstance(self.outcome, CallbackAnswer)
        return self.outcome


async def test_the_backend_reads_the_request_and_its_feedback_is_heeded(house: House, client: Client) -> None:
    backend = house.backends["a"] = Calling(house, CallbackAnswer(body="success", feedback=(TOLD,)))
    assert await client.ask("POST", "/callback/a?x=1&y=%26", b"<xml>", "text/xml") == (200, "success")
    (asked,) = backend.asked
    assert (asked.method, asked.query, asked.body) == ("POST", {"x": "1", "y": "&"}, b"<xml>")
    assert asked.headers["content-type"] == "text/xml"
    assert asked.now == house.clock.now()
    assert house.heard == [("a", TOLD)]
    assert client.port.counts.callbacks == {("a", "delivered"): 1}
    assert await client.ask("GET", "/callback/a") == (200, "success")


async def test_what_can_not_be_recorded_is_to_be_told_again(house: House, client: Client) -> None:
    house.backends["a"] = Calling(house, CallbackAnswer(feedback=(TOLD,)))
    house.full = True
    assert (await client.ask("POST", "/callback/a"))[0] == 503


async def test_an_unknown_backend_and_one_without_callbacks(house: House, client: Client) -> None:
    house.backends["b"] = FakeBackend("b", house.clock)
    assert (await client.ask("POST", "/callback/x", b""))[0] == 404
    assert (await client.ask("GET", "/callback/b"))[0] == 404
    assert (await client.ask("PUT", "/callback/b", b"{}"))[0] == 405


async def test_a_bad_signature_is_counted_and_logged_once_a_minute(house: House, client: Client) -> None:
    house.backends["a"] = Calling(house, CallbackRefusedError("the signature is wrong"))
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            assert await client.ask("POST", "/callback/a?token=c4n4ry") == (403, "refused\n")
    assert [each["event"] for each in logs] == ["callback_refused"]
    assert "c4n4ry" not in str(logs)
    assert client.port.counts.callbacks == {("a", "refused"): 3}


async def test_a_fault_in_the_backend(house: House, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    house.backends["a"] = Calling(house, ZeroDivisionError())
    assert (await client.ask("POST", "/callback/a"))[0] == 500
    monkeypatch.setattr("relay.web.callbacks.PATIENCE", 0.02)
    house.backends["a"] = Calling(house, None)
    assert (await client.ask("POST", "/callback/a"))[0] == 503
    house.backends["a"] = Calling(house, CallbackAnswer(status=99999, content_type="\n"))
    assert (await client.ask("POST", "/callback/a"))[0] == 500
    assert (await client.ask("GET", "/-/healthy"))[0] == 200
