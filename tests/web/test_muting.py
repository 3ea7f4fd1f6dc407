"""Silences and acknowledgements over HTTP: handed on as they are meant, refused where they can't be read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.web.rig import Client, House

ROW: dict[str, Any] = {
    "id": 12,
    "matchers": ["module=pay.*", "host=~web[12]", "team!=ops"],
    "author": "wang",
    "reason": "deploy",
    "created_at": 1_767_600_000.0,
    "ends_at": 1_767_607_200.0,
    "ended_at": 0.0,
    "in_force": True,
}


async def test_silences(house: House, client: Client) -> None:
    house.answers |= {"silences": [ROW], "silence": {"id": 12}, "end_silence": {}, "preview": {"count": 0}}
    body = b'{"matchers":["module=pay.*"],"for":"2h","reason":"deploy","by":"wang","until_quiet":"30m"}'
    assert await client.ask("POST", "/api/v1/silences", body) == (200, {"id": 12})
    assert (await client.ask("GET", "/api/v1/silences"))[1] == [ROW]
    assert (await client.ask("POST", "/api/v1/silences/preview", b'{"matchers":["module=x"]}'))[0] == 200
    assert (await client.ask("POST", "/api/v1/silences/12/end", b"{}"))[0] == 200
    assert house.asked == [
        (
            "silence",
            {
                "matchers": ["module=pay.*"],
                "for": 7200.0,
                "reason": "deploy",
                "by": "wang",
                "until_quiet": 1800.0,
            },
        ),
        ("silences", {}),
        ("preview", {"matchers": ["module=x"]}),
        ("end_silence", {"id": 12, "by": "api"}),
    ]


async def test_acknowledgements(house: House, client: Client) -> None:
    house.answers["ack"] = {"state": "acked"}
    assert (await client.ask("POST", "/api/v1/alerts/17/ack", b'{"by":"wang","for":"1h"}'))[0] == 200
    assert (await client.ask("POST", "/api/v1/alerts/17/ack", b'{"undo":true}'))[0] == 200
    assert house.asked == [
        ("ack", {"alert": 17, "by": "wang", "undo": False, "for": 3600.0}),
        ("ack", {"alert": 17, "by": "api", "undo": True, "for": 0.0}),
    ]


async def test_as_amtool_writes_them(house: House, client: Client) -> None:
    house.answers |= {"silences": [ROW, {"id": "nightly", "every": "sat 02:00-04:00"}], "silence": {"id": 13}}
    ends = "2026-01-05T10:00:00.000Z"
    posted = {
        "matchers": [
            {"name": "alertname", "value": "DiskFull", "isRegex": False, "isEqual": True},
            {"name": "host", "value": "web.*", "isRegex": True, "isEqual": False},
            {"name": "module", "value": "a*b", "isRegex": False},
        ],
        "startsAt": "2026-01-05T08:00:00Z",
        "endsAt": ends,
        "createdBy": "wang",
        "comment": "disk",
    }
    status, made = await client.ask("POST", "/api/v2/silences", json.dumps(posted).encode())
    assert (status, made) == (200, {"silenceID": "13"})
    asked = house.asked[-1][1]
    assert asked["matchers"] == ["alertname=DiskFull", "host!~web.*", "label.module=/^a\\*b$/"]
    assert asked["for"] == 7200.0
    status, (listed,) = await client.ask("GET", "/api/v2/silences")
    assert listed["status"] == {"state": "active"}
    assert listed["endsAt"] == ends.replace(".000Z", "Z")
    assert listed["matchers"][1] == {"name": "host", "value": "web[12]", "isRegex": True, "isEqual": True}
    assert listed["matchers"][2] == {"name": "team", "value": "ops", "isRegex": False, "isEqual": False}
    assert (await client.ask("DELETE", "/api/v2/silence/12"))[0] == 200
    assert house.asked[-1] == ("end_silence", {"id": 12, "by": "api"})
    posted["endsAt"] = "2026-01-05T07:00:00Z"
    assert (await client.ask("POST", "/api/v2/silences", json.dumps(posted).encode()))[0] == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/silences", b"{}"),
        ("/api/v1/silences", b'{"matchers":["a=b"],"for":"soon"}'),
        ("/api/v1/silences", b'{"matchers":["a=b"],"for":"2h","peer":"root"}'),
        ("/api/v1/silences/preview", b'{"x":[]}'),
        ("/api/v1/alerts/17/ack", b'{"peer":"root"}'),
        ("/api/v1/alerts/9999999999999999999/ack", b"{}"),
        ("/api/v2/silences", b"[]"),
    ],
)
async def test_bad_requests(house: House, client: Client, path: str, body: bytes) -> None:
    status, answer = await client.ask("POST", path, body)
    assert status == 400
    assert answer["error"]
    assert house.asked == []
