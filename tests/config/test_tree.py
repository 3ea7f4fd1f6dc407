from __future__ import annotations

import time

import pytest
import yaml

from relay.config.nodes import Listing, Node, Scalar, Table, leaves
from relay.config.problems import Problems
from relay.config.tree import MAX_DEPTH, parse


def read(text: str) -> tuple[Node | None, list[str]]:
    problems = Problems()
    node = parse(text, "f", problems)
    return node, [str(problem) for problem in problems.sorted()]


def plain(node: Node | None) -> object:
    """The tree without its places."""
    match node:
        case Scalar():
            return node.text
        case Listing():
            return [plain(item) for item in node.items]
        case Table():
            return {name: plain(value) for name, (_, value) in node.pairs.items()}
    return None


def bomb(levels: int, width: int = 9) -> str:
    lines = [f"a0: &a0 [{', '.join('x' * width)}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.fixture(params=["libyaml", "python"])
def _either_loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "python":
        monkeypatch.setattr("relay.config.tree._LOADER", yaml.SafeLoader)


def test_scalars_keep_the_text_that_stands_there() -> None:
    node, found = read("{a: 007, b: no, c: 2026-01-05, d: 1_000, e: !!str on, f: 'x'}")
    assert found == []
    assert plain(node) == {"a": "007", "b": "no", "c": "2026-01-05", "d": "1_000", "e": "on", "f": "x"}
    assert isinstance(node, Table)
    quoted = {name: not value.plain for name, (_, value) in node.pairs.items() if isinstance(value, Scalar)}
    assert quoted == {"a": False, "b": False, "c": False, "d": False, "e": True, "f": True}


@pytest.mark.usefixtures("_either_loader")
def test_places_count_characters_from_one() -> None:
    node, _ = read("é: [ü,\n  b]\n")
    assert node is not None
    assert [str(leaf.place) for leaf in leaves(node)] == ["f:1:5", "f:2:3"]


@pytest.mark.usefixtures("_either_loader")
def test_aliases_and_merges() -> None:
    node, found = read("a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}\nd: {z: 0, <<: [{x: 9}, *a]}\n")
    assert found == []
    assert plain(node) == {
        "a": {"x": "1", "y": "2"},
        "b": {"x": "1", "y": "2"},
        "c": {"x": "1", "y": "3"},
        "d": {"x": "9", "y": "2", "z": "0"},
    }
    assert list(plain(node)["c"]) == ["x", "y"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "f:1:1: the file is empty"),
        ("# x\n", "f:1:1: the file is empty"),
        ("a: 1\n---\nb: 1\n", "f:2:1: a second document (after `---`): one file holds one"),
        ("---\n---\n", "f:2:1: a second document (after `---`): one file holds one"),
        ("a: 1\na: 2\n", "f:2:1: duplicate key 'a': the first is at line 1"),
        ("a: {b: 1, 'b': 2}\n", "f:1:11: duplicate key 'b': the first is at line 1"),
        ("? [a]\n: b\n", "f:1:3: a key must be a text (a text that begins with { or [ needs quotes)"),
        (
            "a: [1, 2\n",
            (
                "f:2:1: not YAML: did not find expected ',' or ']' (while parsing a flow sequence "
                "that began on line 1)"
            ),
        ),
        ("a: b: c\n", "f:1:5: not YAML: mapping values are not allowed in this context"),
        ("a:\n\tb: 1\n", "f:2:1: a tab can't indent YAML: use spaces"),
        ("a: @x\n", "f:1:4: not YAML: found character that cannot start any token"),
        ("a: \x07\n", "f:1:4: the character '\\x07' is not allowed in YAML"),
        ("a: *b\n", "f:1:4: an alias to an anchor that isn't there (a text that begins with * needs quotes)"),
        ("a: &a [*a]\n", "f:1:8: an alias inside of what it stands for"),
        ("a: 1\nb: &a 1\nc: &a {x: [*a]}\n", "f:3:12: an alias inside of what it stands for"),
        ("<<: 1\n", "f:1:5: `<<` takes a mapping, or a list of mappings"),
        (
            "a: !!python/object:os.system x\n",
            "f:1:4: a YAML tag is not understood here: leave it out (a text that begins with ! needs quotes)",
        ),
        (
            "a: !x [b]\n",
            "f:1:4: a YAML tag is not understood here: leave it out (a text that begins with ! needs quotes)",
        ),
        ("%YAML 1.3\n---\na: 1", "f:1:1: not YAML: found incompatible YAML document"),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    assert read(text)[1] == [problem]


@pytest.mark.parametrize("text", ["key: *hunter2", "key: !hunter2 x", "key: &hunter2 @"])
@pytest.mark.usefixtures("_either_loader")
def test_a_forgotten_quote_does_not_show_the_password(text: str) -> None:
    assert "hunter" not in str(read(text)[1])
    assert read(text)[1]


@pytest.mark.parametrize(
    "text",
    [
        bomb(9),
        bomb(6, 60),
        "[" * 2000,
        "[" * 1_000_000,
        "{" * 2000,
        "- " * 100_000,
        "? " * 100_000,
        "".join(" " * n + "a:\n" for n in range(1000)),
        f"a: [{'x,' * 400_000}]",
        "a: 1\n" * 200_000,
        "a: '" + "x\n" * 300_000,
        "".join(f"a{n}: &a{n} [[[[[*a{n - 1}]]]]]\n" for n in range(1, 2000)).replace("*a0", "x"),
    ],
    ids=range(12),
)
def test_hostile_documents_are_refused_quickly(text: str) -> None:
    start = time.process_time()
    assert len(read(text)[1]) >= 1
    assert time.process_time() - start < 3.0  # a tenth of that where nobody else works


@pytest.mark.usefixtures("_either_loader")
def test_depth_is_refused_before_python_runs_out_of_stack() -> None:
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert read(deepest)[1] == []
    assert read(f"[{deepest}]")[1] == [f"f:1:{MAX_DEPTH + 1}: nested more than {MAX_DEPTH} levels deep"]
    half = "[" * 30 + "x" + "]" * 30
    assert read(f"a: &a {half}\nb: [[[[[*a]]]]]\n")[1] == []
    text = f"a: &a {half}\nb: {'[' * 20}*a{']' * 20}\n"
    assert read(text)[1] == [f"f:2:24: nested more than {MAX_DEPTH} levels deep, aliases expanded"]
