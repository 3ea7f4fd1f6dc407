"""`relay render`: the message itself, at every backend, and nothing sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from relay.cli import render

RULES = """\
store: relay.db
sources:
  apps: {socket: run/relay.sock}
  shop: {tail: "*.log", format: python}
backends:
  terminal: {type: console}
  rtx: {type: rtx, url: "http://127.0.0.1:9", presence_check: true}
  mail: {type: smtp, url: "smtp://127.0.0.1:9", from: relay@example.com, template: {body: "MAIL {{ text }}"}}
  app: {type: wecom_app, corpid: ww1234567890abcdef, corpsecret: "${NOT_SET}", agentid: 1000002}
  hook: {type: webhook, url: "http://127.0.0.1:9/hook?token=hunter22"}
  lonely: {type: console}
recipients:
  wang: {rtx: wang, mail: wang@example.com}
  ops: {terminal: ops, hook: x, app: zhang}
rules:
  - name: payments
    match: {module: pay.*}
    to: wang
    template: {title: "{{ module }} says {{ title }}"}
  - {name: rest, match: {level: error}, to: ops}
"""


@pytest.fixture(autouse=True)
def _rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "rules.yaml").chmod(0o600)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("relay.cli.common.SYSTEM_RULES", str(tmp_path / "none.yaml"))


def rendered(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert render.main("render", [*arguments, "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


def test_each_address_of_whoever_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    rtx, mail = rendered(capsys, "2026-03-01 10:00:00,123 ERROR pay.refund: timeout after 3000 ms")
    assert (rtx["backend"], rtx["to"], rtx["rule"]) == ("rtx", "wang", "payments")
    assert rtx["request"]["url"] == "http://127.0.0.1:9/sendnotify.cgi"
    assert (mail["backend"], mail["recipient"]) == ("mail", "wang")
    assert "Subject: pay.refund says timeout after <num> ms" in mail["request"]["body"]


def test_for_people_it_is_decoded_with_both_templates(capsys: pytest.CaptureFixture[str]) -> None:
    assert render.main("render", ["-m", "pay.refund", "--message", "支付超时 3000 ms"]) == 0
    shown = capsys.readouterr().out
    assert "rtx (rtx) -> wang (wang), rule payments\nPOST http://127.0.0.1:9/sendnotify.cgi\n" in shown
    assert "    【ERROR】 pay.refund says 支付超时 <num> ms\n    支付超时 3000 ms" in shown
    assert "  Subject: pay.refund says 支付超时 <num> ms\n" in shown
    assert "    MAIL 支付超时 3000 ms\n" in shown


def test_secrets_are_masked_and_missing_ones_do_not_matter(capsys: pytest.CaptureFixture[str]) -> None:
    shown = rendered(capsys, "-m", "db", "--message", "deadlock")
    assert [each["backend"] for each in shown] == ["terminal", "hook", "app"]
    assert "hunter22" not in json.dumps(shown)
    assert "[ERROR] db: deadlock" in json.loads(shown[2]["request"]["body"])["text"]["content"]


@pytest.mark.parametrize(
    ("reason", "part"),
    [
        ("first", "seen: once"),
        ("reminder", "[ERROR, still happening] db: deadlock"),
        ("resolved", "[RESOLVED] db: deadlock"),
        ("digest", "and 1 more:\n[ERROR] db: deadlock #2"),
    ],
)
def test_every_message_of_an_alert(reason: str, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = rendered(capsys, "-m", "db", "--message", "deadlock", "--reason", reason, "--backend", "hook")
    assert part in json.loads(shown["request"]["body"])["text"]


def test_others_are_shown_on_demand_reached_or_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert render.main("render", ["-m", "db", "--message", "hm", "-l", "info"]) == 0
    assert "no rule takes it" in capsys.readouterr().out
    (shown,) = rendered(capsys, "-m", "db", "--message", "hm", "-l", "info", "--backend", "hook")
    assert (shown["recipient"], shown["to"]) == ("ops", "x")
    every = rendered(capsys, "-m", "pay", "--message", "hm", "--all")
    assert [each["backend"] for each in every] == ["rtx", "mail", "terminal", "app", "hook", "lonely"]


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert render.main("render", ["-m", "db", "--message", "x", "--backend", "nope"]) == 2
    assert "unknown backend 'nope'; there are: app, hook" in capsys.readouterr().err
    assert render.main("render", []) == 2


def test_an_address_that_is_none_and_a_template_that_fails_are_problems(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rules = RULES.replace("{{ module }} says", "{{ hosts[1] if text == 'boom' }}")
    (tmp_path / "rules.yaml").write_text(rules)
    assert render.main("render", ["-m", "pay", "--message", "boom"]) == 1
    shown = capsys.readouterr().out
    assert "PROBLEM: the template of the title of rule 'payments' failed: line 1 of the template" in shown
    assert "【ERROR】 pay: boom" in shown
