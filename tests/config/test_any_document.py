"""Whatever stands in the file, loading it ends in rules or in problems with places, and soon."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.config.load import Loaded, load
from relay.config.schema import Config, Http, Match, Rota, Rule, SocketSource, TailSource
from relay.config.types import keys_of
from tests.config.fakes import BASE, ENVIRON, TYPES

EXAMPLE = (Path(__file__).parent / "example.yaml").read_text()

STRUCTS = (Config, Http, SocketSource, TailSource, Rota, Rule, Match)
KEYS = st.sampled_from(
    [
        "<<",
        "type",
        "url",
        "key",
        *(
            key
            for struct in (Config, Http, SocketSource, TailSource, Rota, Rule, Match)
            for key in keys_of(struct)
        ),
    ]
)
WORDS = st.sampled_from(
    [
        "ops",
        "fake",
        "slack",
        "im",
        "10m",
        "/x/i",
        "/(/",
        "pay.*",
        "no",
        "012",
        "",
        "${TOKEN}",
        "${NO}",
        "error",
        "[]",
        "é",
    ]
)
SCALARS = st.one_of(
    WORDS, st.text(max_size=8), st.integers(), st.booleans(), st.none(), st.floats(), st.dates()
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.one_of(KEYS, WORDS, st.none()), inner, max_size=5)
    ),
    max_leaves=25,
)
PIECES = [
    "&a ",
    "*a ",
    "<<: *a\n",
    "[",
    "]",
    "{",
    "}",
    "\t",
    "- ",
    ": ",
    "'",
    '"',
    "|\n",
    "!x ",
    "---\n",
    "${TOKEN}",
    "no",
    "\0",
]


def loaded(data: bytes) -> Loaded:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rules.yaml"
        file.write_bytes(data)
        result = load(file, backend_types=TYPES, environ=ENVIRON)
    assert (result.config is None) == any(problem.severity == "error" for problem in result.problems)
    for problem in result.problems:
        assert Path(problem.place.file).parent == file.parent  # a calendar is a file of its own beside it
        assert problem.place.line >= 1
        assert problem.place.column >= 1
        assert 0 < len(problem.text) < 1000
        assert "\n" not in problem.text
        assert ENVIRON["TOKEN"] not in problem.text
    return result


@settings(max_examples=150, derandomize=True)
@given(st.dictionaries(KEYS, TREES, max_size=6))
def test_any_tree(tree: dict[str, object]) -> None:
    loaded(yaml.safe_dump(tree, allow_unicode=True).encode())


@settings(max_examples=100, derandomize=True)
@given(
    st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
)
def test_any_bytes(data: bytes) -> None:
    loaded(data)


@settings(max_examples=200, derandomize=True)
@given(st.integers(0, 2**32), st.sampled_from([EXAMPLE, BASE]))
def test_any_slip_of_the_hand(seed: int, text: str) -> None:
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(text)), chance.choice([0, 1, 1, 5, 40])
        text = text[:at] + chance.choice([*PIECES, "", text[at : at + 9]]) + text[at + length :]
    loaded(text.encode())


@settings(max_examples=60, derandomize=True)
@given(st.integers(0, len(EXAMPLE)))
def test_any_half_file(length: int) -> None:
    loaded(EXAMPLE.encode()[:length])
