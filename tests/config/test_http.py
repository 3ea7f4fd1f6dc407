"""The section `http`: where it may listen, and what it takes to be reached from elsewhere."""

from __future__ import annotations

import pytest

from tests.config.conftest import Check
from tests.config.fakes import BASE, errors, lines

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize(
    "section",
    [
        "{listen: 127.0.0.1:8787}",
        "{listen: localhost:1}",
        "{listen: '[::1]:65535'}",
        "{listen: unix:/run/relay/http.sock, mode: 0600}",
        "{listen: 127.0.0.1:8787, url: 'https://relay.example.com/alerts/', hosts: [Relay, 10.0.0.8]}",
        f"{{listen: 0.0.0.0:8787, allow_remote: true, token: {TOKEN}}}",
        "{listen: relay.example.com:8787, allow_remote: true, token: 'x-${TOKEN}'}",
    ],
)
def test_fine(check: Check, section: str) -> None:
    loaded = check(f"{BASE}http: {section}\n")
    assert lines(loaded) == []
    assert loaded.config is not None
    assert loaded.config.http is not None


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("{listen: 8787}", "'8787' is no place to listen: write 127.0.0.1:8787, "),
        ("{listen: ':8787'}", "':8787' is no place to listen"),
        ("{listen: 127.0.0.1:0}", "'127.0.0.1:0' is no place to listen"),
        ("{listen: 127.0.0.1:65536}", "'127.0.0.1:65536' is no place to listen"),
        ("{listen: '::1:8787'}", "'::1:8787' is no place to listen"),
        ("{listen: 'unix:'}", "'unix:' names no socket"),
        ("{listen: unix:/run/relay/relay.sock}", "the same socket as `http`: '/run/relay/relay.sock'"),
        ("{listen: unix:/run/relay/control.sock}", "the same socket as the control socket"),
        (f"{{listen: unix:/{'x' * 120}}}", "is too long for a socket"),
        ("{listen: 127.0.0.1:1, url: relay.example.com}", "must be a whole URL"),
        ("{listen: 127.0.0.1:1, url: 'http://x/?a=1'}", "takes no query or fragment"),
        ("{listen: 127.0.0.1:1, hosts: ['a:80']}", "'a:80' is no host name"),
        ("{listen: 127.0.0.1:1, token: short}", "must have at least 16 characters"),
        (f"{{listen: 0.0.0.0:1, token: {TOKEN}}}", "needs `allow_remote: true`"),
        ("{listen: 0.0.0.0:1}", "needs `allow_remote: true` and a `token`"),
        ("{listen: 0.0.0.0:1, allow_remote: true}", "needs a `token`"),
        ("{listen: relay.example.com:1, allow_remote: true}", "needs a `token`"),
        ("{allow_remote: true}", "the key 'listen' is missing"),
        ("{listen: 127.0.0.1:1, tokn: x}", "unknown key 'tokn' (did you mean 'token'?)"),
    ],
)
def test_one_problem(check: Check, section: str, problem: str) -> None:
    (found,) = errors(check(f"{BASE}http: {section}\n"))
    assert problem in found


def test_the_token_is_not_shown(check: Check) -> None:
    loaded = check(f"{BASE}http: {{listen: 127.0.0.1:1, token: '${{TOKEN}}-and-more', mode: '${{TOKEN}}'}}\n")
    assert errors(loaded)
    assert "sesame" not in "".join(lines(loaded))
    config = check(f"{BASE}http: {{listen: 127.0.0.1:1, token: '${{TOKEN}}-and-more'}}\n").usable()
    assert config.http is not None
    assert config.http.token.reveal() == "sesame-open-99-and-more"
    assert "sesame" not in repr(config)


def test_a_token_that_is_not_there_yet_is_a_warning_for_who_checks_elsewhere(check: Check) -> None:
    loaded = check(f"{BASE}http: {{listen: 127.0.0.1:1, token: '${{NOT_SET}}'}}\n", lenient=True)
    assert errors(loaded) == []


def test_rules_may_name_http_as_a_source(check: Check) -> None:
    text = BASE.replace("to: ops}", "match: {source: http}, to: ops}")
    assert "no source is called 'http'" in "".join(lines(check(text)))
    assert lines(check(f"{text}http: {{listen: 127.0.0.1:1}}\n")) == []
