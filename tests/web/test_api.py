"""The API hands on what is asked, and refuses what can't be."""

from __future__ import annotations

import pytest

from tests.web.rig import Client, House


async def test_listings(house: House, client: Client) -> None:
    house.answers |= {"alerts": [{"id": 1}], "outbox": []}
    assert await client.ask("GET", "/api/v1/alerts?state=firing&state=acked&limit=5") == (200, [{"id": 1}])
    assert await client.ask("GET", "/api/v1/outbox?state=dead") == (200, [])
    assert house.asked == [
        ("alerts", {"states": ["firing", "acked"], "most": 5}),
        ("outbox", {"states": ["dead"], "most": 100}),
    ]


async def test_one(house: House, client: Client) -> None:
    house.answers["delivery"] = {"delivery": {"id": 7}}
    assert await client.ask("GET", "/api/v1/outbox/7") == (200, {"delivery": {"id": 7}})
    assert await client.ask("GET", "/api/v1/alerts/8") == (404, {"error": "there is no alert 8"})
    assert (await client.ask("GET", f"/api/v1/alerts/{'9' * 19}"))[0] == 404
    assert (await client.ask("GET", f"/api/v1/alerts/{'9' * 20}"))[0] == 404
    assert house.asked == [("delivery", {"id": 7}), ("alert", {"id": 8})]


async def test_status(client: Client) -> None:
    status, answer = await client.ask("GET", "/api/v1/status")
    assert (status, answer["version"]) == (200, "1.0")


@pytest.mark.parametrize("verb", ["retry", "drop"])
async def test_changes(house: House, client: Client, verb: str) -> None:
    house.answers[verb] = {"count": 2}
    assert await client.ask("POST", f"/api/v1/outbox/{verb}", b'{"ids":[1,2]}') == (200, {"count": 2})
    await client.ask("POST", f"/api/v1/outbox/{verb}", b'{"all_dead":true}')
    assert [request for _, request in house.asked] == [
        {"ids": [1, 2], "all_dead": False},
        {"ids": [], "all_dead": True},
    ]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/alerts?state=dead", None),
        ("GET", "/api/v1/outbox?state=%00", None),
        ("GET", "/api/v1/alerts?limit=-1", None),
        ("GET", "/api/v1/alerts?limit=x", None),
        ("POST", "/api/v1/outbox/drop", b""),
        ("POST", "/api/v1/outbox/drop", b"[]"),
        ("POST", "/api/v1/outbox/drop", b"{}"),
        ("POST", "/api/v1/outbox/drop", b'{"ids":[]}'),
        ("POST", "/api/v1/outbox/drop", b'{"ids":["1"]}'),
        ("POST", "/api/v1/outbox/drop", b'{"ids":[1],"all_dead":true}'),
        ("POST", "/api/v1/outbox/drop", b'{"ids":[99999999999999999999]}'),
        ("POST", "/api/v1/outbox/drop", b'{"all":true}'),
        ("POST", "/api/v1/outbox/drop", b"\xff"),
    ],
)
async def test_bad_requests(house: House, client: Client, method: str, path: str, body: bytes | None) -> None:
    status, answer = await client.ask(method, path, body)
    assert status == 400
    assert answer["error"]
    assert house.asked == []
