"""A setting that a Chinese service could never take is refused at load: at its line, without its value."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from relay.backends import registry
from relay.config.load import load

REFUSED = {
    "wecom_robot": [
        ("key: [c4n4ry, c4n4ry]", "key names a robot twice"),
        ("key: k\nurl: https://h/c4n4ry", "key needs either key, or the whole url"),
        ("key: https://h/c4n4ry", "key is of letters, digits"),
    ],
    "wecom_app": [
        ("corpid: ww 1\ncorpsecret: s\nagentid: 1", "corpid is of letters and digits"),
        ("corpid: ww1\ncorpsecret: s\nagentid: 0", "agentid must be at least 1"),
        (
            "corpid: ww1\ncorpsecret: s\nagentid: 1\nduplicate_check_interval: 5h",
            "duplicate_check_interval is at most 4h",
        ),
    ],
    "dingtalk_robot": [
        ("access_token: t\nsecret: c4n4ry", "secret begins with SEC"),
        ("access_token: [t, u]\nsecret: SECc4n4ry", "secret there are 2 robots and 1 secrets"),
        ("access_token: t\nformat: markdown\nkeyword: '*x*'", "keyword holds characters that are markup"),
    ],
    "dingtalk_notice": [("appkey: d/1\nappsecret: c4n4ry\nagent_id: 1", "appkey is of letters")],
    "dingtalk_app": [
        ("appkey: d\nappsecret: 'c4n4ry '", "appsecret is of letters"),
        ("appkey: d\nappsecret: s\ncard_template: a/b", "card_template is of letters"),
    ],
    "feishu_robot": [
        ("token: t\nserver: open.feishu.cn", "server must be a whole URL"),
        ("token: t\nmax_bytes: 1MB", "max_bytes must be at most"),
        ("token: t\nkeyword: '<at'", "keyword holds characters that are markup"),
    ],
    "feishu_app": [("app_id: c\napp_secret: s\nformat: text\nfollow_up: edit", "follow_up edit needs")],
    "serverchan": [
        ("sendkey: c4n4ry", "sendkey a key is SCT"),
        ("url: https://h/c4n4ry\nchannel: 1|2|3", "channel one number or two"),
    ],
    "bark": [("devices: {wang: https://h/c4n4ry}", "devices the key of 'wang' must be")],
}


@pytest.mark.parametrize(
    ("name", "text", "words"), [(name, *case) for name, cases in REFUSED.items() for case in cases]
)
def test_it_names_the_line(name: str, text: str, words: str, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(f"backends:\n  one:\n    type: {name}\n{textwrap.indent(text, '    ')}\n")
    rules.chmod(0o600)
    loaded = load(rules, backend_types=registry.Types(), environ={})
    found = [str(each) for each in loaded.problems if each.severity == "error"]
    assert len(found) == 1, found
    key, _, told = words.partition(" ")
    line = next(n for n, each in enumerate(text.split("\n"), 4) if each.startswith(f"{key}:"))
    assert f"rules.yaml:{line}:" in found[0]
    assert told in found[0]
    assert "c4n4ry" not in found[0]


def test_each_of_them_is_named() -> None:
    here = [name for name in registry.names() if name.startswith(("wecom", "dingtalk", "feishu"))]
    assert set(REFUSED) == {*here, "serverchan", "bark"}
