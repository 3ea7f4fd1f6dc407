import io
import json
import re
from collections.abc import Iterator

import pytest
import structlog

from relay import log


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    log._secrets.clear()
    structlog.reset_defaults()


def test_one_json_line_per_record_whatever_stands_in_it() -> None:
    out = io.StringIO()
    log.configure(stream=out)
    structlog.get_logger().warning("file_rotated", path="/x\n\x1b[31m", count=3)
    (line,) = out.getvalue().splitlines()
    fields = json.loads(line)
    assert fields["event"] == "file_rotated"
    assert fields["level"] == "warning"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", fields["timestamp"])
    assert "\x1b" not in line


def test_guarded_secrets_never_show() -> None:
    out = io.StringIO()
    log.configure(stream=out)
    log.guard(["hunter22", "abc"])
    structlog.get_logger().error("oops", url="http://x/hunter22?a=hunter22", short="abc")
    assert "hunter22" not in out.getvalue()
    assert "abc" in out.getvalue()  # too short to be told from other text


def test_the_level_filters() -> None:
    out = io.StringIO()
    log.configure(level="warning", stream=out)
    structlog.get_logger().info("quiet")
    assert out.getvalue() == ""
