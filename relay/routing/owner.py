"""Who owns the code that failed: the innermost application frame's file, looked up in CODEOWNERS."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from relay.config.people import address_of, ways_of
from relay.config.schema import Config, Owner
from relay.models import Event
from relay.routing.traces import file_of

# Where a JVM's traces name a class, not a file: the usual places of its source.
_SOURCES: Final = ("", "src/main/java/", "src/main/kotlin/", "src/main/scala/", "src/")

_SPECIAL: Final = re.compile(r"(/\*\*/|^\*\*/|/\*\*$|\*|\?)")
_PIECES: Final = {
    "/**/": "/(?:.*/)?",
    "**/": "(?:.*/)?",
    "/**": "/.*",
    "*": "[^/]*",
    "?": "[^/]",
}


def owners_of(config: Config, owner: Owner, event: Event | None) -> tuple[str, ...]:
    """The recipients that CODEOWNERS names for the event's code; `else` where it names none that is there."""
    file = file_of(event.message) if event is not None else ""
    named = _looked_up(owner, file) if file else ()
    found = [recipient for name in named if (recipient := _recipient(config, owner, name))]
    return tuple(dict.fromkeys(found)) or owner.else_


def _looked_up(owner: Owner, file: str) -> tuple[str, ...]:
    """The owners of a file as a trace names it."""
    root = owner.root.rstrip("/") + "/"
    if file.startswith(root):
        return code_owners(owner.entries, file.removeprefix(root))
    if file.startswith("/"):
        return ()  # another program's
    for folder in _SOURCES:
        if found := code_owners(owner.entries, folder + file.removeprefix("./")):
            return found
    return ()


def code_owners(entries: tuple[tuple[str, tuple[str, ...]], ...], path: str) -> tuple[str, ...]:
    """Of all patterns that match the path (relative to the repository) the last one's owners."""
    for pattern, owners in reversed(entries):
        if compiled(pattern).match(path):
            return owners
    return ()


@lru_cache(4096)
def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of CODEOWNERS, as those of .gitignore: a slash inside anchors it, `**` crosses folders.

    As GitHub has it, `docs/*` means the files in `docs` and not those below.
    """
    anchored = "/" in pattern.rstrip("/")
    body = pattern.strip("/")
    parts = ["" if anchored or body.startswith("**") else "(?:.*/)?"]
    parts += [_PIECES.get(piece) or re.escape(piece) for piece in _SPECIAL.split(body)]
    if pattern.endswith("/"):
        end = "/.*"
    elif body.endswith(("/*", "/**")):
        end = ""
    else:
        end = "(?:/.*)?"
    return re.compile("".join(parts) + end + r"\Z")


def _recipient(config: Config, owner: Owner, name: str) -> str:
    """The recipient that CODEOWNERS means by `name`; "" if there is none."""
    if given := owner.names.get(name):
        return given
    if name.startswith("@"):
        short = name.rpartition("/")[2].lstrip("@")
        return next((each for each in config.recipients if each.lower() == short.lower()), "")
    for each, recipient in config.recipients.items():
        if name.lower() in (address_of(way).lower() for way in ways_of(recipient).values()):
            return each
    return ""
