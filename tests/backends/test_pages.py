"""Each backend's page: its examples load, and README's table is what the code says."""

import inspect
import re
import textwrap
from pathlib import Path

import pytest

from relay.backends import registry
from relay.cli.backends import rows
from relay.config.load import load

README = Path(__file__).parent.parent.parent / "README.md"
EXAMPLE = re.compile(r"^(Minimal|Full):\n\n((?:    .*\n|\n)+)", re.MULTILINE)

# Values of the shape that each service's keys have; every other reference gets letters and digits.
SHAPED = {
    "PAGERDUTY_KEY": "0123456789abcdef0123456789abcdef",
    "SERVERCHAN_KEY": "SCT0123456789abcdef",
    "APPRISE_URL": "json://127.0.0.1/x",
    "SLACK_BOT_TOKEN": "xoxb-1-2-abc",
    "MATTERMOST_BOT_TOKEN": "abcdefghijklmnopqrstuvwxyz",
    "TELEGRAM_BOT_TOKEN": "123456:ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghi",
    "DISCORD_WEBHOOK_KEY": "123456789012345678/" + "a" * 68,
    "DINGTALK_SECRET": "SEC" + "0a" * 32,
    "DINGTALK_SECRET_2": "SEC" + "1b" * 32,
}


def page(name: str) -> str:
    found = registry.find(name)
    assert found is not None
    return inspect.getdoc(found.settings) or ""


class Environment(dict[str, str]):
    """Has every variable."""

    def __missing__(self, name: str) -> str:
        return value_of(name)

    def __contains__(self, name: object) -> bool:
        return True

    def get(self, name: str, default: object = None) -> str:
        return value_of(name)


def value_of(name: str) -> str:
    if name in SHAPED:
        return SHAPED[name]
    if name.endswith(("URL", "HOOK", "WEBHOOK")):
        return "https://example.com/hook/abc"
    return ("b2" if name.endswith("_2") else "a1") * 16  # the second of a list is another one


@pytest.mark.parametrize("name", registry.names())
def test_every_example_loads(name: str, tmp_path: Path) -> None:
    examples = EXAMPLE.findall(page(name) + "\n")
    assert {kind for kind, _ in examples} == {"Minimal", "Full"}
    for _, text in examples:
        rules = tmp_path / "rules.yaml"
        named = not text.lstrip().startswith("type:")  # with the name that the backend has in rules.yaml
        body = textwrap.indent(textwrap.dedent(text), "  " if named else "    ")
        rules.write_text(f"backends:\n{'' if named else '  one:' + chr(10)}{body}\n")
        rules.chmod(0o600)
        loaded = load(rules, backend_types=registry.Types(), environ=Environment())
        assert [str(problem) for problem in loaded.problems if problem.severity == "error"] == [], text


def test_readme_has_the_table() -> None:
    text = README.read_text()
    for row in rows():
        assert f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" in text, row[0]
