"""Short versions of `make soak`."""

from pathlib import Path
from shutil import which

import pytest

from tests.e2e import chaos

pytestmark = pytest.mark.e2e

KILLS = 7
SECONDS = 7.0


@pytest.mark.parametrize("rotate", ["create", "copytruncate", "compress"])
def test_killed_while_logrotate_turns_the_file(tmp_path: Path, rotate: str) -> None:
    if which("logrotate") is None:
        pytest.skip("logrotate is not installed")
    result = chaos.run(
        tmp_path, kills=KILLS, seconds=SECONDS, rate=2000, rotate=rotate, use_socket=False, seed=1
    )
    check(result)


def test_killed_while_events_come_by_socket(tmp_path: Path) -> None:
    result = chaos.run(
        tmp_path, kills=KILLS, seconds=SECONDS, rate=2000, rotate="none", use_socket=True, seed=2
    )
    check(result)


def check(result: chaos.Result) -> None:
    assert result.lost == 0, result
    assert result.invented == 0, result
    assert result.on_disk <= result.counted <= result.written, result
    assert result.most_copies <= 3, result  # a kill can repeat what was on its way, not more
    assert result.per_kill <= 3.0, (
        result
    )  # of seven kills, on whatever host; `make soak` holds a hundred to 1.0
