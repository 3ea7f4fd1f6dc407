"""`smtp` against Exim: what lies in the mailboxes, read with Python's own parser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from relay.backends.base import Door, Receipt
from relay.backends.smtp import Settings, Smtp
from relay.digest import joint
from relay.errors import BackendDownError, BackendError, RejectedError, TemporaryError
from relay.models import Address, AlertState, Delivery, DeliveryState, Level, Message, Reason
from relay.values import Secret
from tests.backends.messages import NOW, message, reminder
from tests.real.exim import EXIM, LOGIN, Exim, exim, part

pytestmark = pytest.mark.skipif(not Path(EXIM).exists(), reason="exim4 is not installed: make test-real")

WANG, LI = "wang@example.com", "li@example.com"


@pytest.fixture(scope="module")
def running() -> Iterator[Exim]:
    with exim() as server:
        yield server


@pytest.fixture
def server(running: Exim) -> Exim:
    running.empty()
    return running


@pytest.fixture
def mailer(server: Exim, door: Door) -> Any:
    return lambda **changes: Smtp(
        Settings(**{"url": server.url, "from_": "Relay 告警 <relay@example.com>", **changes}), door
    )


def login(password: str = LOGIN[1]) -> dict[str, Any]:
    return {"username": LOGIN[0], "password": Secret(password), "from_": "secure@example.com"}


async def failure(backend: Smtp, to: str = WANG, **changes: Any) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await backend.send(message(**changes), to)
    return caught.value


async def test_a_mail_as_a_person_finds_it(server: Exim, mailer: Any) -> None:
    told = message(
        title="退款 timeout ☃ after <num> ms",
        text="退款 timeout\nTraceback:\n.dots and <tags> & =?utf-8?q?words?=",
        links=(("runbook", "https://wiki.example.com/x?a=1&b=2"),),
        level=Level.CRITICAL,
    )
    receipt = await mailer().send(told, WANG)
    assert re.match(r"OK id=", receipt.note)
    (mail,) = server.mails("wang", 1)
    assert mail["Subject"] == "pay.refund: 退款 timeout ☃ after <num> ms"
    assert mail["From"] == "Relay 告警 <relay@example.com>"
    assert (mail["To"], mail["Return-path"], mail["Bcc"]) == (WANG, "<relay@example.com>", None)
    assert mail["Message-ID"] == receipt.handle
    assert "TLS1" in str(mail["Received"])  # encrypted, as the server offers it
    plain = part(mail, "plain")
    assert plain.startswith(
        "[CRITICAL] pay.refund: 退款 timeout ☃ after <num> ms\n退款 timeout\nTraceback:\n"
    )
    for piece in (".dots and <tags> & =?utf-8?q?words?=", "host: web1", "rule: payments", "alert 17"):
        assert piece in plain
    assert "runbook: https://wiki.example.com/x?a=1&b=2" in plain
    html = part(mail, "html")
    assert '<a href="https://wiki.example.com/x?a=1&amp;b=2">runbook</a>' in html
    assert ".dots and &lt;tags&gt; &amp; =?utf-8?q?words?=" in html


async def test_an_alerts_mails_are_a_thread(server: Exim, mailer: Any) -> None:
    backend = mailer()
    first = await backend.send(message(key="k1"), WANG)
    told = {"first_seen": message().first_seen, "handle": first.handle}
    await backend.send(reminder(key="k2", late=840.0, **told), WANG)
    resolved = {"first_seen": NOW - 900, "last_seen": NOW - 180, "count": 57, "handle": first.handle}
    end = message(key="k3", state=AlertState.RESOLVED, reason=Reason.RESOLVED, **resolved)
    await backend.send(end, WANG)
    opened, again, over = server.mails("wang", 3)
    assert again["In-Reply-To"] == over["In-Reply-To"] == opened["Message-ID"]
    assert again["References"].split()[0] == opened["References"].split()[0]
    assert opened["Message-ID"] in again["References"]
    assert opened["Subject"] == again["Subject"] == over["Subject"]
    assert "still happening" in part(again, "plain")
    assert "+312 more" in part(again, "plain")
    assert "14 min late" in part(again, "plain")
    assert part(over, "plain").startswith("[RESOLVED] pay.refund")
    assert "resolved after 12 min, 57 events" in part(over, "plain")


async def test_many_alerts_are_one_mail(server: Exim, mailer: Any) -> None:
    texts = {n: message(alert=n, title=f"disk /dev/sd{n} is full", key=f"k{n}") for n in (1, 2, 3)}
    group = [delivery(n, told) for n, told in texts.items()]
    await mailer().send(joint(group, texts[1]), WANG)
    (mail,) = server.mails("wang", 1)
    assert mail["Subject"] == "pay.refund: disk /dev/sd1 is full (and 2 more)"
    plain = part(mail, "plain")
    assert "and 2 more:\n[ERROR] pay.refund: disk /dev/sd2 is full #2\n[ERROR] pay.refund: disk" in plain


def delivery(number: int, told: Message) -> Delivery:
    return Delivery(
        id=number,
        alert=number,
        recipient="wang",
        reason=Reason.FIRST,
        address=Address("mail", WANG),
        fallbacks=(),
        message=told,
        state=DeliveryState.SENDING,
        created_at=NOW,
        next_at=NOW,
        expires_at=NOW + 3600,
    )


async def test_each_receiver_has_an_outcome(server: Exim, mailer: Any) -> None:
    tos = [WANG, "nobody@example.com", "grey@example.com", "wang@elsewhere.example", LI]
    before = server.received()
    outcomes = await mailer().send_many(message(), tos)
    kinds = [Receipt, RejectedError, TemporaryError, RejectedError, Receipt]
    assert [type(outcome) for outcome in outcomes] == kinds
    codes = [outcome.code for outcome in outcomes if isinstance(outcome, BackendError)]
    assert codes == ["550", "451", "550"]
    for person in ("wang", "li"):
        (mail,) = server.mails(person, 1)
        assert mail["To"] == ", ".join(tos)
    assert server.received() == before + 1  # one mail, copied by the server


@pytest.mark.parametrize(
    ("to", "kind", "code", "words"),
    [
        ("nobody@example.com", RejectedError, "550", "Unrouteable address"),
        ("grey@example.com", TemporaryError, "451", "Greylisted"),
        ("wang@elsewhere.example", RejectedError, "550", "Relaying is not permitted"),
    ],
)
async def test_a_receiver_that_is_refused(
    server: Exim, mailer: Any, to: str, kind: type[BackendError], code: str, words: str
) -> None:
    before = server.received()
    error = await failure(mailer(), to)
    assert type(error) is kind
    assert error.code == code
    assert words in error.detail
    assert server.received() == before


async def test_a_login(server: Exim, mailer: Any) -> None:
    await mailer(ca_file=server.certificate, **login()).send(message(), WANG)
    (mail,) = server.mails("wang", 1)
    assert "with esmtpsa" in mail["Received"]  # in TLS, after a login
    missing = await failure(mailer(from_="secure@example.com"))
    refused = await failure(mailer(ca_file=server.certificate, **login("wr0ng-w0rd")))
    unproven = await failure(mailer(**login()))  # the password isn't shown to a server nobody vouches for
    unencrypted = await failure(mailer(starttls="never", **login()))
    errors = (missing, refused, unproven, unencrypted)
    assert all(type(error) is BackendDownError for error in errors)
    assert [error.code for error in errors] == ["530", "535", "certificate", "unsupported"]
    assert not any("w0rd" in f"{error} {error.detail}" for error in errors)


async def test_tls(server: Exim, mailer: Any) -> None:
    await mailer(starttls="always", ca_file=server.certificate).send(message(key="k1"), WANG)
    await mailer(starttls="never").send(message(key="k2"), WANG)
    encrypted, plain = server.mails("wang", 2)
    assert "with esmtps " in encrypted["Received"]
    assert "with esmtp " in plain["Received"]
    error = await failure(mailer(url=server.url.replace("smtp:", "smtps:")))
    assert (type(error), error.code) == (BackendDownError, "tls")


async def test_a_mail_over_the_servers_size(server: Exim, mailer: Any) -> None:
    """Without HTML it fits; a longer one is refused before it is sent."""
    await mailer().send(message(text="x" * 9_000), WANG)
    (mail,) = server.mails("wang", 1)
    assert mail.get_content_type() == "text/plain"
    error = await failure(mailer(), text="x" * 30_000)
    assert (type(error), error.code) == (RejectedError, "552")
    fitting = mailer(max_text=6_000)
    server.empty()
    await fitting.send(reminder(text="y" * 30_000), WANG)
    (mail,) = server.mails("wang", 1)
    assert "characters cut" in part(mail, "plain")
    assert "+312 more" in part(mail, "plain")


async def test_the_doctor_is_told(server: Exim, mailer: Any) -> None:
    before = server.received()
    (fine,) = await mailer().check()
    (refused,) = await mailer(ca_file=server.certificate, **login("wr0ng-w0rd")).check()
    assert fine.ok
    assert (refused.ok, refused.code) == (False, "535")
    assert server.received() == before
