from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest

from relay.config.nodes import Listing, Scalar, Table
from relay.config.problems import Problems
from relay.config.schema import Place
from relay.config.secrets import MAX_BYTES, Secrets, is_reference
from tests.config.conftest import Check
from tests.config.fakes import ENVIRON, FakeSettings, errors, lines

HERE = Place("/etc/relay/rules.yaml", 3, 7)


def resolve(
    text: str, environ: dict[str, str] | None = None, *, lenient: bool = False
) -> tuple[Scalar, list[str]]:
    problems = Problems()
    secrets = Secrets(ENVIRON if environ is None else environ, problems, lenient=lenient)
    node = secrets.resolved(Scalar(HERE, text))
    assert isinstance(node, Scalar)
    return node, [str(problem).removeprefix(f"{HERE}: ") for problem in problems.sorted()]


def secret_file(folder: Path, data: bytes, mode: int = 0o600) -> Path:
    file = folder / "secret"
    file.write_bytes(data)
    file.chmod(mode)
    return file


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("${TOKEN}", "sesame-open-99"),
        ("https://${HOST}/${TOKEN}?x", "https://im.example.com/sesame-open-99?x"),
        ("$${TOKEN}", "${TOKEN}"),
        ("$TOKEN $$ {TOKEN}", "$TOKEN $$ {TOKEN}"),
        ("$${${TOKEN}}", "${sesame-open-99}"),
    ],
)
def test_references_to_the_environment(text: str, value: str) -> None:
    node, found = resolve(text)
    assert (node.text, found) == (value, [])
    assert not node.placeholder


def test_a_value_is_no_reference_itself_and_no_yaml() -> None:
    assert resolve("${A}", {"A": "${B}", "B": "x"})[0].text == "${B}"
    assert resolve("${A}", {"A": "no"})[0] == Scalar(HERE, "no", plain=False, shown="${A}")


@pytest.mark.parametrize(
    "text", ["${}", "${a b}", "${TOKEN", "${1X}", "${NAME:-x}", "${file:}", "${credential:a/b}"]
)
def test_what_is_no_reference(text: str) -> None:
    text_of_it = "a reference is ${NAME}, ${file:/path} or ${credential:name}; a literal ${ is $${"
    assert resolve(text)[1] == [text_of_it]
    assert resolve(text, lenient=True)[1] == [text_of_it]


def test_a_file(tmp_path: Path) -> None:
    file = secret_file(tmp_path, b"s3cret \r\n\n")
    assert resolve(f"x${{file:{file}}}") == (
        Scalar(HERE, "xs3cret ", plain=False, shown=f"x${{file:{file}}}"),
        [],
    )


def test_a_file_that_everyone_may_read_is_a_warning(tmp_path: Path) -> None:
    file = secret_file(tmp_path, b"s3cret", 0o644)
    node, found = resolve(f"${{file:{file}}}")
    assert node.text == "s3cret"
    assert found == [f"warning: everyone may read the secret in '{file}'"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"\n", "the file is empty"),
        (b"\xff", "not UTF-8"),
        (b"x" * (MAX_BYTES + 1), "larger"),
    ],
)
def test_a_file_that_is_no_secret(tmp_path: Path, data: bytes, words: str) -> None:
    node, found = resolve(f"${{file:{secret_file(tmp_path, data)}}}")
    assert words in found[0]
    assert node.placeholder


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert "No such file" in resolve("${file:not-there}")[1][0]
    assert "not a regular file" in resolve(f"${{file:{tmp_path}/fifo}}")[1][0]
    assert "not a regular file" in resolve(f"${{file:{tmp_path}}}")[1][0]
    assert "can't be read" in resolve("${file:a\0b}")[1][0]


def test_a_relative_file_stands_beside_the_rules(tmp_path: Path, check: Check) -> None:
    secret_file(tmp_path, b"relative-one")
    backend = (
        check("backends: {im: {type: fake, url: http://x, key: '${file:secret}'}}").usable().backends["im"]
    )
    assert isinstance(backend, FakeSettings)
    assert backend.key.reveal() == "relative-one"


