"""`${NAME}`, `${file:/run/secrets/x}` and `${credential:x}` to what they stand for.

A problem names the reference, never the value. `$${` is a literal `${`.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from relay.config.files import beside, read_regular
from relay.config.nodes import Listing, Node, Scalar, Table
from relay.config.problems import Problems, quoted

MAX_BYTES: Final = 64 * 1024  # of a secret's file
_SHORTEST_MASKED: Final = 4  # characters; masking shorter values would only garble texts

_CREDENTIALS: Final = "relay_"  # what LoadCredential=relay:FOLDER puts before the names of its files

_REFERENCE: Final = re.compile(r"\$\$\{|\$\{([^{}]*)(\}?)")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CREDENTIAL: Final = re.compile(r"[^/\x00]{1,255}")


def is_reference(text: str) -> bool:
    """Whether the whole text is one reference, wherever it stands."""
    found = _REFERENCE.fullmatch(text)
    return bool(
        found and found[2] and (_NAME.fullmatch(found[1]) or found[1].startswith(("file:", "credential:")))
    )


class Secrets:
    """Resolves references. `lenient` (a person checks in a shell): one that isn't there is a warning."""

    def __init__(self, environ: Mapping[str, str], problems: Problems, *, lenient: bool = False) -> None:
        self._environ = environ
        self._problems = problems
        self._lenient = lenient
        self._values: set[str] = set()

    def resolved(self, node: Node) -> Node:
        """The same tree with each reference replaced."""
        match node:
            case Scalar():
                return self._scalar(node)
            case Listing():
                return replace(node, items=tuple(self.resolved(item) for item in node.items))
            case Table():
                pairs = {name: (key, self.resolved(value)) for name, (key, value) in node.pairs.items()}
                return replace(node, pairs=pairs)

    def masked(self, text: str) -> str:
        """The text without any value that a reference stood for."""
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, "***")
        return text

    def _scalar(self, node: Scalar) -> Scalar:
        found = [(reference, self._value(reference, node)) for reference in _REFERENCE.finditer(node.text)]
        if not found:
            return node
        pieces, end = [], 0
        for reference, value in found:
            pieces += [node.text[end : reference.start()], "placeholder" if value is None else value]
            end = reference.end()
        text = "".join((*pieces, node.text[end:]))
        placeholder = any(value is None for _, value in found)
        return Scalar(node.place, text, plain=False, shown=node.text, placeholder=placeholder)

    def _value(self, reference: re.Match[str], node: Scalar) -> str | None:
        """What it stands for; None if it isn't there, which a problem says."""
        if reference[1] is None:
            return "${"
        try:
            value = self._looked_up(reference, node)
        except _MissingError as missing:
            report = self._problems.warning if self._lenient else self._problems.error
            report(node.place, f"{quoted(reference[0])}: {missing}")
            return None
        except ValueError as malformed:
            self._problems.error(node.place, str(malformed))
            return None
        if len(value) >= _SHORTEST_MASKED:
            self._values.add(value)
        return value

    def _looked_up(self, reference: re.Match[str], node: Scalar) -> str:
        """`_MissingError` if it isn't there, ValueError if it isn't a reference."""
        kind, colon, rest = reference[1].partition(":")
        if reference[2] and not colon and _NAME.fullmatch(kind):
            return self._from_environment(kind)
        if reference[2] and kind == "file" and rest:
            return self._from_file(beside(node.place.file, rest), node)
        if reference[2] and kind == "credential" and _CREDENTIAL.fullmatch(rest):
            return self._from_credential(rest, node)
        raise ValueError("a reference is ${NAME}, ${file:/path} or ${credential:name}; a literal ${ is $${")

    def _from_environment(self, name: str) -> str:
        value = self._environ.get(name)
        if not value:
            raise _MissingError("not set in relay's environment")
        return value

    def _from_credential(self, name: str, node: Scalar) -> str:
        folder = self._environ.get("CREDENTIALS_DIRECTORY")
        if not folder:
            raise _MissingError("no credentials here: relay.service gets them by LoadCredential=")
        single, of_folder = Path(folder) / name, Path(folder) / f"{_CREDENTIALS}{name}"
        return self._from_file(str(of_folder if of_folder.exists() else single), node)

    def _from_file(self, path: str, node: Scalar) -> str:
        try:
            data, status = read_regular(path, MAX_BYTES)
        except OSError as error:
            raise _MissingError(f"can't be read: {error.strerror}") from None
        if status.st_mode & stat.S_IROTH:
            self._problems.warning(node.place, f"everyone may read the secret in {path!r}")
        return _secret_text(data)


class _MissingError(Exception):
    """A reference to something that isn't there."""


def _secret_text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _MissingError(f"larger than {MAX_BYTES // 1024} KiB")
    try:
        text = data.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise _MissingError("not UTF-8 text") from None
    if not text:
        raise _MissingError("the file is empty")
    return text
