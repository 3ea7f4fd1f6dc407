from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from relay import cli
from relay.cli import fingerprint
from relay.cli.progress import Progress
from relay.routing.fingerprint import fingerprint as key_of
from tests.routing.build import event, rule

LINES = [
    "2026-03-01 10:00:00,123 ERROR pay.refund: timeout after 3000 ms to 10.0.0.8",
    "",
    "2026-03-01 10:00:07,801 ERROR pay.refund: timeout after 70 ms to 10.0.0.9",
    "no answer\r",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_bytes("\n".join([*LINES, "timeout after 1 ms to 10.0.0.7"]).encode())
    return path


def rows(capsysbinary: pytest.CaptureFixture[bytes]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]


@pytest.mark.parametrize("raw", [[], ["--raw"]])
def test_json_has_one_object_for_each_line(
    file: Path, raw: list[str], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert fingerprint.main("fingerprint", ["--json", *raw, "--module", "pay", str(file)]) == 0
    found = rows(capsysbinary)
    assert [row["line"] for row in found] == [1, 2, 3, 4, 5]
    assert found[0] == {
        "line": 1,
        "fingerprint": key_of(event("timeout after 1 ms to 10.0.0.7", module="pay"), rule("")).key,
        "template": "timeout after <num> ms to <ip>",
    }
    assert found[0]["fingerprint"] == found[2]["fingerprint"] == found[4]["fingerprint"]
    assert len({row["fingerprint"] for row in found}) == 3
    assert found[3]["template"] == "no answer"


def test_events_as_on_the_socket(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    trace = "java.lang.NullPointerException\n\tat com.acme.Cart.add(Cart.java:{})\n\tat a.Api.get(A.java:9)"
    events = [
        json.dumps({"module": "shop", "level": "error", "message": trace.format(7)}),
        json.dumps({"module": "shop", "message": trace.format(8), "id": 3}),
        json.dumps({"module": "web", "message": trace.format(8)}),
        "no JSON",
        json.dumps({"module": "web"}),
    ]
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(events))
    assert fingerprint.main("fingerprint", ["--json", "--format", "json", str(path)]) == 1
    found = rows(capsysbinary)
    assert found[0]["fingerprint"] == found[1]["fingerprint"] != found[2]["fingerprint"]
    assert [row["line"] for row in found if "error" in row] == [4, 5]


def test_the_problems_of_a_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fingerprint.main("fingerprint", [str(file), "--top", "1"]) == 0
    told = capsys.readouterr()
    head, first, _, last = told.out.splitlines()
    assert head.split() == ["COUNT", "FIRST", "LINE", "FINGERPRINT", "PROBLEM"]
    assert first.split()[:2] == ["3", "1"]
    assert first.endswith("timeout after <num> ms to <ip>")
    assert last == "5 lines, 2 problems, 1 not shown"
    assert told.err == ""  # a progress bar is for terminals


def test_a_file_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fingerprint.main("fingerprint", [str(tmp_path / "none")]) == 1
    assert "No such file or directory" in capsys.readouterr().err
    assert "fingerprint" in cli.COMMANDS


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_progress_bar_shows_after_a_second_and_goes_away(file: Path) -> None:
    file.write_bytes(b"no answer\n" * 1024)
    times = iter([0.0, 0.5, 1.5, 1.55, 2.0])
    terminal = Terminal()
    with file.open("rb") as opened:
        assert list(Progress(opened, terminal, lambda: next(times)).lines()) == [b"no answer"] * 1024
    shown = terminal.getvalue().split("\r")
    assert shown[1].startswith("[###############---------------]  50%  512 lines")
    assert shown[2].startswith("[##############################] 100%  1,024 lines")
    assert shown[3] == "\x1b[K"


def test_a_pipe_has_no_end_to_show() -> None:
    read, write = os.pipe()
    os.write(write, b"a\n" * 256)
    os.close(write)
    times = iter([0.0, 9.0])
    terminal = Terminal()
    with os.fdopen(read, "rb") as opened:
        assert len(list(Progress(opened, terminal, lambda: next(times)).lines())) == 256
    assert "256 lines" in terminal.getvalue()
    assert "%" not in terminal.getvalue()
