"""The tailer against a model: whatever is done to a log, each line there was at a look arrives exactly once.

The model knows what was written to each generation. It asks for nothing that no file holds any more when
relay looks: what was deleted, or cut away without a copy, between two looks.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sources.following import Following

EXAMPLES = int(os.environ.get("RELAY_EXAMPLES", "150"))
MOST = 12  # rotated files kept


class Written:
    """One generation: its bytes, and how many of them a look could have seen."""

    def __init__(self) -> None:
        self.data = b""
        self.looks = {0}  # how long it was at each look
        self.seen = 0  # bytes that were on disk, somewhere, at a look
        self.looked = False  # it was the live log at a look

    def lines(self, upto: int) -> list[str]:
        return [line.decode() for line in self.data[:upto].split(b"\n") if line]

    def ever(self) -> set[str]:
        """What may arrive: its lines, and the beginning of a line whose end was cut away."""
        return {line for upto in [*self.looks, len(self.data)] for line in self.lines(upto)}


class World:
    """A log, its writer, its rotation and the relay that follows it."""

    def __init__(self, folder: Path, pattern: str, *, copies: bool) -> None:
        self.folder = folder
        self.log = folder / "app.log"
        self.copies = copies  # how it is rotated
        self.relay = Following(folder / pattern, start="beginning")
        self.live = Written()  # what the log holds now
        self.generations = [self.live]
        self.on_disk: dict[int, tuple[Written, bool]] = {}  # n of app.log.n -> what it holds, compressed
        self.serial = 0

    def line(self) -> bytes:
        self.serial += 1
        return b"line %d of the log" % self.serial

    def write(self, data: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(data)
        self.live.data += data

    # --- what may happen ---

    def lines(self, count: int) -> None:
        self.write(b"".join(self.line() + b"\n" for _ in range(count)))

    def torn(self) -> None:
        """The beginning of a line, or its end."""
        self.serial += 1
        begun = self.live.data and not self.live.data.endswith(b"\n")
        self.write(b" end of %d\n" % self.serial if begun else b"%d torn" % self.serial)

    def shift(self) -> None:
        """Make room for a new app.log.1."""
        for number in sorted(self.on_disk, reverse=True):
            self.name(number).rename(self.name(number + 1, packed=self.on_disk[number][1]))
        self.on_disk = {number + 1: held for number, held in self.on_disk.items()}
        if MOST in self.on_disk:
            self.name(MOST).unlink()
            del self.on_disk[MOST]

    def name(self, number: int, *, packed: bool | None = None) -> Path:
        packed = self.on_disk[number][1] if packed is None else packed
        return self.folder / f"app.log.{number}{'.gz' * packed}"

    def rotate(self, create: str) -> None:
        if not self.log.exists():
            return
        if self.copies:
            self.copytruncate()
        else:
            self.rename(create)

    def rename(self, create: str) -> None:
        self.shift()
        self.log.rename(self.folder / "app.log.1")
        self.on_disk[1] = (self.live, False)
        # A log that was created and renamed between two looks, and has no successor, is no log's past yet.
        needed = not self.live.looked
        self.begin()
        if create or needed:
            self.log.touch()

    def copytruncate(self) -> None:
        self.shift()
        shutil.copyfile(self.log, self.folder / "app.log.1")
        os.truncate(self.log, 0)
        self.on_disk[1] = (self.live, False)
        self.begin()

    def begin(self) -> None:
        self.live = Written()
        self.generations.append(self.live)

    def compress(self, number: int) -> None:
        held = self.on_disk.get(number)
        if held is None or held[1]:
            return
        plain, times = self.name(number), self.name(number).stat()
        packed = Path(f"{plain}.gz")
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        os.utime(packed, ns=(times.st_atime_ns, times.st_mtime_ns))
        plain.unlink()
        self.on_disk[number] = (held[0], True)

    def late(self) -> None:
        """The writer has not noticed yet that its file was rotated."""
        held = self.on_disk.get(1)
        if held and not held[1] and held[0].data.endswith(b"\n"):
            data = self.line() + b"\n"
            with self.name(1).open("ab") as file:
                file.write(data)
            held[0].data += data

    def delete(self) -> None:
        if self.on_disk:
            number = max(self.on_disk)
            self.name(number).unlink()
            del self.on_disk[number]

    async def look(self) -> None:
        for written in [self.live, *(held for held, _ in self.on_disk.values())]:
            written.seen = len(written.data)
            written.looks.add(written.seen)
        self.live.looked = self.log.exists()
        await self.relay.look(commit=False)

    async def commit(self) -> None:
        self.relay.commit()

    async def crash(self, committed: int) -> None:
        self.relay.commit(committed)
        self.relay.crash()
        arrived = set(self.relay.messages)
        for written in self.generations:  # what is deleted before it is read again can't be asked for
            upto = 0
            for line in written.data.splitlines(keepends=True):
                if line.strip().decode() not in arrived:
                    break
                upto += len(line)
            written.seen = min(written.seen, upto)
            written.looked = False  # half a line of a file that a pattern names may still be completed

    # --- what must be so ---

    async def check(self) -> None:
        await self.look()
        self.relay.clock.advance(5)
        await self.look()
        self.relay.commit()
        expected = [self.complete(each) for each in self.generations]
        arrived = self.relay.messages
        must = Counter(line for lines in expected for line in lines)
        got = Counter(arrived)
        assert not must - got, f"lost {must - got}"
        written = Counter({line for each in self.generations for line in each.ever()})
        assert not got - written, f"sent twice, or invented: {got - written}"
        order = {line: at for at, line in enumerate(arrived)}
        for lines in expected:
            places = [order[line] for line in lines]
            assert places == sorted(places), f"out of order: {sorted(lines, key=order.__getitem__)}"

    def complete(self, written: Written) -> list[str]:
        """The lines that were there to be read; an unfinished one too if the generation is over."""
        rotated = any(held is written for held, _ in self.on_disk.values())
        if rotated and written.looked and written.seen == len(written.data):
            return written.lines(written.seen)
        return written.lines(written.data.rfind(b"\n", 0, written.seen) + 1)


NUMBER = st.integers(1, 3)
OPERATIONS = st.one_of(
    st.tuples(st.just("lines"), st.sampled_from([1, 2, 3, 40, 100])),
    st.tuples(st.just("torn")),
    st.tuples(st.just("look")),
    st.tuples(st.just("look")),
    st.tuples(st.just("rotate"), st.sampled_from(["create", ""])),
    st.tuples(st.just("compress"), NUMBER),
    st.tuples(st.just("late")),
    st.tuples(st.just("delete")),
    st.tuples(st.just("commit")),
    st.tuples(st.just("crash"), st.integers(0, 3)),
)


async def follow(pattern: str, operations: list[tuple[Any, ...]], *, copies: bool) -> None:
    folder = Path(tempfile.mkdtemp())
    world = World(folder, pattern, copies=copies)
    try:
        world.log.touch()
        await world.look()
        await world.commit()
        for name, *arguments in operations:
            result = getattr(world, name)(*arguments)
            if result is not None:
                await result
        await world.check()
    finally:
        world.relay.tail._turns.close()
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def quiet() -> Any:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("copies", [0, 1])
@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
def test_every_line_that_exists_at_a_look_arrives_once(pattern: str, copies: int) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize="RELAY_EXAMPLES" not in os.environ,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(OPERATIONS, max_size=25))
    def run(operations: list[tuple[Any, ...]]) -> None:
        asyncio.run(follow(pattern, operations, copies=bool(copies)))

    run()
