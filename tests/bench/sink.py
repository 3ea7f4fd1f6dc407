"""A fast webhook receiver, a process of its own: `python -m tests.bench.sink [DELAY]` prints its port.

POST: recorded (when, and the number in `number N`), answered 200. GET: everything recorded, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from typing import cast

import uvloop

NUMBER = re.compile(rb"number (\d+)")
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
DELAY = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0  # seconds before each answer
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

arrived: list[tuple[float, int]] = []


class Receiver(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end]
            if head.startswith(b"GET"):
                body = json.dumps(arrived).encode()
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                self.buffer = b""
                return
            length = LENGTH.search(head)
            assert length, head
            total = end + 4 + int(length[1])
            if len(self.buffer) < total:
                return
            found = NUMBER.search(self.buffer, end, total)
            arrived.append((now, int(found[1]) if found else -1))
            self.buffer = self.buffer[total:]
            if DELAY:
                asyncio.get_running_loop().call_later(DELAY, self.transport.write, ANSWER)
            else:
                self.transport.write(ANSWER)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Receiver, "127.0.0.1", 0)
    asyncio.get_running_loop().add_reader(0, os._exit, 0)  # whoever started it is gone
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
