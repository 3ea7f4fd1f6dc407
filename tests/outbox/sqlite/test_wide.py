from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from relay.outbox.sqlite.wide import wide


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 127, 128, 200])
def test_every_row_goes_in_once_and_in_order(count: int) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE t (seq INTEGER PRIMARY KEY, a, b)")
        rows = [(number, str(number)) for number in range(count)]
        assert wide(db, "INSERT INTO t (a, b)", rows) == count
        assert db.execute("SELECT a, b FROM t ORDER BY seq").fetchall() == rows


def test_a_few_statements_serve_every_number_of_rows() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE t (a)")
        seen: list[str] = []
        db.set_trace_callback(lambda sql: seen.append(sql.split(" VALUES")[0]))
        wide(db, "INSERT INTO t", [(1,)] * 1000)
        assert seen.count("INSERT INTO t") <= 15 + 6
