"""How long from a written event to the request at a webhook, idle and durable."""

from __future__ import annotations

import asyncio
import json
import time

import aiohttp

from tests.bench.stage import FastSink, connect, percentiles, show, stage, wait_for

COUNT = 400
PAUSE = 0.01  # seconds between two events


def main() -> None:
    show("plain aiohttp to the same sink", percentiles(asyncio.run(_plain())))
    with stage() as (relay, sink):
        connection = connect(relay)
        sent: list[float] = []

        def by_socket(number: int) -> None:
            line = json.dumps({"module": "app", "level": "error", "message": f"single number {number}"})
            sent.append(time.monotonic())
            connection.sendall(line.encode() + b"\n")

        _pace(by_socket)
        show("socket event to request", _spans(sink, sent), "p50 1.5, p99 5 ms")
        connection.close()
    with stage() as (relay, sink):
        out = (relay.folder / "logs" / "app.log").open("ab", buffering=0)
        time.sleep(1.0)
        sent = []

        def by_line(number: int) -> None:
            sent.append(time.monotonic())
            out.write(b"ERROR single number %d\n" % number)

        _pace(by_line)
        show("line appended to request", _spans(sink, sent), "p50 2, p99 10 ms")
        out.close()


def _pace(write: object) -> None:
    assert callable(write)
    for number in range(COUNT):
        write(number)
        time.sleep(PAUSE)


def _spans(sink: FastSink, sent: list[float]) -> str:
    arrived = wait_for(sink, COUNT, 10)
    assert sorted(number for _, number in arrived) == list(range(COUNT)), "lost or doubled"
    return percentiles([at - sent[number] for at, number in arrived])


async def _plain() -> list[float]:
    sink = FastSink()
    sent: list[float] = []
    async with aiohttp.ClientSession() as session:
        for number in range(COUNT):
            sent.append(time.monotonic())
            async with session.post(f"http://127.0.0.1:{sink.port}/", data=f"number {number}") as answer:
                await answer.read()
            await asyncio.sleep(PAUSE)
    spans = [at - sent[number] for at, number in sink.arrived()]
    sink.stop()
    return spans
