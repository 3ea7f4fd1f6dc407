from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from relay.config.load import Loaded, load
from tests.config.fakes import ENVIRON, TYPES

Check = Callable[..., Loaded]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Loads a text as `rules.yaml`."""

    def load_text(
        text: str | bytes, *, environ: dict[str, str] | None = None, lenient: bool = False
    ) -> Loaded:
        file = tmp_path / "rules.yaml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return load(file, backend_types=TYPES, environ=environ or ENVIRON, lenient_secrets=lenient)

    return load_text
