import os
from pathlib import Path

import pytest

from relay.reload import Edits, prepare

GOOD = """\
store: relay.db
sources: {apps: {socket: relay.sock}, shop: {tail: "*.log", format: python}}
backends: {terminal: {type: console}}
recipients: {ops: {terminal: ops}}
rules:
  - name: pay
    match: {module: pay.*, level: error}
    to: ops
    examples: ["2026-03-01 10:00:00,123 ERROR pay.refund: timeout"]
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(GOOD)
    path.chmod(0o600)
    return path


def texts(path: Path) -> str:
    return "\n".join(map(str, prepare(str(path)).problems))


def test_good_rules_are_ready_to_swap_in(rules: Path) -> None:
    prepared = prepare(str(rules))
    assert prepared.problems == []
    assert prepared.rules is not None
    assert set(prepared.rules.by_name) == {"pay", "relay itself", "relay reports"}
    assert prepared.rules.own.to == ("ops",)


def test_an_example_that_misses_its_rule_is_an_error_with_its_place(rules: Path) -> None:
    rules.write_text(GOOD.replace("ERROR pay.refund", "INFO pay.refund"))
    assert prepare(str(rules)).rules is None
    assert "rules.yaml:9:16: this example doesn't reach rule 'pay'" in texts(rules)


def test_a_shadowed_rule_is_a_warning(rules: Path) -> None:
    rules.write_text(f"{GOOD}  - {{name: late, match: {{module: pay.card, level: critical}}, to: ops}}\n")
    assert prepare(str(rules)).rules is not None
    assert "warning: rule 'late' is never reached" in texts(rules)


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    assert prepare(str(tmp_path / "none.yaml")).rules is None


def test_an_edit_is_taken_once_it_stands_still(rules: Path) -> None:
    edits = Edits(str(rules))
    assert not edits.changed()
    rules.write_text("half")
    assert not edits.changed()  # it may still be being written
    rules.write_text(GOOD + "\n")
    os.utime(rules, (1, 1))
    assert not edits.changed()
    assert edits.changed()
    assert not edits.changed()  # taken, or refused: not again until it changes again


def test_a_deleted_and_rewritten_file_is_an_edit(rules: Path) -> None:
    edits = Edits(str(rules))
    rules.unlink()
    edits.changed()
    rules.write_text(GOOD)
    edits.changed()
    assert edits.changed()


def test_a_new_file_in_a_folder_is_an_edit(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    edits = Edits(str(tmp_path))
    (tmp_path / "b.yaml").write_text("{}")
    edits.changed()
    assert edits.changed()


def test_an_edit_of_a_calendar_is_an_edit_of_the_rules(rules: Path, tmp_path: Path) -> None:
    days = tmp_path / "days.txt"
    days.write_text("2026-10-01\n")
    edits = Edits(str(rules))
    edits.watch([str(rules), str(days)])
    assert not edits.changed()
    days.write_text("2026-10-01..2026-10-07\n")
    assert not edits.changed()  # it may still be being written
    assert edits.changed()
    assert not edits.changed()
