"""The export format, in whatever slices it comes."""

from hypothesis import given
from hypothesis import strategies as st

from relay.sources.export import Export, Fields

values = st.one_of(st.binary(max_size=60), st.text("aé=\n", max_size=20).map(str.encode))
names = st.sampled_from(["MESSAGE", "_PID", "A"])


def exported(fields: dict[str, bytes], *, binary: bool) -> bytes:
    out = b""
    for name, value in fields.items():
        if binary or b"\n" in value:
            out += name.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
        else:
            out += name.encode() + b"=" + value + b"\n"
    return out + b"\n"


def cut_to(value: bytes, most: int) -> bytes:
    return value[:most]


@given(
    st.lists(st.tuples(st.dictionaries(names, values, min_size=1), st.booleans()), max_size=5),
    st.lists(st.integers(1, 40), min_size=1, max_size=50),
    st.integers(1, 80),
)
def test_entries_are_the_same_in_any_slices(
    entries: list[tuple[dict[str, bytes], bool]], slices: list[int], most: int
) -> None:
    data = b"".join(exported(fields, binary=binary) for fields, binary in entries)
    export, found, at, turn = Export(most), [], 0, 0
    while at < len(data):
        size = slices[turn % len(slices)]
        found += export.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    expected = [
        Fields(
            {name: cut_to(value, most) for name, value in fields.items()},
            sum(max(0, len(value) - most) for value in fields.values()),
        )
        for fields, _ in entries
    ]
    assert found == expected


def test_memory_is_bounded_whatever_comes() -> None:
    export = Export(1000)
    for _ in range(100):
        assert export.feed(b"MESSAGE=" + b"x" * 100_000 if _ == 0 else b"x" * 100_000) == []
        assert len(export._buffer) + len(export._kept) <= 101_000 + 1000
    (entry,) = export.feed(b"\nPRIORITY=3\n\n")
    assert entry.values == {"MESSAGE": b"x" * 1000, "PRIORITY": b"3"}
    assert entry.cut == 100 * 100_000 - 1000
    assert export.feed(b"A\n" + (10**7).to_bytes(8, "little")) == []
    for _ in range(100):
        assert export.feed(b"y" * 100_000) == []
        assert len(export._buffer) + len(export._kept) <= 101_000
    assert export.feed(b"\n\n")[0].cut == 10**7 - 1000
