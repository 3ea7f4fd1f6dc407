from __future__ import annotations

from relay.config.problems import ConfigError, Problem, Problems, hint, quoted
from relay.config.schema import Place


def at(line: int, column: int = 1, file: str = "rules.yaml") -> Place:
    return Place(file, line, column)


def test_as_people_read_it() -> None:
    assert str(Problem("error", at(14, 5), "bad")) == "rules.yaml:14:5: bad"
    assert str(Problem("warning", at(14, 5), "odd")) == "rules.yaml:14:5: warning: odd"


def test_sorted_by_file_line_and_column() -> None:
    problems = Problems()
    problems.warning(at(1, file="b"), "w")
    problems.error(at(10), "e")
    problems.error(at(9, 12), "e")
    problems.error(at(9, 2), "e")
    problems.error(at(9, 2), "e")
    problems.warning(at(9, 1), "w")
    places = [str(problem.place) for problem in problems.sorted()]
    assert places == ["b:1:1", "rules.yaml:9:1", "rules.yaml:9:2", "rules.yaml:9:12", "rules.yaml:10:1"]
    assert problems.refused


def test_warnings_do_not_refuse() -> None:
    problems = Problems()
    problems.warning(at(1), "w")
    assert not problems.refused


def test_hints() -> None:
    assert hint("recipents", ["rules", "recipients"]) == " (did you mean 'recipients'?)"
    assert hint("x", ["rules", "recipients"]) == " (allowed: rules, recipients)"
    assert hint("x", []) == ""
    assert hint("x", [f"name{n}" for n in range(50)]) == ""


def test_quotes_hide_what_a_terminal_would_obey() -> None:
    assert quoted("a\x1b[2J") == r"'a\x1b[2J'"
    assert quoted("x" * 1000) == "'" + "x" * 57 + "...'"


def test_an_error_holds_all() -> None:
    problems = [Problem("error", at(1), "a"), Problem("error", at(2), "b")]
    error = ConfigError(problems)
    assert error.problems == problems
    assert str(error) == "rules.yaml:1:1: a\nrules.yaml:2:1: b"