def test_a_credential(tmp_path: Path) -> None:
    secret_file(tmp_path, b"from-systemd\n", 0o400)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert resolve("${credential:secret}", environ)[0].text == "from-systemd"
    assert "No such file" in resolve("${credential:other}", environ)[1][0]
    (tmp_path / "relay_other").write_text("of the folder")  # LoadCredential=relay:/etc/relay/credentials
    (tmp_path / "relay_other").chmod(0o400)
    assert resolve("${credential:other}", environ)[0].text == "of the folder"
    assert "LoadCredential" in resolve("${credential:secret}", {})[1][0]


def test_missing_is_an_error_or_when_lenient_a_warning() -> None:
    node, found = resolve("a ${NOT_SET}")
    assert found == ["'${NOT_SET}': not set in relay's environment"]
    node, found = resolve("a ${NOT_SET}", lenient=True)
    assert found == ["warning: '${NOT_SET}': not set in relay's environment"]
    assert (node.text, node.placeholder) == ("a placeholder", True)


def test_a_whole_tree() -> None:
    secrets = Secrets(ENVIRON, Problems())
    key = Scalar(HERE, "${TOKEN}")
    tree = Table(HERE, {"k": (key, Listing(HERE, (key,)))})
    resolved = secrets.resolved(tree)
    assert isinstance(resolved, Table)
    assert resolved.pairs["k"][0] == key
    assert resolved.get("k") == Listing(
        HERE, (Scalar(HERE, "sesame-open-99", plain=False, shown="${TOKEN}"),)
    )
    assert secrets.masked("is sesame-open-99 it") == "is *** it"


def test_is_reference() -> None:
    assert is_reference("${A}")
    assert is_reference("${file:/x}")
    assert not is_reference("a ${A}")
    assert not is_reference("$${A}")
    assert not is_reference("${a b}")


def test_lenient_checks_what_it_can_and_loads(check: Check) -> None:
    text = """\
        backends:
          a: {type: fake, url: "${NOT_SET}", key: "${file:/not/there}", timeout: "${NOT_SET}", tymeout: 1s}
          b: {type: fake, url: "http://x/${NOT_SET}"}
        """
    found = lines(check(textwrap.dedent(text), lenient=True))
    assert [line.split(" ")[0:2] for line in found if "warning" not in line] == [["2:88:", "unknown"]]
    loaded = check(textwrap.dedent(text).replace(", tymeout: 1s", ""), lenient=True)
    assert loaded.usable().backends["b"] == FakeSettings(url="http://x/placeholder")
    assert errors(check(textwrap.dedent(text))) != []


@pytest.mark.parametrize(
    "settings",
    [
        "url: '${TOKEN}'",
        "url: 'x${TOKEN}', key: '${TOKEN}'",
        "url: http://x, timeout: '${TOKEN}'",
        "url: http://x, form: '${TOKEN}'",
        "url: http://x, shape: '${TOKEN}'",
        "url: http://x, loud: '${TOKEN}'",
        "url: http://x, most: '${TOKEN}'",
        "url: http://x, attempts: '${TOKEN}'",
        "url: http://x, factor: '${TOKEN}'",
        "url: http://x, rate: '${TOKEN}'",
        "url: ['${TOKEN}']",
        "url: {a: '${TOKEN}'}",
        "url: http://x, headers: '${TOKEN}'",
        "url: x, key: sesame-open-99, headers: {a: '${TOKEN}'}",
        "url: http://x, key: *sesame-open-99",
        "url: http://x, key: !sesame-open-99 x",
        "url: http://x, key: {sesame-open-99}",
    ],
)
def test_no_problem_shows_a_secret(check: Check, settings: str) -> None:
    loaded = check(f"backends: {{im: {{type: fake, {settings}}}}}\n")
    assert loaded.problems
    assert "sesame" not in "".join(map(str, loaded.problems))
    assert "sesame" not in repr(loaded.problems)
