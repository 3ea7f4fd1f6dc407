"""Deliveries to a fast webhook, durably claimed and settled: a second."""

from __future__ import annotations

import asyncio
import json
import time

import aiohttp

from tests.bench.stage import FastSink, connect, show, stage, wait_for

COUNT = 30_000


def main() -> None:
    show("plain aiohttp, 64 at a time, nothing durable", f"{asyncio.run(_plain()):,.0f} requests/s")
    with stage() as (relay, sink):
        connection = connect(relay)
        for number in range(COUNT):
            line = json.dumps({"module": "app", "level": "error", "message": f"single number {number}"})
            connection.sendall(line.encode() + b"\n")
        connection.close()
        arrived = wait_for(sink, COUNT, 60)
        assert {number for _, number in arrived} == set(range(COUNT)), "lost"
        late = [at for at, _ in arrived[COUNT // 2 :]]
        show(
            "second half of them, intake over",
            f"{len(late) / (late[-1] - late[0]):,.0f} deliveries/s",
            "5,000",
        )
        whole = arrived[-1][0] - arrived[0][0]
        show("all of them, intake included", f"{COUNT / whole:,.0f} deliveries/s")


async def _plain() -> float:
    sink = FastSink()
    body = b'{"message": "number 1", "text": "' + b"x" * 600 + b'"}'
    left = iter(range(COUNT))
    async with aiohttp.ClientSession() as session:

        async def send() -> None:
            for _ in left:
                async with session.post(f"http://127.0.0.1:{sink.port}/", data=body) as answer:
                    await answer.read()

        began = time.monotonic()
        await asyncio.gather(*(send() for _ in range(64)))
        rate = COUNT / (time.monotonic() - began)
    sink.stop()
    return rate
