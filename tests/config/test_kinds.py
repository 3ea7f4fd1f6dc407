from __future__ import annotations

import pytest

from relay.config.kinds import KINDS, parser_of
from relay.config.nodes import Scalar
from relay.config.schema import Place, Text
from relay.config.types import bare
from relay.models import Level
from relay.values import Secret


def read(kind: str, written: str) -> object:
    return KINDS[kind](Scalar(Place("/etc/relay/rules.yaml", 1, 1), written))


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        ("duration", "1h30m", 5400.0),
        ("duration", "250ms", 0.25),
        ("size", "64KiB", 65536),
        ("size", "4096", 4096),
        ("name", "ops-robot", "ops-robot"),
        ("name", "王伟", "王伟"),
        ("name", "a@b.example", "a@b.example"),
        ("title", "anything critical", "anything critical"),
        ("address", "@all", "@all"),
        ("path", "x/../y.log", "/etc/relay/y.log"),
        ("path", "/var/log/*.log", "/var/log/*.log"),
        ("excluded", "*.gz", "/**/*.gz"),
        ("excluded", "./a*", "/etc/relay/a*"),
        ("socket", "/run/relay/relay.sock", "/run/relay/relay.sock"),
        ("store", "relay.db", "/etc/relay/relay.db"),
        ("mode", "0660", "0660"),
        ("mode", "600", "600"),
        ("encoding", "gbk", "gbk"),
        ("encoding", "UTF-16", "UTF-16"),
        ("start", "2026-01-05T09:00", "2026-01-05T09:00"),
        ("start", "2026-01-05 09:00", "2026-01-05 09:00"),
        ("start", "2026-01-05T09:00+08:00", "2026-01-05T09:00+08:00"),
        ("start", "2026-01-05T09:00 Asia/Shanghai", "2026-01-05T09:00 Asia/Shanghai"),
        ("pattern", "(?P<message>.*)", "(?P<message>.*)"),
        ("message text", "a*", Text("part", "a*")),
        ("name text", "a*", Text("glob", "a*")),
    ],
)
def test_taken(kind: str, written: str, value: object) -> None:
    assert read(kind, written) == value


@pytest.mark.parametrize(
    ("kind", "written", "words"),
    [
        ("duration", "10", "is not a duration: write 30s"),
        ("duration", "9" * 31, "too long for a number"),
        ("duration", "-1s", "is not a duration"),
        ("size", "1XB", "is not a size"),
        ("size", "2000GiB", "is more than 1 TiB"),
        ("name", "a b", "is no name"),
        ("name", "-x", "is no name"),
        ("name", "x" * 65, "is no name"),
        ("title", "", "an empty text"),
        ("path", "a\0b", "must be one line"),
        ("socket", "/run/" + "x" * 101, "too long for a socket: at most 105 bytes"),
        ("store", "mysql://x", "a store is a path"),
        ("mode", "9999", "is no mode"),
        ("mode", "u=rw", "is no mode"),
        ("encoding", "utf-9", "is no known encoding"),
        ("encoding", "rot13", "is no known encoding"),
        ("encoding", "base64", "is no known encoding"),
        ("encoding", "a\0b", "is no known encoding"),
        ("start", "09:00", "is no date and time"),
        ("start", "2026-13-01", "is no date and time"),
        ("start", "2026-01-05T09:00 Europe/Berlim", "is no time zone"),
        ("start", "2026-01-05T09:00 ../x", "is no time zone"),
        ("pattern", "(?=x)", "look-around"),
    ],
)
def test_refused(kind: str, written: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(kind, written)


def test_parsers_of_types() -> None:
    def parsed(wanted: object, written: str, *, plain: bool = True) -> object:
        return parser_of(bare(wanted))(Scalar(Place("f", 1, 1), written, plain))

    assert parsed(str, "x") == "x"
    assert parsed(bool, "on") is True
    assert parsed(Level, "Fatal") is Level.CRITICAL
    assert parsed(Secret, "s") == Secret("s")


@pytest.mark.parametrize("written", ["no", "012", "", "22:22"])
def test_a_refused_secret_is_not_shown(written: str) -> None:
    with pytest.raises(ValueError, match="secret") as refused:
        parser_of(bare(Secret))(Scalar(Place("f", 1, 1), written))
    assert not written or written not in str(refused.value).split()
