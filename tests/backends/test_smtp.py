"""Mail against a real server (aiosmtpd), and against one that goes wrong at every step."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relay.backends.base import Door, Receipt
from relay.backends.smtp import Settings, Smtp
from relay.clock import FakeClock
from relay.errors import BackendDownError, BackendError, RejectedError, TemporaryError
from relay.models import AlertState, Level, Reason
from relay.values import Secret
from tests.backends.messages import message, reminder
from tests.emulators.mail import CERTIFICATE, MailServer, MisbehavingServer, Misbehaviour

TO = "wang@example.com"
LOGIN = ("relay", "s3cr3t-w0rd")
ROOT = str(CERTIFICATE)


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with MailServer() as server:
        yield server


@pytest.fixture
def mailer(door: Door) -> Any:
    return lambda server, **changes: Smtp(
        Settings(**{"url": server.url, "from_": "relay@example.com", **changes}), door
    )


async def failure(backend: Smtp, to: str = TO) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(), to)
    return caught.value


async def test_a_mail_says_what_it_is(server: MailServer, mailer: Any) -> None:
    told = message(title="退款 timeout ☃ after <num> ms", level=Level.CRITICAL)
    receipt = await mailer(server, from_="Relay 告警 <relay@example.com>").send(told, TO)
    (arrived,) = server.arrived
    mail = arrived.mail
    assert (arrived.sender, arrived.receivers) == ("relay@example.com", (TO,))
    assert mail["From"] == "Relay 告警 <relay@example.com>"
    assert mail["To"] == TO
    assert mail["Subject"] == "pay.refund: 退款 timeout ☃ after <num> ms"
    assert mail["Date"].datetime.timestamp() == FakeClock().now()
    assert mail["Auto-Submitted"] == "auto-generated"
    assert (mail["Importance"], mail["X-Relay-Alert"], mail["X-Relay-Level"]) == ("high", "17", "critical")
    assert mail["Message-ID"] == receipt.id == receipt.handle
    assert receipt.note == "2.0.0 Queued as 4711"
    assert mail.get_content_type() == "multipart/alternative"
    assert arrived.raw.isascii()
    assert max(map(len, arrived.raw.splitlines())) <= 998


async def test_text_and_html_say_the_same(server: MailServer, mailer: Any) -> None:
    told = message(text="a <b>\n& c", links=(("runbook", "https://wiki/x?a=1&b=2"),))
    await mailer(server).send(told, TO)
    (arrived,) = server.arrived
    assert "a <b>\n& c" in arrived.part("plain")
    assert "runbook: https://wiki/x?a=1&b=2" in arrived.part("plain")
    html = arrived.part("html")
    assert "<pre>a &lt;b&gt;\n&amp; c</pre>" in html
    assert '<a href="https://wiki/x?a=1&amp;b=2">runbook</a>' in html


async def test_one_alert_is_one_thread(server: MailServer, mailer: Any) -> None:
    backend = mailer(server)
    first = await backend.send(message(key="k1"), TO)
    told = {"first_seen": message().first_seen, "handle": first.handle}
    await backend.send(reminder(key="k2", **told), TO)
    await backend.send(message(key="k3", state=AlertState.RESOLVED, reason=Reason.RESOLVED, **told), TO)
    await backend.send(message(key="k4", alert=18), TO)
    mails = [arrived.mail for arrived in server.arrived]
    roots = [mail["References"].split()[0] for mail in mails]
    assert roots[0] == roots[1] == roots[2] != roots[3]
    assert mails[0]["In-Reply-To"] == roots[0]
    assert mails[1]["References"].split() == [roots[0], first.handle]
    assert mails[1]["In-Reply-To"] == mails[2]["In-Reply-To"] == first.handle
    assert len({mail["Subject"] for mail in mails}) == 1
    assert len({mail["Message-ID"] for mail in mails}) == 4


async def test_attempts_of_one_message_share_their_id(server: MailServer, mailer: Any) -> None:
    await mailer(server).send(message(), TO)
    await mailer(server).send(message(late=300.0), TO)
    assert len({arrived.mail["Message-ID"] for arrived in server.arrived}) == 1


async def test_relays_own_messages_have_no_thread(server: MailServer, mailer: Any) -> None:
    await mailer(server).send(message(alert=0, fingerprint=""), TO)
    assert server.arrived[0].mail["References"] is None


async def test_subjects(server: MailServer, mailer: Any) -> None:
    await mailer(server, subject_tag=True).send(message(), TO)
    await mailer(server).send(message(digest=("other: x", "third: y")), TO)
    await mailer(server).send(message(module="", title="x"), TO)
    assert [arrived.mail["Subject"] for arrived in server.arrived] == [
        "[ERROR] pay.refund: timeout after <num> ms",
        "pay.refund: timeout after <num> ms (and 2 more)",
        "x",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "=?utf-8?q?x=0D=0ABcc=3A_evil=40example=2Ecom?=",
        "=?utf-8?b?QmNjOiBl?= =?utf-8?b?QmNjOiBl?=",
        "x\r\nBcc: evil@example.com",
        "\n.\nMAIL FROM:<x@y>",
    ],
)
async def test_a_log_line_forges_no_header(server: MailServer, mailer: Any, text: str) -> None:
    await mailer(server).send(message(title=text, module=text, rule=text, text=text), TO)
    (arrived,) = server.arrived
    assert arrived.mail["Bcc"] is None
    assert arrived.receivers == (TO,)
    assert "\n" not in arrived.mail["Subject"]
    if text.startswith("=?"):
        assert arrived.mail["Subject"] == f"{text}: {text}".replace("=?", "= ?")
        assert text in arrived.part("plain")


async def test_tls_as_offered(mailer: Any) -> None:
    for tls, encrypted in (("none", False), ("starttls", True)):
        async with MailServer(tls=tls) as server:  # type: ignore[arg-type]
            await mailer(server).send(message(), TO)  # a certificate nobody vouches for is taken
            assert server.arrived[0].encrypted is encrypted
    async with MailServer(tls="starttls") as server:
        await mailer(server, starttls="never").send(message(), TO)
        assert not server.arrived[0].encrypted


@pytest.mark.parametrize("tls", ["starttls", "smtps"])
async def test_tls_with_proof(mailer: Any, tls: Any) -> None:
    mode = {"starttls": "always"} if tls == "starttls" else {}
    async with MailServer(tls=tls, login=LOGIN) as server:
        login = {"username": LOGIN[0], "password": Secret(LOGIN[1])}
        await mailer(server, ca_file=ROOT, **mode, **login).send(message(), TO)
        assert server.arrived[0].encrypted
        for settings in (mode, login):  # a login wants proof too
            error = await failure(mailer(server, **settings))
            assert isinstance(error, BackendDownError)
            assert error.code == "certificate"
        assert len(server.arrived) == 1


async def test_tls_that_is_not_there(server: MailServer, mailer: Any) -> None:
    login = {"username": LOGIN[0], "password": Secret(LOGIN[1])}
    for settings in ({"starttls": "always"}, login):
        error = await failure(mailer(server, **settings))
        assert isinstance(error, BackendDownError)
        assert error.code == "unsupported"
    error = await failure(mailer(server, url=server.url.replace("smtp:", "smtps:")))
    assert isinstance(error, BackendDownError)
    assert error.code == "tls"


async def test_a_login_that_is_refused_or_missing(mailer: Any) -> None:
    async with MailServer(tls="starttls", login=LOGIN) as server:
        wrong = {"username": "relay", "password": Secret("wr0ng-w0rd"), "ca_file": ROOT}
        refused, missing = await failure(mailer(server, **wrong)), await failure(mailer(server))
        assert isinstance(refused, BackendDownError)
        assert isinstance(missing, BackendDownError)
        assert (refused.code, missing.code) == ("535", "530")
        assert str(refused) == "535: the credentials were refused"


@pytest.mark.parametrize(
    ("to", "expected", "code"),
    [
        ("nobody@example.com", RejectedError, "550"),
        ("full@example.com", TemporaryError, "452"),
        ("grey@example.com", TemporaryError, "451"),
        ("wang@elsewhere.example", RejectedError, "554"),
    ],
)
async def test_a_receiver_that_is_refused(
    server: MailServer, mailer: Any, to: str, expected: type[BackendError], code: str
) -> None:
    error = await failure(mailer(server), to)
    assert type(error) is expected
    assert error.code == code
    assert error.detail
    assert server.arrived == []


async def test_one_mail_to_many(server: MailServer, mailer: Any) -> None:
    tos = [TO, "nobody@example.com", "not an address", "grey@example.com", "li@example.com", TO]
    outcomes = await mailer(server).send_many(message(), tos)
    assert [type(outcome) for outcome in outcomes] == [
        Receipt,
        RejectedError,
        RejectedError,
        TemporaryError,
        Receipt,
        Receipt,
    ]
    (arrived,) = server.arrived
    assert arrived.receivers == (TO, "li@example.com")
    assert server.requests == 1


async def test_nobody_left_means_no_connection(server: MailServer, mailer: Any) -> None:
    (outcome,) = await mailer(server).send_many(message(), ["no address"])
    assert isinstance(outcome, RejectedError)
    assert server.requests == 0


async def test_addresses_of_all_the_world(mailer: Any) -> None:
    wide = "иван@пример.example"
    async with MailServer() as server:
        outcomes = await mailer(server).send_many(message(), [wide, TO])
        assert all(isinstance(outcome, Receipt) for outcome in outcomes)
        assert server.arrived[0].receivers == (wide, TO)
        assert server.arrived[0].mail["To"] == f"{wide}, {TO}"
    async with MailServer(smtputf8=False) as server:
        outcomes = await mailer(server).send_many(message(), [wide, TO])
        assert [type(outcome) for outcome in outcomes] == [RejectedError, Receipt]
        assert server.arrived[0].receivers == (TO,)


async def test_a_server_without_html_gets_plain_text(mailer: Any) -> None:
    async with MailServer(no_html=True) as server:
        await mailer(server).send(message(), TO)
        (arrived,) = server.arrived
        assert arrived.mail.get_content_type() == "text/plain"


async def test_a_mail_that_only_fits_without_html(mailer: Any) -> None:
    async with MailServer(most=2500) as server:
        await mailer(server).send(message(text="x" * 1000), TO)
        assert server.arrived[0].mail.get_content_type() == "text/plain"


async def test_a_mail_over_the_servers_size_is_refused(mailer: Any) -> None:
    async with MailServer(most=500) as server:
        error = await failure(mailer(server))
        assert isinstance(error, RejectedError)
        assert error.code == "552"
        assert server.requests == 2  # once with HTML, once without


@pytest.mark.parametrize(
    ("at", "reply", "expected"),
    [
        ("connect", "421 too many connections", TemporaryError),
        ("connect", "554 go away", BackendDownError),
        ("EHLO", "421 closing", TemporaryError),
        ("MAIL", "451 later", TemporaryError),
        ("MAIL", "550 not you", BackendDownError),
        ("MAIL", "530 log in", BackendDownError),
        ("RCPT", "421 closing", TemporaryError),
        ("RCPT", "450 busy", TemporaryError),
        ("RCPT", "553 bad name", RejectedError),
        ("DATA", "451 later", TemporaryError),
        ("DATA", "554 no valid recipients", RejectedError),
        (".", "452 disk full", TemporaryError),
        (".", "554 spam", RejectedError),
        (".", "what?", TemporaryError),
    ],
)
async def test_a_reply_becomes_its_error(
    mailer: Any, at: str, reply: str, expected: type[BackendError]
) -> None:
    async with MisbehavingServer(Misbehaviour(at=at, reply=reply)) as server:
        error = await failure(mailer(server))
    assert type(error) is expected
    assert not isinstance(error, TemporaryError) or error.ambiguous is (reply == "what?")


@pytest.mark.parametrize("starttls", ["auto", "never"])
async def test_a_server_that_only_knows_helo(mailer: Any, starttls: str) -> None:
    async with MisbehavingServer(Misbehaviour(at="EHLO", reply="502 what?")) as server:
        assert await mailer(server, starttls=starttls).send(message(), TO)
        assert len(server.mails) == 1


@pytest.mark.parametrize("act", ["hang", "close"])
@pytest.mark.parametrize("at", ["connect", "EHLO", "MAIL", "RCPT", "DATA", "."])
async def test_silence_is_temporary_and_ambiguous_only_after_the_mail(mailer: Any, at: str, act: Any) -> None:
    async with MisbehavingServer(Misbehaviour(at=at, act=act)) as server:
        began = time.monotonic()
        error = await failure(mailer(server, timeout=0.1))
        assert time.monotonic() - began < 1.0
        assert isinstance(error, TemporaryError)
        assert error.ambiguous is (at in {"DATA", "."})
        assert len(server.mails) == (at == ".")


@pytest.mark.parametrize(
    "wrong", [Misbehaviour(at="QUIT", act="close"), Misbehaviour(at="QUIT", reply="500 no")]
)
async def test_what_comes_after_acceptance_does_not_matter(mailer: Any, wrong: Misbehaviour) -> None:
    async with MisbehavingServer(wrong) as server:
        assert await mailer(server).send(message(), TO)


async def test_a_farewell_that_hangs_is_not_waited_for(mailer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.backends.smtp_session._GOODBYE", 0.05)
    async with MisbehavingServer(Misbehaviour(at="QUIT", act="hang")) as server:
        assert await mailer(server, timeout=0.5).send(message(), TO)


async def test_a_server_that_is_not_there(mailer: Any) -> None:
    async with MailServer() as server:
        backend = mailer(server)
    error = await failure(backend)
    assert isinstance(error, TemporaryError)
    assert not error.ambiguous


async def test_a_password_in_a_reply_is_masked(mailer: Any) -> None:
    async with MisbehavingServer(Misbehaviour(at=".", reply=f"554 {LOGIN[1]} is your password")) as server:
        login = {"username": "relay", "password": Secret(LOGIN[1]), "starttls": "never"}
        server.right = {**server.right, "EHLO": "250-x\r\n250 AUTH PLAIN", "AUTH": "235 welcome"}
        error = await failure(mailer(server, **login))
    assert error.detail == "*** is your password"
    assert LOGIN[1] not in repr(vars(error))


async def test_the_doctor_sends_nothing(mailer: Any) -> None:
    async with MailServer() as server:
        (fine,) = await mailer(server).check()
        (foreign,) = await mailer(server, from_="someone@else.example").check()
        assert fine.ok
        assert (foreign.ok, foreign.code) == (False, "553")
        assert "not yours" in foreign.text
        assert server.arrived == []
        backend = mailer(server)
    (gone,) = await backend.check()
    assert not gone.ok


async def test_a_missing_library_is_named(
    server: MailServer, mailer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiosmtplib", None)
    monkeypatch.delitem(sys.modules, "relay.backends.smtp_session", raising=False)
    error = await failure(mailer(server))
    assert isinstance(error, BackendDownError)
    assert "pip install 'alert-relay[smtp]'" in str(error)
    assert not (await mailer(server).check())[0].ok


GOOD: dict[str, Any] = {"url": "smtp://mail.example.com", "from_": "relay@example.com"}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"url": "mail.example.com:25"}, "url"),
        ({"url": "smtp://"}, "url"),
        ({"url": "smtp://h:99999"}, "url"),
        ({"url": "http://h"}, "url"),
        ({"url": "smtp://h/path"}, "url"),
        ({"url": "smtp://u:p@h"}, "url"),
        ({"from_": "relay"}, "from"),
        ({"from_": "Relay <relay@example.com>\nBcc: x@y"}, "from"),
        ({"username": "u"}, "username"),
        ({"password": Secret("p")}, "password"),
        ({"url": "smtps://h", "starttls": "always"}, "starttls"),
        ({"ca_file": "/nowhere/ca.pem"}, "ca_file"),
        ({"ca_file": __file__}, "ca_file"),
    ],
)
def test_settings_that_can_not_work(changes: dict[str, Any], key: str) -> None:
    assert Settings(**GOOD).problems() == []
    ((found, text),) = Settings(**{**GOOD, **changes}).problems()
    assert found == key
    assert text
