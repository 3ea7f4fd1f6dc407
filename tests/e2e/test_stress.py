"""A short version of `make soak`'s overloaded host."""

from pathlib import Path
from shutil import which

import pytest

from tests.e2e import stress

pytestmark = pytest.mark.e2e


@pytest.mark.skipif(which("stress-ng") is None, reason="stress-ng is not installed")
def test_nothing_is_called_down_on_an_overloaded_host(tmp_path: Path) -> None:
    result = stress.run(tmp_path, seconds=12, between=2.0)
    assert result.stalls == 2
    assert result.fine, result
