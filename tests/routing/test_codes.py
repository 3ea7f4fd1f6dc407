"""Which numbers are codes: they stay in the key, all others are data."""

from __future__ import annotations

import pytest

from relay.routing.fingerprint import template
from relay.routing.words import masked


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("write failed: errno 28", "write failed: errno 5"),
        ("write failed: errno=28", "write failed: errno=5"),
        ("write failed (errno: 28)", "write failed (errno: 5)"),
        ("query failed: SQLSTATE[08006] after 3 ms", "query failed: SQLSTATE[57014] after 3 ms"),
        ("ORA-00060 while waiting", "ORA-01555 while waiting"),
        ("send failed errcode=40014, id 7", "send failed errcode=45009, id 7"),
        ("send failed, error code 40014", "send failed, error code 45009"),
        ("call failed [HRESULT = 0x80070005]", "call failed [HRESULT = 0x800f0805]"),
        ("job 7 exited with code 137 after 3 s", "job 7 exited with code 1 after 3 s"),
        ("job 7: exit status 127", "job 7: exit status 1"),
        ("killed by signal 11", "killed by signal 9"),
        ("request failed with status code 404", "request failed with status code 502"),
        ("POST returned HTTP 401 in 3 ms", "POST returned HTTP 500 in 3 ms"),
        ("Exception code: 0xc0000005 at 7", "Exception code: 0xc00000fd at 7"),
        ("closed with code 1006", "closed with code 1001"),
        ("接口调用失败,错误码:10003,耗时 7 毫秒", "接口调用失败,错误码:10086,耗时 7 毫秒"),
        ("推送失败,返回码: E1002,耗时7毫秒", "推送失败,返回码: E1007,耗时7毫秒"),
    ],
)
def test_codes_tell_problems_apart(one: str, other: str) -> None:
    assert masked(one).key != masked(other).key
    varied = one.replace(" 3 ", " 9 ").replace(" 7", " 8").replace("7毫秒", "8毫秒")
    assert masked(varied).key == masked(one).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("request failed with status code 502", "request failed with status code 503"),  # one class
        ("answered with status code 200", "answered with status code 204"),
        ('10.0.0.1 "GET /a HTTP/1.1" status: 200 len: 7', '10.0.0.1 "GET /b HTTP/1.1" status: 404 len: 9'),
        ("job exited with status 23", "job exited with status 221"),  # no meaning of their own
        ("verification code 482913 is wrong", "verification code 118273 is wrong"),
        ("error 17 of 20", "error 18 of 20"),
        ("errno 5 on disk 7", "errno 5 on disk 8"),
        ("signal of 17 dB", "signal of 18 dB"),
    ],
)
def test_other_numbers_are_data(one: str, other: str) -> None:
    assert masked(one).key == masked(other).key


def test_a_code_is_in_the_title_too() -> None:
    assert (
        template("write to /a/b failed: errno 28 (7 left)") == "write to <path> failed: errno 28 (<num> left)"
    )
    assert template("POST returned HTTP 503 in 3 ms") == "POST returned HTTP 5xx in <num> ms"


def test_codes_of_json_and_logfmt() -> None:
    def title(code: str) -> str:
        return template(f'{{"msg": "charge refused", {code}, "order": 77}}')

    assert title('"error_code": 40001') == "charge refused: error code 40001"
    assert title('"code": "card_expired"') == "charge refused: card_expired"
    assert title('"status": 503') == title('"status": "502"') == "charge refused: HTTP 5xx"
    assert title('"status": 200') == title('"status": true') == "charge refused"
    assert title('"exit_code": 137') == "charge refused: exit code 137"
    assert template('msg="proxy failed" status=413') == "proxy failed: HTTP 4xx"
