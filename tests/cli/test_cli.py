import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from relay import cli
from relay.cli import backends, common, explain, run

RULES = """\
store: relay.db
sources: {apps: {socket: run/relay.sock}}
backends: {terminal: {type: console}}
recipients: {ops: {terminal: ops}}
rules: [{name: all, match: {level: error}, to: ops}]
"""


def relay(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "relay", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=30)


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_has_help_with_an_example(name: str) -> None:
    done = relay(name, "--help")
    assert done.returncode == 0
    assert "example:" in done.stdout
    assert name in cli.usage()


def test_wrong_usage_is_2_and_guesses(tmp_path: Path) -> None:
    assert relay().returncode == 2
    done = relay("statsu")
    assert done.returncode == 2
    assert "did you mean 'status'" in done.stderr
    assert relay("outbox").returncode == 2
    assert relay("outbox", "retry", cwd=tmp_path).returncode == 2


def test_unreachable_is_3(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    for command in (["status"], ["alerts"], ["outbox", "list"], ["send", "x"], ["reload"]):
        done = relay(*command, "-c", "rules.yaml", cwd=tmp_path)
        assert (done.returncode, "Traceback" in done.stderr) == (3, False), done


def test_check_prints_every_problem_and_fails(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES.replace("to: ops", "to: opps").replace("level: error", "levle: error"))
    rules.chmod(0o600)
    done = relay("check", str(rules))
    assert done.returncode == 1
    assert "did you mean 'level'" in done.stdout
    assert "did you mean 'ops'" in done.stdout
    data = json.loads(relay("check", "--json", str(rules)).stdout)
    assert data["ok"] is False
    assert {problem["line"] for problem in data["problems"]} == {5}


def test_run_refuses_bad_rules_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rules: 7\n")
    (tmp_path / "rules.yaml").chmod(0o600)
    done = relay("run", "-c", "rules.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "rules.yaml:1:8" in done.stderr
    assert "Traceback" not in done.stderr


def test_explain_needs_no_daemon(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "rules.yaml").chmod(0o600)
    done = relay("explain", "-m", "pay", "--message", "boom", "--json", cwd=tmp_path)
    data = json.loads(done.stdout)
    assert data["reason"] == "first"
    assert data["routes"][0]["told"][0]["recipient"] == "ops"
    assert relay("explain", "-m", "pay", "-l", "loud", cwd=tmp_path).returncode == 2
    of_no_check = relay("explain", "-m", "watchdog.pay", cwd=tmp_path).stdout
    assert "now: no check of the watchdog is called 'pay'" in of_no_check
    assert relay("explain", cwd=tmp_path).returncode == 2


def test_send_is_light() -> None:
    heavy = "asyncio aiohttp msgspec structlog yaml re2 sqlite3 uvloop logging"
    code = f"""
import sys
sys.argv = ["relay", "send", "--socket", "/nonexistent/relay.sock", "x"]
from relay.cli import main
main()
print([each for each in {heavy.split()!r} if each in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_rules_that_are_not_there_are_named(tmp_path: Path) -> None:
    done = relay("status", "-c", f"{tmp_path}/relais.yaml", cwd=tmp_path)
    assert done.returncode == 3
    assert f"({tmp_path}/relais.yaml, whose relay is meant, is not there)" in done.stderr


def test_sockets_are_found_in_the_rules(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    event, control = common.sockets(str(rules))
    assert (event, control) == (f"{tmp_path}/run/relay.sock", f"{tmp_path}/run/control.sock")
    rules.write_text("store: /var/lib/x/relay.db\ncontrol: /run/x/c.sock\n")
    assert common.sockets(str(rules))[1] == "/run/x/c.sock"
    rules.write_text("{ broken")
    assert common.sockets(str(rules)) == (common.SYSTEM_SOCKET, common.SYSTEM_CONTROL)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-03-01T03:00", "2026-03-01T03:00"),
        ("03:00", "2026-01-08T03:00"),  # tomorrow: it is past three
        ("22:00", "2026-01-07T22:00"),
        ("Sat 03:00", "2026-01-10T03:00"),
        ("wed 03:00", "2026-01-14T03:00"),  # today is Wednesday, past three
    ],
)
def test_at(text: str, meant: str) -> None:
    now = datetime.fromisoformat("2026-01-07T12:00").timestamp()
    assert explain.moment(text, now) == datetime.fromisoformat(meant).timestamp()


def test_at_says_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="write 2026-03-01T03:00"):
        explain.moment("soon", 0.0)


def test_a_backends_page_has_its_own_settings_and_everybodys(capsys: pytest.CaptureFixture[str]) -> None:
    assert backends.main("relay backends", ["rtx"]) == 0
    page = capsys.readouterr().out
    for part in ("SDKProperty.xml", "Minimal:", "Full:", "`max_title_bytes`", "`on_ambiguous`", "`timeout`"):
        assert part in page
    assert backends.main("relay backends", ["rtz"]) == 2


def test_nothing_printed_can_move_the_cursor() -> None:
    assert common.printable("a\x1b[2Jb\nsecond") == "a·[2Jb"


def test_errors_of_a_group_are_told_one_by_one() -> None:
    group = ExceptionGroup("x", [OSError("one"), ExceptionGroup("y", [OSError("two")])])
    assert [str(each) for each in run._leaves(group)] == ["one", "two"]
