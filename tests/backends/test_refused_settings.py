"""A setting that a service could never take is refused at load: at its line, without its value."""

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

INTERNATIONAL = {
    "slack": [
        ("url: https://h/c4n4ry\ntoken: xoxb-c4n4ry", "url needs either url"),
        ("token: c4n4ry", "token a bot's token begins with xoxb-"),
        ("token: xoxb-1-c4n4ry\napi: slack.com/api", "api must be a whole URL"),
        ("url: hooks.slack.com/c4n4ry", "url must be a whole URL"),
    ],
    "telegram": [
        ("token: c4n4ry", "token a bot's token is a number"),
        ("token: '123:c4n4ry'\nurl: https://h/botc4n4ry", "token needs either token or url"),
        ("token: '123:c4n4ry'\napi: api.telegram.org", "api must be a whole URL"),
    ],
    "discord": [
        ("key: c4n4ry", "key is the part of the URL behind /webhooks/"),
        ("url: https://h/c4n4ry\nkey: 1234/c4n4ry", "url needs either url or key"),
        ("url: https://h/c4n4ry\nusername: my discord relay", "username at most 80 characters"),
    ],
    "teams": [
        ("url: https://x.webhook.office.com/c4n4ry", "url is of an Office 365 connector"),
        ("url: https://h/c4n4ry\nmax_bytes: 100", "max_bytes must be at least"),
    ],
    "mattermost": [
        ("url: https://h/c4n4ry\nserver: https://h", "server belongs to a token"),
        ("server: https://h\ntoken: c4n4ry", "token a token is 26"),
        (f"server: https://h\nusername: x\ntoken: {'c4n4ry' * 4}ab", "username a bot has its own name"),
    ],
    "rocketchat": [
        ("server: https://h\nuser_id: a/b\ntoken: c4n4ry", "user_id must be letters"),
        ("url: https://h/c4n4ry\nserver: https://h", "server belongs to a token"),
    ],
    "matrix": [
        ("homeserver: https://h\naccess_token: c4n4ry é", "access_token must be of ASCII"),
        ("homeserver: https://h\naccess_token: c4n4ry\nuser: u", "access_token needs either"),
        ("homeserver: h\naccess_token: c4n4ry", "homeserver must be a whole URL"),
    ],
    "zulip": [
        ("site: zulip\nemail: a@b.example\napi_key: c4n4ry", "site must be a whole URL"),
        ("site: https://z\nemail: relay\napi_key: c4n4ry", "email must be the bot's mail address"),
        (f"site: https://z\nemail: a@b.example\ntopic: {'x' * 61}\napi_key: c4n4ry", "topic at most 60"),
    ],
    "ntfy": [
        ("token: c4n4ry\nuser: u\npassword: c4n4ry", "token either a token, or user and password"),
        ("priority: {error: 6}", "priority a priority is 1 to 5"),
        ("server: ntfy.sh", "server must be a whole URL"),
    ],
    "gotify": [("server: https://h\ntoken: Cc4n4ry", "token this is a client's token")],
    "pagerduty": [
        ("routing_key: c4n4ry", "routing_key an integration key is 32"),
        (f"routing_key: {'c4n4ry' * 5}ab\nendpoint: events.eu", "endpoint must be a whole URL"),
        (f"routing_key: {'c4n4ry' * 5}ab\nseverity: {{error: bad}}", "severity 'bad' is none of"),
    ],
    "webhook": [
        ("url: https://h/c4n4ry\nform: standard", "form form: standard is signed"),
        ("url: https://h\nsecret: c4n4ry", "secret a signing secret is whsec_"),
        ('url: https://h\nheaders: {"a b": c4n4ry}', "headers 'a b' is not a header's name"),
    ],
    "smtp": [
        ("url: mail.example.com\nfrom: a@b.example", "url must be smtp://"),
        ("url: smtp://u:c4n4ry@h\nfrom: a@b.example", "url takes host and port only"),
        ("url: smtps://h\nfrom: a@b.example\nstarttls: never", "starttls smtps:// is in TLS"),
        ("url: smtp://h\nfrom: relay", "from must be a mail address"),
    ],
    "apprise": [("url: c4n4ry", "url must be one of Apprise's URLs")],
}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [(name, *case) for name, cases in (REFUSED | INTERNATIONAL).items() for case in cases],
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
