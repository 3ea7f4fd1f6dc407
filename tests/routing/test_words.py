from __future__ import annotations

import pytest

from relay.routing.words import masked


@pytest.mark.parametrize(
    ("line", "key", "title"),
    [
        ("failed after 30 seconds", "failed after", "failed after <num> seconds"),
        ("kept 30 of them", "kept of them", "kept <num> of them"),
        ("seconds matter", "seconds matter", "seconds matter"),
        ("took 12.5ms", "took", "took <num>ms"),
        ("at Fri Jun 17 07:07:00 2005", "at", "at <time>"),
        ("allDrawn= false, moved = true", "allDrawn moved", "allDrawn= <bool>, moved = <bool>"),
        ("route = main port = 11", "route port", "route = <str> port = <num>"),
        ("code = Unavailable desc = refused", "code Unavailable desc refused", None),
        ("NullPointerException: null", "NullPointerException", None),
        (
            "too many authentication failures for root [preauth]",
            "too many authentication failures for preauth",
            None,
        ),
        ("session opened for user bob(uid=7) by", "session opened for user uid by", None),
        ("auth failed: user=<bob>, method=PLAIN", "auth failed user method PLAIN", None),
        ("cannot read localhost/127.0.0.1:8080 now", "cannot read now", "cannot read <ip> now"),
        ("start of org.example.app/.ui.Main failed", "start of failed", "start of <path> failed"),
        ("declined (decline_code=stolen_card)", "declined decline_code stolen_card", None),
        ("用户alice登录失败", "用户 登录失败", "用户<name>登录失败"),
        ("用户ID错误", "用户 ID 错误", "用户ID错误"),
        ("用户「张三」登录失败", "用户 登录失败", "用户「<str>」登录失败"),
        ("shard kowwMttdgmRqyzafbSkHsb is lost", "shard is lost", "shard <id> is lost"),
        ("may fail", "may fail", "may fail"),
        ("user alice left", "user left", "user <name> left"),
        ("user unknown", "user unknown", "user unknown"),
        ("user locked out", "user locked out", "user locked out"),
        ("Failed password for root from 1.2.3.4", "Failed password for from", None),
        ("waiting for reply from 1.2.3.4", "waiting for reply from", None),
        ("open() failed", "open failed", "open() failed"),
        ("path=/var/x rc=1 reason=refused", "path rc reason refused", "path=<path> rc=<num> reason=refused"),
        ("org.example.Main stopped", "org.example.Main stopped", None),
        ("shop.example.com stopped", "stopped", "<host> stopped"),
        ("wpad:443 stopped", "stopped", "<host> stopped"),
        ("report.final.docx is locked", "is locked", "<file> is locked"),
        ("in gateway.py:443", "in gateway.py", "in gateway.py:<num>"),
        ("in gateway.py:12", "in gateway.py", "in gateway.py:<num>"),
        ("to <a.b@example.com>: no", "to no", "to <<mail>>: no"),
        ("mac 7f:79:69:78:33:02", "mac", "mac <mac>"),
        ("on [2001:db8::1]:4625", "on", "on [<ip6>]:<num>"),
        ("key 0xdeadbeef", "key", "key <hex>"),
        ("TCP/IP or I/O", "TCP IP or", "TCP/IP or I/O"),
        ("用户 dmitry 登录失败", "用户 登录失败", "用户 <name> 登录失败"),
        ("invalid character 'x' in value 'a b'", "invalid character in value", None),
    ],
)
def test_constants_stay_and_variables_go(line: str, key: str, title: str | None) -> None:
    found = masked(line)
    assert found.key == key
    if title is not None:
        assert found.title == title


def test_sql_holds_data_in_single_quotes_only() -> None:
    found = masked("""SELECT "name" FROM t WHERE region IN ('cn', 'br') LIMIT 5""")
    assert found.key == "SELECT name FROM WHERE region IN LIMIT"


def test_a_text_of_variables_alone_is_known_by_its_shape() -> None:
    assert masked("10.0.0.1 12").key == "<ip> <num>"
