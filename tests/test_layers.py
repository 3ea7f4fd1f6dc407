"""The list below is the diagram of relay: a module imports from layers below it and from its own package."""

import ast
from pathlib import Path

import pytest

import relay

ROOT = Path(relay.__file__).parent

LAYERS: list[set[str]] = [
    {
        "models",
        "errors",
        "values",
        "clock",
        "text",
        "log",
        "metrics",
        "report",
        "scope",
        "systemd",
        "client",
        "__init__",
    },
    {"backends"},
    {"config"},
    {"scan"},
    {"routing", "sources", "outbox", "watchdog"},
    {
        "absence",
        "attempt",
        "backlog",
        "book",
        "budget",
        "claims",
        "hushes",
        "links",
        "muting",
        "unheard",
        "control",
        "crashes",
        "deciding",
        "desk",
        "digest",
        "dispatcher",
        "directly",
        "drill",
        "explain",
        "feedback",
        "feeds",
        "health",
        "heart",
        "holds",
        "lane",
        "meters",
        "outages",
        "owing",
        "past_troubles",
        "ping",
        "pipeline",
        "placing",
        "release",
        "reload",
        "rulebook",
        "seats",
        "templates",
        "turn",
        "vitals",
        "web",
    },
    {"app"},
    {"cli"},
    {"__main__"},
]
# One layer may hold several packages; these belong together and may know each other, the others may not.
TOGETHER = LAYERS[0] | LAYERS[5]

MODULES = sorted(ROOT.rglob("*.py"))


def part_of(module: str) -> str:
    """`relay.sources.tail` -> `sources`; `relay` itself -> `__init__`."""
    return module.split(".")[1] if "." in module else "__init__"


def layer_of(part: str) -> int:
    return next(number for number, parts in enumerate(LAYERS) if part in parts)


def is_module(name: str) -> bool:
    return (ROOT / f"{name}.py").exists() or (ROOT / name).is_dir()


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "relay":
                found |= {f"relay.{each.name}" if is_module(each.name) else "relay" for each in node.names}
            elif node.module and node.module.startswith("relay."):
                found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names if each.name.split(".")[0] == "relay"}
    return found


def test_every_module_has_a_place() -> None:
    parts = {
        part_of("relay." + str(path.relative_to(ROOT).with_suffix("")).replace("/", ".")) for path in MODULES
    }
    assert parts == set().union(*LAYERS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_downwards(path: Path) -> None:
    relative = path.relative_to(ROOT).with_suffix("")
    mine = relative.parts[0]
    for module in imports_of(path):
        theirs = part_of(module)
        same = mine == theirs or (mine in TOGETHER and theirs in TOGETHER)
        if same and layer_of(mine) == layer_of(theirs):
            continue
        assert layer_of(theirs) < layer_of(mine), f"{relative} imports {module}: not a layer below"
