"""What can't work is refused at load, by file and line: settings and addresses of the five first services."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from relay.backends import registry
from relay.config.load import load

HEX = "a1" * 16

# Each text has one mark, `# !`, at the end of the line that must be named.
CASES = {
    "rtx": [
        ("url: 10.0.0.8:8012 # !", "must be a whole URL"),
        ("url: http://h:8012\nsuccess_markers: [''] # !", "found in every answer"),
        ("url: http://h:8012\nmethod: PUT # !", "POST"),
        ("url: http://h:8012\ndelaytime: -1 # !", "at least 0"),
        ("url: http://h:8012\nallow_brodcast: true # !", "did you mean 'allow_broadcast'"),
        ("url: http://h:8012\nto: all # !", "needs allow_broadcast: true"),
        ("url: http://h:8012\nto: 'depart:' # !", "needs a name"),
        ("url: http://h:8012\nto: wang😀 # !", "printable characters of gbk"),
    ],
    "openim": [
        ("url: http://h\nsecret: x\nversion: v3.3\nmode: markdown # !", "`version: v3.8`"),
        ("url: http://h\nsecret: x\nmode: business\nonline_only: true # !", "`reliability: online`"),
        ("url: http://h\nsecret: '' # !", "an empty secret"),
        ("url: http://h\nsecret: x\nnotification_type: 0 # !", "at least 1"),
        ("url: http://h\nsecret: x\nbatch_size: 1001 # !", "at most 1000"),
        ("url: http://h\nsecret: x\nto: '@all' # !", "needs allow_broadcast: true"),
        ("url: http://h\nsecret: x\nmode: notification\nto: group:g1 # !", "not to groups"),
    ],
    "rongcloud": [
        ("app_key: 'a b' # !\napp_secret: x\nfrom_user_id: r", "letters and digits"),
        ("app_key: a\napp_secret: x\nfrom_user_id: r\nhosts: [http://a, b] # !", "must be a whole URL"),
        ("app_key: a\napp_secret: x\nfrom_user_id: r\nmode: broadcast # !", "allow_broadcast: true"),
        ("app_key: a\napp_secret: x\nfrom_user_id: r\nobject_name: RC:ImgMsg # !", "RC:TxtMsg"),
        ("app_key: a\napp_secret: x\nfrom_user_id: r\ntags: [ops]\nmode: system # !", "need `mode: push`"),
        ("app_key: a\napp_secret: x\nfrom_user_id: r\nmode: push\nto: '@all' # !", "allow_broadcast: true"),
        ("app_key: a\napp_secret: x\nfrom_user_id: r\nto: a,b # !", "1 to 64 characters"),
    ],
    "anyrtc": [
        (f"app_id: short # !\napi_key: k\napi_secret: {HEX}", "32 letters and digits"),
        (f"app_id: {HEX}\napi_key: k # !\napi_secret: x\nuid: relay", "give either"),
        (f"app_id: {HEX}\nuid: r\napp_certificate: {HEX}\ntoken: t # !", "either app_certificate or token"),
        (f"app_id: {HEX}\nuid: r\napp_certificate: {HEX}\ntoken_ttl: 2d # !", "'2d' must be at most 24 h"),
        (f"app_id: {HEX}\napi_key: k\napi_secret: x\nto: a/b # !", "no slash"),
    ],
    "wechat": [
        (f"appid: gh_1 # !\nsecret: {HEX}", "wx and 16 hexadecimal digits"),
        ("appid: wx0123456789abcdef\nsecret: short # !", "32 hexadecimal digits"),
        ("token_mode: external\ntoken_url: h/t # !", "token_mode: external needs it"),
        (
            f"appid: wx0123456789abcdef\nsecret: {HEX}\ntemplate_id: T\ntemplate_fields: {{first: x}} # !",
            "isn't shown any more",
        ),
        (f"appid: wx0123456789abcdef\nsecret: {HEX}\nfallback_codes: [40001] # !", "40001 doesn't refuse"),
        (f"appid: wx0123456789abcdef\nsecret: {HEX}\nto: 王 # !", "an openid is letters"),
    ],
}


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [(kind, text, words) for kind, cases in CASES.items() for text, words in cases],
)
def test_what_can_not_work_is_refused_by_its_line(tmp_path: Path, kind: str, text: str, words: str) -> None:
    settings, _, to = text.partition("\nto: ")
    lines = ["backends:", "  one:", f"    type: {kind}", textwrap.indent(settings, "    ")]
    if to:
        lines += ["recipients:", "  wang:", f"    one: {to}"]
    written = "\n".join([*lines, ""])
    rules = tmp_path / "rules.yaml"
    rules.write_text(written)
    rules.chmod(0o600)
    loaded = load(rules, backend_types=registry.Types(), environ={})
    errors = [str(problem) for problem in loaded.problems if problem.severity == "error"]
    line = 1 + written[: written.index("# !")].count("\n")
    assert len(errors) == 1, errors
    assert f"rules.yaml:{line}:" in errors[0]
    assert words in errors[0]
    assert HEX not in errors[0]
