"""The handler never loses a record while relay is away, and never troubles the program."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from relay.client import RelayHandler, courier
from tests.client.fake import FakeRelay, accept, fake_relay


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "_FIRST_RETRY", 0.01)
    monkeypatch.setattr(courier, "_LAST_RETRY", 0.03)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[FakeRelay]:
    with fake_relay(tmp_path) as relay:
        yield relay


class Program:
    """A logger with a handler."""

    def __init__(self, relay: FakeRelay, **settings: Any) -> None:
        settings = {"socket_path": str(relay.path), "spool": str(relay.path.with_name("spool")), **settings}
        self.handler = RelayHandler(**{"timeout": 2.0, **settings})
        self.log = logging.Logger("shop.pay", logging.DEBUG)  # noqa: LOG001 - of this test alone
        self.log.addHandler(self.handler)


@pytest.fixture
def program(relay: FakeRelay) -> Iterator[Program]:
    program = Program(relay)
    yield program
    program.handler.close()


def test_a_record_becomes_an_event(relay: FakeRelay, program: Program) -> None:
    before = time.time()
    program.log.error("order %d failed", 7, extra={"labels": {"host": "a", "shop": 3}})
    assert relay.messages(1) == ["order 7 failed"]
    (line,) = relay.seen
    assert (line["module"], line["level"], line["labels"]) == ("shop.pay", "error", {"host": "a", "shop": 3})
    assert before <= line["time"] <= time.time()


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (10, "debug"),
        (20, "info"),
        (25, "notice"),
        (30, "warning"),
        (35, "warning"),
        (40, "error"),
        (60, "critical"),
    ],
)
def test_levels(relay: FakeRelay, program: Program, number: int, word: str) -> None:
    program.log.log(number, "x")
    relay.messages(1)
    assert relay.seen[0]["level"] == word


def test_an_exception_follows_the_message(relay: FakeRelay, program: Program) -> None:
    try:
        int("no money")
    except ValueError:
        program.log.exception("order failed")
    (message,) = relay.messages(1)
    assert message.startswith("order failed\nTraceback (most recent call last):\n  File ")
    assert message.endswith("ValueError: invalid literal for int() with base 10: 'no money'")


def test_a_bad_call_is_the_programs_own_trouble(
    relay: FakeRelay, program: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    program.log.error("%d", "no number")
    program.log.error("next", extra={"labels": "no mapping"})
    assert relay.messages(1) == ["next"]
    assert "no number" in capsys.readouterr().err


def test_records_wait_in_the_spool_while_relay_is_away(tmp_path: Path) -> None:
    with fake_relay(tmp_path, up=False) as relay:
        program = Program(relay)
        for number in range(100):
            program.log.error("m %d", number)
        program.handler.flush()
        assert Path(program.handler._courier._spool.path).stat().st_size > 5000
        relay.start()
        program.log.error("m 100")
        assert relay.messages(101) == [f"m {number}" for number in range(101)]
        program.handler.close()


def test_a_relay_that_is_killed_and_comes_back_gets_every_record_once(
    relay: FakeRelay, program: Program
) -> None:
    def restart() -> None:
        for _ in range(5):
            time.sleep(0.02)
            relay.kill()
            time.sleep(0.01)
            relay.start()

    restarting = threading.Thread(target=restart)
    restarting.start()
    count = 0
    while restarting.is_alive():
        program.log.error("m %d", count)
        count += 1
        time.sleep(0.0002)
    restarting.join()
    assert sorted(relay.messages(count)) == sorted(f"m {number}" for number in range(count))
    assert len(relay.stored) == count


def test_what_is_not_acknowledged_is_sent_again_with_its_id(tmp_path: Path) -> None:
    tries: list[str] = []

    def answer(line: dict[str, Any]) -> dict[str, Any]:
        tries.append(line["id"])
        if len(tries) < 3:
            return {"ok": False, "id": line["id"], "error": "not stored (disk full)", "retry": True}
        return accept(line)

    with fake_relay(tmp_path, answer) as relay:
        program = Program(relay)
        program.log.error("boom")
        assert relay.messages(1) == ["boom"]
        program.handler.close()
    assert len(tries) == 3
    assert len(set(tries)) == 1


def test_a_refused_record_is_reported_and_does_not_block_the_next(tmp_path: Path) -> None:
    def answer(line: dict[str, Any]) -> dict[str, Any]:
        if line["message"] == "bad":
            return {"ok": False, "id": line["id"], "error": "I don't like it"}
        return accept(line)

    with fake_relay(tmp_path, answer) as relay:
        program = Program(relay)
        program.log.error("bad")
        program.log.error("good")
        messages = relay.messages(2)
        program.handler.close()
    assert sorted(messages) == ["good", "relay refused 1 log lines: I don't like it"]


def test_a_full_spool_keeps_the_oldest_and_says_how_many_were_lost(tmp_path: Path) -> None:
    with fake_relay(tmp_path, up=False) as relay:
        program = Program(relay, spool_bytes=2000)
        for number in range(100):
            program.log.error("m %d", number)
        program.handler.flush()
        relay.start()
        deadline = time.monotonic() + 5
        while not any("were lost" in message for message in relay.messages(1)):
            assert time.monotonic() < deadline
        program.handler.close()
        *kept, told = relay.messages(1)
    assert kept == [f"m {number}" for number in range(len(kept))]
    assert told.startswith(f"{100 - len(kept)} log lines were lost: the spool ")


def test_a_spool_that_cannot_be_used_loses_only_what_it_must(tmp_path: Path) -> None:
    with fake_relay(tmp_path, up=False) as relay:
        program = Program(relay, spool="/proc/no/such/spool")
        program.log.error("lost")
        program.handler.flush()
        relay.start()
        messages = relay.messages(1)
        program.log.error("next")
        messages = relay.messages(2)
        program.handler.close()
    assert min(messages).startswith("1 log lines were lost: relay and the spool ")
    assert "next" in messages


def test_a_full_queue_goes_to_the_spool(tmp_path: Path) -> None:
    hold = threading.Event()

    def answer(line: dict[str, Any]) -> dict[str, Any]:
        hold.wait(5)
        return accept(line)

    with fake_relay(tmp_path, answer) as relay:
        program = Program(relay, queue=10)
        started = time.monotonic()
        for number in range(50):
            program.log.error("m %d", number)
        assert time.monotonic() - started < 1.0
        hold.set()
        assert sorted(relay.messages(50)) == sorted(f"m {number}" for number in range(50))
        program.handler.close()


def test_close_is_quick_and_keeps_what_relay_did_not_take(tmp_path: Path) -> None:
    with fake_relay(tmp_path, lambda _: None) as relay:
        program = Program(relay, timeout=0.05)
        program.log.error("unanswered")
        started = time.monotonic()
        program.handler.close()
        assert time.monotonic() - started < 1.0
        program.log.error("after the end")
        spooled = Path(program.handler._courier._spool.path).read_bytes()
        assert b"unanswered" in spooled
        assert b"after the end" in spooled
        relay.answer = accept
        again = Program(relay)
        assert sorted(relay.messages(2)) == ["after the end", "unanswered"]
        again.handler.close()


def run(code: str, relay: FakeRelay, **options: Any) -> subprocess.Popen[str]:
    program = f"""
