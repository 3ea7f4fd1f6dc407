"""CODEOWNERS files to patterns and owners, read once when rules.yaml is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec.structs import replace

from relay.config.files import read
from relay.config.nodes import Table
from relay.config.people import names_in
from relay.config.problems import Problems
from relay.config.schema import Config, Owner, Place

_FOLDERS: Final = {".github", ".gitlab", "docs"}  # where CODEOWNERS may stand within the repository


def with_owners(config: Config, root: Table, problems: Problems) -> Config:
    """The configuration with the CODEOWNERS files of its recipients read."""
    places = names_in(root, "recipients")
    files = []
    recipients = dict(config.recipients)
    for name, recipient in config.recipients.items():
        if isinstance(recipient, Owner):
            entries = _entries(recipient.owner, problems)
            if not entries:
                problems.warning(places[name], f"no owner in {recipient.owner}")
            folder = Path(recipient.owner).parent
            repository = folder.parent if folder.name in _FOLDERS else folder
            recipients[name] = replace(recipient, entries=entries, root=recipient.root or str(repository))
            files.append(recipient.owner)
    return replace(config, recipients=recipients, files=(*config.files, *files))


def _entries(file: str, problems: Problems) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(pattern, owners) in order; a pattern without owners takes them away again.

    GitLab's sections (`[Payments] @org/payments`) give default owners to the patterns below that name none.
    """
    found: list[tuple[str, tuple[str, ...]]] = []
    default: tuple[str, ...] = ()
    for number, line in enumerate((read(file, problems) or "").splitlines(), start=1):
        text = line.replace("\\#", "\0").partition("#")[0].replace("\0", "#").strip()
        if text.startswith(("[", "^[")):
            default = tuple(text.rpartition("]")[2].split())
            continue
        words = text.replace("\\ ", "\0").split()
        if not words:
            continue
        pattern, *owners = (word.replace("\0", " ") for word in words)
        if pattern.startswith("!"):
            problems.warning(Place(file, number, 1), "CODEOWNERS knows no `!` patterns: left out")
            continue
        found.append((pattern, tuple(owners) or default))
    return tuple(found)
