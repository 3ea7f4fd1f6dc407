"""`relay check`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from relay.cli.common import FINE, PROBLEM, add_json, add_rules, coloured, parser, rules_path


def main(name: str, given: Sequence[str]) -> int:
    """Print every problem at once; status 1 if one of them is an error."""
    arguments = parser(
        name, "Check rules.yaml: every problem at once, and its examples.", "relay check rules.yaml"
    )
    arguments.add_argument("file", nargs="?", help="rules file or folder")
    add_rules(arguments)
    add_json(arguments)
    options = arguments.parse_args(given)
    path = options.file or rules_path(options.config)

    from relay.reload import prepare  # noqa: PLC0415 - heavy, and not for --help

    prepared = prepare(path, lenient_secrets=True, scan=True)
    errors = sum(problem.severity == "error" for problem in prepared.problems)
    warnings = len(prepared.problems) - errors
    if options.json:
        rows = [
            {
                "severity": problem.severity,
                "file": problem.place.file,
                "line": problem.place.line,
                "column": problem.place.column,
                "text": problem.text,
            }
            for problem in prepared.problems
        ]
        print(json.dumps({"ok": not errors, "problems": rows}, ensure_ascii=False, indent=2))
    else:
        for problem in prepared.problems:
            print(coloured(str(problem), problem.severity))
        if prepared.rules is not None:
            config = prepared.rules.config
            examples = sum(len(rule.examples) for rule in config.rules)
            proved = f", {examples} example{'s' * (examples != 1)} proved" if examples else ""
            print(
                f"{path}: fine: {len(config.rules)} rules{proved}, {warnings} warning{'s' * (warnings != 1)}"
            )
        else:
            print(f"{path}: {errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}")
    return PROBLEM if errors else FINE