import logging, os, sys, time
from relay.client import RelayHandler
log = logging.getLogger("child")
spool = {str(relay.path.with_name("spool"))!r}
log.addHandler(RelayHandler(socket_path={str(relay.path)!r}, spool=spool, timeout=2))
{textwrap.dedent(code)}
"""
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.Popen(command, text=True, start_new_session=True, **options)


def status_of(child: subprocess.Popen[str]) -> int:
    """How a program ended; it is killed, with what it forked, if it doesn't."""
    try:
        return child.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        raise


def test_the_end_of_the_program_sends_what_waits(relay: FakeRelay) -> None:
    with run("for n in range(500): log.error('m %d', n)", relay, stderr=subprocess.PIPE) as child:
        _, errors = child.communicate(timeout=20)
    assert (child.returncode, errors) == (0, "")
    assert relay.messages(500) == [f"m {number}" for number in range(500)]


def test_a_killed_program_leaves_its_spool_to_the_next(tmp_path: Path) -> None:
    with fake_relay(tmp_path, up=False) as relay:
        code = """
        for n in range(50): log.error("m %d", n)
        log.handlers[0].flush()
        print("up", flush=True)
        time.sleep(60)
        """
        with run(code, relay, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            child.send_signal(signal.SIGKILL)
        relay.start()
        program = Program(relay)  # it needn't log anything
        assert relay.messages(50) == [f"m {number}" for number in range(50)]
        program.handler.close()


def test_two_programs_share_a_spool(tmp_path: Path) -> None:
    with fake_relay(tmp_path, up=False) as relay:
        code = "for n in range(200): log.error('%s %d', sys.argv[-1], n)\nlog.handlers[0].flush()"
        children = [run(code, relay) for _ in range(2)]
        for child in children:
            assert status_of(child) == 0
        relay.start()
        program = Program(relay)
        assert len(relay.messages(400)) == 400
        assert len(relay.seen) == 400
        program.handler.close()


def test_a_fork_sends_its_own_and_not_its_parents(relay: FakeRelay) -> None:
    code = """
    log.error("before")
    child = os.fork()
    log.error("child" if child == 0 else "parent")
    if child == 0:
        started = time.monotonic()
        logging.shutdown()
        os._exit(time.monotonic() - started > 1)
    _, status = os.waitpid(child, 0)
    log.error("after")
    sys.exit(status)
    """
    with run(code, relay) as child:
        assert status_of(child) == 0
    assert sorted(relay.messages(4)) == ["after", "before", "child", "parent"]
    assert len(relay.seen) == 4


def test_many_threads(relay: FakeRelay, program: Program) -> None:
    def work(name: int) -> None:
        for number in range(100):
            program.log.error("%d %d", name, number)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(relay.messages(800)) == 800


def test_the_spool_holds_what_the_socket_takes(tmp_path: Path) -> None:
    with fake_relay(tmp_path, up=False) as relay:
        program = Program(relay)
        program.log.error("boom")
        program.handler.close()
        _, line = Path(program.handler._courier._spool.path).read_text().splitlines()
    assert json.loads(line)["message"] == "boom"
