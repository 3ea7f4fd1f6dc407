"""rules.yaml -> `Config`, or every problem in it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from relay.backends.base import Registered
from relay.config.check import Checker
from relay.config.files import files_of, read
from relay.config.finish import finished
from relay.config.nodes import Listing, Node, Scalar, Table, unique
from relay.config.people import check_mentions
from relay.config.problems import ConfigError, EnoughError, Problem, Problems, quoted
from relay.config.schema import Config
from relay.config.secrets import Secrets
from relay.config.tree import parse


class Loaded(Struct, frozen=True):
    """What was read: the rules, or None if one of the problems is an error."""

    config: Config | None
    problems: list[Problem]

    def usable(self) -> Config:
        """The rules; `ConfigError` if there are none."""
        if self.config is None:
            raise ConfigError(self.problems)
        return self.config


def load(
    path: str | os.PathLike[str],
    *,
    backend_types: Mapping[str, Registered],
    environ: Mapping[str, str],
    lenient_secrets: bool = False,
) -> Loaded:
    """Read and check a file, or a folder of files.

    Never raises for what stands in them. `lenient_secrets`: a secret that isn't there is a warning, for
    whoever checks rules outside of relay's own environment.
    """
    problems = Problems()
    secrets = Secrets(environ, problems, lenient=lenient_secrets)
    try:
        config = _read(os.fspath(path), Checker(backend_types, secrets, problems), problems)
    except EnoughError:
        config = None
    found = [replace(problem, text=secrets.masked(problem.text)) for problem in problems.sorted()]
    return Loaded(None if problems.refused else config, found)


def _read(path: str, checker: Checker, problems: Problems) -> Config | None:
    files = files_of(path, problems)
    trees = [tree for file in files if (tree := _tree(file, problems))]
    if not trees:
        return None
    root = _joined(trees, problems)
    config = replace(checker.value(Config, root), files=tuple(files))
    if len(trees) < len(files):  # what is missing here may stand in a file that couldn't be read
        return None
    check_mentions(checker.mentions, root, problems)
    return finished(config, root, problems)


def _tree(file: str, problems: Problems) -> Table | None:
    text = read(file, problems)
    root = None if text is None else parse(text, file, problems)
    if root is None or isinstance(root, Table):
        return root
    problems.error(
        root.place, "a rules file is a mapping: `sources:`, `backends:`, `recipients:`, `rules:` ..."
    )
    return None


def _joined(trees: list[Table], problems: Problems) -> Table:
    """One tree of all files: sections join, lists follow one another."""
    joined: dict[str, tuple[Scalar, Node]] = {}
    for tree in trees:
        for name, (key, value) in tree.pairs.items():
            if name in joined:
                first_key, first = joined[name]
                joined[name] = (first_key, _both(first, key, value, problems))
            else:
                joined[name] = (key, value)
    return Table(trees[0].place, joined)


def _both(first: Node, key: Scalar, again: Node, problems: Problems) -> Node:
    match first, again:
        case Table(), Table():
            return Table(first.place, unique([*first.pairs.values(), *again.pairs.values()], problems))
        case Listing(), Listing():
            return Listing(first.place, first.items + again.items)
    problems.error(key.place, f"{quoted(key.text)} is given twice: the first is at {first.place}")
    return first
