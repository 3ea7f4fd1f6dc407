"""What every backend must do, against its own service's emulator. A new one joins in rigs.py."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote_to_bytes

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.backends.base import Assumed, Door, Receipt
from relay.backends.http import open_session
from relay.backends.mask import secrets_in
from relay.backends.meaning import PayloadError
from relay.backends.rehearsal import NotSentError, Rehearsal
from relay.cli.payload import masked
from relay.cli.payload import text as shown_to_people
from relay.errors import BackendDownError, BackendError, RateLimitedError, RejectedError, TemporaryError
from relay.models import AlertState, Reason, Wording
from tests.backends import rigs_chat
from tests.backends.messages import NOW, message, reminder
from tests.backends.rig import CANARY, Rig
from tests.backends.rigs import RIGS, SIGNING
from tests.emulators.faults import ERROR_PAGE, HUGE, REDIRECT, Fault

HTTP_RIGS = [name for name, rig in RIGS.items() if rig.http]
# Services that may dislike markup, actions or a length, each with a plainer form of a message.
PLAINER = [*rigs_chat.RIGS, "gotify", "matrix", "ntfy", "pagerduty", "zulip"]
LIMITED = pytest.mark.parametrize("rig", [name for name, rig in RIGS.items() if rig.limit], indirect=True)
CHOOSY = pytest.mark.parametrize("rig", [name for name, rig in RIGS.items() if rig.unknown], indirect=True)

# Text from logs that some service would take for a mention, a link, markup or a command to a terminal.
HOSTILE = (
    "@all @everyone @here @channel @所有人 ＠all",
    "<!channel> <!here> <@U1> <@!123> <@&9> <!subteam^S1>",
    '<at user_id="all">x</at> <at id=all></at> <at>Name</at>',
    "[x](http://e) <http://e|ok> ![](http://e/i.png) [点击|http://e] [[a|http://e]|http://e]",
    "# h\n## h\n- a\n1. b\n> q\n---\n===\n```\ncode\n``` `` ` ````",
    "<script>alert(1)</script> <img src=x onerror=y> &lt; &#60;",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b]8;;http://e\x1b\\x\x1b]8;;\x1b\\ \x9b31m",
    "\x00\x01\x07\x08\x0b\x0c\r\x7f\x80\x9f",
    "a\u2028b\u2029c \u202eabc\u202c \u2066x\u2069 \u200b\u200d\u2060\ufeff \u061c",
    "lone \ud800 \udcff surrogates",
    "{{7*7}} ${HOME} %s %(x)s {0}",
)
UNSAFE = {chr(c) for c in (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F))} | set(
    "\u2028\u2029\u2066\u2067\u2068\u2069\ufeff\u061c"
)

NOBODY = {"backend": "x", "type": "x", "recipient": "", "to": "", "rule": ""}

hostile = st.lists(
    st.one_of(
        st.sampled_from(HOSTILE), st.text(max_size=40), st.characters(categories=["Cc", "Cf", "Cs", "Zl"])
    ),
    max_size=6,
).map("".join)


@pytest.fixture(params=list(RIGS))
def rig(request: pytest.FixtureRequest) -> Rig:
    return RIGS[request.param]


@pytest.fixture(params=HTTP_RIGS)
def http_rig(request: pytest.FixtureRequest) -> Rig:
    return RIGS[request.param]


@pytest.fixture
async def emulator(rig: Rig) -> AsyncIterator[Any]:
    async with rig.emulator() as emulator:
        yield emulator


@pytest.fixture
async def server(http_rig: Rig) -> AsyncIterator[Any]:
    async with http_rig.emulator() as server:
        yield server


async def failure(rig: Rig, session: aiohttp.ClientSession, server: Any, **changes: Any) -> BackendError:
    with pytest.raises(BackendError) as caught:
        await rig.backend(session, server, **changes).send(message(), rig.to)
    return caught.value


async def test_an_accepted_message_arrives_whole(
    rig: Rig, session: aiohttp.ClientSession, emulator: Any
) -> None:
    receipt = await rig.backend(session, emulator).send(reminder(late=840.0), rig.to)
    assert isinstance(receipt, Receipt)
    (text,) = rig.read(emulator)
    for part in ("pay.refund", "timeout after <num> ms", "timeout after 3000 ms", "still happening"):
        assert part in text
    for part in ("313 times", "web1, web2, web3", "payments", "+312 more", "14 min late", "alert 17"):
        assert part in text


async def test_a_resolution_says_so(rig: Rig, session: aiohttp.ClientSession, emulator: Any) -> None:
    told = message(
        reason=Reason.RESOLVED, state=AlertState.RESOLVED, count=57, first_seen=NOW - 900, last_seen=NOW - 180
    )
    await rig.backend(session, emulator).send(told, rig.to)
    (text,) = rig.read(emulator)
    assert "RESOLVED" in text
    assert "resolved after 12 min, 57 events" in text


async def test_a_digest_names_every_alert(rig: Rig, session: aiohttp.ClientSession, emulator: Any) -> None:
    """As many lines as a digest may have, each as long as it may be; the text gives way to them."""
    lines = tuple(f"[ERROR] pay.m{n:02}: {'超时' * 8} (x{n + 2}) #{n + 18}" for n in range(14))
    await rig.backend(session, emulator).send(message(text="x" * 9000, digest=lines), rig.to)
    (text,) = rig.read(emulator)
    assert not rig.limit or rig.size(text) <= rig.limit
    assert "and 14 more:" in text
    for line in lines:
        assert line.removeprefix("[ERROR] ") in text  # a service may want other brackets


async def test_concurrent_sends_arrive_once_each(
    rig: Rig, session: aiohttp.ClientSession, emulator: Any
) -> None:
    backend = rig.backend(session, emulator)
    told = [message(text=f"order o-{n:03} failed", key=f"k{n}") for n in range(40)]
    await asyncio.gather(*(backend.send(one, rig.to) for one in told))
    read = rig.read(emulator)
    assert len(read) == 40
    assert all(sum(f"order o-{n:03} failed" in text for text in read) == 1 for n in range(40))


async def test_nothing_is_written_to_the_backend(
    rig: Rig, session: aiohttp.ClientSession, emulator: Any
) -> None:
    backend = rig.backend(session, emulator)
    before = {name: id(value) for name, value in vars(backend).items()}
    await backend.send(message(), rig.to)
    assert {name: id(value) for name, value in vars(backend).items()} == before


@CHOOSY
async def test_an_unknown_address_is_refused(rig: Rig, session: aiohttp.ClientSession, emulator: Any) -> None:
    with pytest.raises(RejectedError):
        await rig.backend(session, emulator).send(message(), rig.unknown)
    assert rig.read(emulator) == []


async def test_an_address_that_can_never_be_one_is_refused_without_a_request(
    rig: Rig, session: aiohttp.ClientSession, emulator: Any
) -> None:
    backend = rig.backend(session, emulator)
    for to in rig.refused:
        assert backend.settings.refuses(to), to
        with pytest.raises(RejectedError):
            await backend.send(message(), to)
    assert getattr(emulator, "requests", 0) == 0
    assert rig.read(emulator) == []
    assert backend.settings.refuses(rig.to) == ""


def harmless(rig: Rig, emulator: Any) -> None:
    assert rig.markup(emulator) == []
    for text in rig.read(emulator):
        assert not UNSAFE & set(text), ascii(text)
        text.encode()  # no lone surrogates


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
async def test_hostile_text_arrives_as_text(
    rig: Rig, session: aiohttp.ClientSession, emulator: Any, text: str
) -> None:
    told = message(
        title=text,
        text=f"begin\n{text}\nend",
        module=text,
        rule=text,
        hosts=(text,),
        origin=text,
        labels={text: text},
        digest=(text, f"[ERROR] {text}"),
    )
    await rig.backend(session, emulator).send(told, rig.to)
    harmless(rig, emulator)
    assert "begin" in rig.read(emulator)[0]


async def test_what_a_template_makes_is_text_too(
    rig: Rig, session: aiohttp.ClientSession, emulator: Any
) -> None:
    backend = rig.backend(session, emulator)
    for number, text in enumerate(HOSTILE):
        worded = Wording(title=f"worded {text}", body=f"begin\n{text}\nend")
        await backend.send(reminder(wording=worded, key=f"k{number}"), rig.to)
    harmless(rig, emulator)
    read = rig.read(emulator)
    assert len(read) == len(HOSTILE)
    assert all("worded" in text and "begin" in text and "alert 17" in text for text in read)
    assert not any("313 times" in text for text in read)  # the built-in facts


async def test_a_rehearsal_shows_the_message_and_sends_nothing(rig: Rig, emulator: Any) -> None:
    rehearsal = Rehearsal()
    session: Any = None
    backend = rig.backend(session, emulator)
    door = Door(session=session, clock=backend.door.clock, name="x", rehearsal=rehearsal)
    with pytest.raises(NotSentError):
        await type(backend)(backend.settings, door).send(reminder(), rig.to)
    assert getattr(emulator, "requests", 0) == 0
    assert rig.read(emulator) == []
    shown = shown_to_people({**NOBODY, "request": masked(rehearsal.requests[-1], backend.settings)})
    assert "timeout after 3000 ms" in shown
    assert CANARY not in shown


@pytest.mark.parametrize("name", RIGS)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(st.tuples(hostile, hostile), min_size=10, max_size=10))
def test_generated_text_arrives_as_text(name: str, texts: list[tuple[str, str]]) -> None:
    rig = RIGS[name]

    async def send_all() -> None:
        async with open_session() as session, rig.emulator() as emulator:
            backend = rig.backend(session, emulator)
            for title, text in texts:
                told = message(title=title, text=text, labels={title: text}, digest=(title, text))
                await backend.send(told, rig.to)
            harmless(rig, emulator)

    asyncio.run(send_all())


@LIMITED
@pytest.mark.parametrize(
    "text", ["告警" * 3000, "😀" * 3000, "a" * 9000, "行\n" * 4000, "👨‍👩‍👧" * 900, "é̂" * 3000]
)
async def test_over_long_text_fits_and_keeps_the_footer(
    rig: Rig, session: aiohttp.ClientSession, emulator: Any, text: str
) -> None:
    told = reminder(text=text, title=text[:200], late=840.0, labels={"k" * 90: "值" * 900}, module="模" * 300)
    await rig.backend(session, emulator).send(told, rig.to)
    (read,) = rig.read(emulator)
    assert rig.limit * 0.9 < rig.size(read) <= rig.limit
    assert "characters cut" in read
    assert read.endswith("14 min late")
    assert "+312 more" in read
    assert "\ufffd" not in read


@LIMITED
async def test_text_that_just_fits_is_not_cut(
    rig: Rig, session: aiohttp.ClientSession, emulator: Any
) -> None:
    backend = rig.backend(session, emulator)
    await backend.send(message(text="x"), rig.to)
    room = rig.limit - rig.size(rig.read(emulator)[0]) + 1
    for length in (room, room + 1):
        await backend.send(message(text="y" * length), rig.to)
    _, whole, cut = rig.read(emulator)
    assert rig.size(whole) == rig.limit
    assert "characters cut" not in whole
    assert rig.size(cut) <= rig.limit
    assert "characters cut" in cut


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(status=500), TemporaryError),
        (ERROR_PAGE, TemporaryError),
        (HUGE, TemporaryError),
        (Fault(status=408), TemporaryError),
        (Fault(status=503, headers={"Retry-After": "2"}), RateLimitedError),
        (Fault(status=429), RateLimitedError),
        (Fault(status=400, body=b"no"), RejectedError),
        (Fault(status=413), RejectedError),
        (Fault(status=401), BackendDownError),
        (Fault(status=403), BackendDownError),
        (Fault(status=404), BackendDownError),
        (Fault(status=410), BackendDownError),
        (REDIRECT, BackendDownError),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Fault) else "",
)
async def test_a_status_becomes_its_error(
    http_rig: Rig, session: aiohttp.ClientSession, server: Any, fault: Fault, expected: type[BackendError]
) -> None:
    server.fault = fault
    error = await failure(http_rig, session, server)
    if isinstance(error, TemporaryError) and error.limit and http_rig is RIGS["webhook-standard"]:
        expected = TemporaryError  # its receivers are given time after any refusal
    plainer = 1 if isinstance(error, PayloadError) else 0  # what is refused as it is may be sent once more
    assert isinstance(error, expected) if plainer else type(error) is expected
    assert error.code == str(fault.status)
    assert len(error.detail.encode()) <= 2048
    assert server.requests == 1 + plainer  # nothing was followed or tried again


@pytest.mark.parametrize("http_rig", PLAINER, indirect=True)
@pytest.mark.parametrize("status", [400, 413, 422])
async def test_what_is_refused_for_no_known_reason_is_sent_plainer_once(
    http_rig: Rig, session: aiohttp.ClientSession, server: Any, status: int
) -> None:
    server.fault = Fault(status=status, body=b'{"code": 4711, "description": "Bad Request: no"}')
    assert isinstance(await failure(http_rig, session, server), PayloadError)
    assert server.requests == 2


async def test_retry_after_is_taken_and_clamped(
    http_rig: Rig, session: aiohttp.ClientSession, server: Any
) -> None:
    for given_text, seconds in (("7", 7.0), ("0", 0.5), ("-3", 0.5), ("999999", 3600.0)):
        server.fault = Fault(status=429, headers={"Retry-After": given_text})
        error = await failure(http_rig, session, server)
        assert isinstance(error, RateLimitedError)
        assert error.retry_after == seconds


@pytest.mark.parametrize(
    "fault", [Fault(hang="accept"), Fault(hang="headers"), Fault(hang="drip"), Fault(delay=30)], ids=str
)
async def test_the_deadline_is_kept(
    http_rig: Rig, session: aiohttp.ClientSession, server: Any, fault: Fault
) -> None:
    server.fault = fault
    began = time.monotonic()
    error = await failure(http_rig, session, server, timeout=0.1)
    assert time.monotonic() - began < 1.0
    assert isinstance(error, TemporaryError)
    assert error.ambiguous


@pytest.mark.parametrize("fault", [Fault(cut="before"), Fault(cut="within")], ids=str)
async def test_a_cut_after_recording_is_ambiguous(
    http_rig: Rig, session: aiohttp.ClientSession, server: Any, fault: Fault
) -> None:
    server.fault = fault
    error = await failure(http_rig, session, server)
    assert isinstance(error, TemporaryError)
    assert error.ambiguous
    assert len(http_rig.read(server)) == 1


async def test_what_may_have_arrived_is_repeated_or_taken_as_sent(
    http_rig: Rig, session: aiohttp.ClientSession, server: Any
) -> None:
    server.fault = Fault(cut="before")
    error = await failure(http_rig, session, server)
    assert http_rig.backend(session, server).concluded(error) is error
    dropping = http_rig.backend(session, server, on_ambiguous="drop")
    outcome = dropping.concluded(error)
    if dropping.idempotent:
        assert outcome is error  # the service shows a repeat once: nothing need be lost
    else:
        assert isinstance(outcome, Assumed)
        assert outcome.note == f"taken as sent (on_ambiguous: drop): {error}"
    for certain in (TemporaryError("refused"), BackendDownError("no"), Receipt(id="1")):
        assert dropping.concluded(certain) is certain


async def test_a_server_that_is_not_there_is_temporary_and_not_ambiguous(
    http_rig: Rig, session: aiohttp.ClientSession
) -> None:
    async with http_rig.emulator() as server:
        backend = http_rig.backend(session, server)
    with pytest.raises(TemporaryError) as caught:
        await backend.send(message(), http_rig.to)
    assert not caught.value.ambiguous


async def test_secrets_are_nowhere_in_a_failure(
    http_rig: Rig, session: aiohttp.ClientSession, server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    backend = http_rig.backend(session, server)
    echoes = " ".join(secrets_in(backend.settings)).encode()  # an error page that quotes all it was sent
    faults = [
        *(Fault(status=status, body=echoes) for status in (400, 401, 404, 429, 500)),
        Fault(status=302, headers={"Location": f"/{CANARY}"}, body=unquote_to_bytes(echoes)),
        Fault(cut="before"),
        Fault(cut="within"),
    ]
    shown = [repr(backend.settings), str(vars(backend).get("mask"))]
    for fault in faults:
        server.fault = fault
        shown += everything(await failure(http_rig, session, server))
    await server.__aexit__()
    shown += everything(await failure(http_rig, session, server))
    for text in (*shown, caplog.text):
        assert CANARY not in text
        assert SIGNING not in text


def everything(error: BaseException) -> list[str]:
    """All text that an exception and those before it could show."""
    texts = [str(error), repr(error), repr(error.args), repr(vars(error)), *traceback.format_exception(error)]
    for other in (error.__cause__, error.__context__):
        texts += everything(other) if other is not None else []
    return texts
