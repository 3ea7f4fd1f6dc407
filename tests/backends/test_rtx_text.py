"""Text on an RTX server's wire. The expected bytes were computed by hand from the GBK tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.backends.compose import Link
from relay.backends.rtx_text import Coding, accounts, escaped, link
from relay.errors import RejectedError

GBK = Coding(charset="gbk", unencodable="replace", replacement="?", space="plus")


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("hello", "hello"),
        ("CPU 使用率 95%", "CPU+%CA%B9%D3%C3%C2%CA+95%25"),
        (
            "[点击查看|http://mon.example.com/a?b=1&c=2]",
            "%5B%B5%E3%BB%F7%B2%E9%BF%B4%7Chttp%3A%2F%2Fmon.example.com%2Fa%3Fb%3D1%26c%3D2%5D",
        ),
        ("朱镕基", "%D6%EC%E9F%BB%F9"),
        ("1+1=2", "1%2B1%3D2"),
    ],
)
def test_text_is_gbk_percent_encoded(text: str, wire: str) -> None:
    assert GBK.quote(text) == wire


def test_a_whole_form() -> None:
    fields = [
        ("receiver", "zhangsan,lisi"),
        ("title", "告警"),
        ("msg", "CPU 使用率 95% [详情|http://mon.example.com/a?b=1&c=2]"),
        ("delaytime", "0"),
    ]
    assert GBK.form(fields) == (
        "receiver=zhangsan%2Clisi&title=%B8%E6%BE%AF&msg=CPU+%CA%B9%D3%C3%C2%CA+95%25+%5B%CF%EA%C7%E9%7Chttp%3A"
        "%2F%2Fmon.example.com%2Fa%3Fb%3D1%26c%3D2%5D&delaytime=0"
    )


@pytest.mark.parametrize(
    ("unencodable", "wire"),
    [("replace", "%B8%E6%BE%AF%3F%BB%D6%B8%B4"), ("ignore", "%B8%E6%BE%AF%BB%D6%B8%B4")],
)
def test_what_gbk_lacks_is_replaced_or_left_out(unencodable: str, wire: str) -> None:
    coding = Coding(charset="gbk", unencodable=unencodable, replacement="?", space="plus")  # type: ignore[arg-type]
    assert coding.quote(coding.possible("告警😀恢复")) == wire


def test_what_gbk_lacks_can_be_an_error() -> None:
    coding = Coding(charset="gbk", unencodable="error", replacement="?", space="plus")
    assert coding.possible("告警") == "告警"
    with pytest.raises(RejectedError, match=r"U\+1F600") as caught:
        coding.possible("告警😀恢复")
    assert caught.value.code == "payload"


def test_gbk_is_neither_gb2312_nor_gb18030() -> None:
    assert GBK.knows("镕喆瑄堃囧·—–…→°±≥≤×÷①⑩№℃é\u3000")
    for char in "😀€\u00a0\u200b\ufeff•✓⚠™©®ñÀÄ⑪㐀𠮷":
        assert not GBK.knows(char)


def test_a_space_may_be_a_percent_escape_and_the_charset_utf8() -> None:
    coding = Coding(charset="utf-8", unencodable="replace", replacement="?", space="percent20")
    assert coding.quote("a 告+") == "a%20%E5%91%8A%2B"


@given(st.text())
def test_possible_text_can_always_be_sent(text: str) -> None:
    possible = GBK.possible(text)
    assert GBK.quote(possible).isascii()
    assert GBK.size(possible) == len(possible.encode("gbk"))


def test_only_relays_own_links_are_links() -> None:
    assert escaped("[x|http://e] a|b") == "【x｜http://e】 a｜b"
    assert link(Link("详[情]", "http://m/a[1]|b")) == "[详【情】|http://m/a%5B1%5D%7Cb]"


def test_accounts_of_a_list() -> None:
    assert accounts("zhangsan; lisi，wang") == ["zhangsan", "lisi", "wang"]
    assert accounts("a,,b") == ["a", "", "b"]
