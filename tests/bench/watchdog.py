"""What 500 checks, each every 10 seconds, cost: of one core, and of memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from tests.bench.stage import RULES, cpu_seconds, rss_mib, show, stage

COUNT = 500
WARM = 15.0  # seconds after the start: all have been looked at, and imports are over
SPAN = 30.0  # seconds measured

TARGETS = """\
import asyncio, sys
async def plain(reader, writer):
    writer.close()
async def page(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok")
    await writer.drain()
    writer.close()
async def main():
    servers = [await asyncio.start_server(serve, "127.0.0.1", 0) for serve in (plain, page)]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def main() -> None:
    show("without checks", _cost(""))
    targets = subprocess.Popen([sys.executable, "-c", TARGETS], stdout=subprocess.PIPE, text=True)
    assert targets.stdout is not None
    plain, page = targets.stdout.readline().split()
    try:
        show(f"{COUNT} tcp checks", _cost(_entries([f"tcp://127.0.0.1:{plain}"])), "at most 5 % of a core")
        mixed = [f"tcp://127.0.0.1:{plain}"] * 5 + [
            f"http://127.0.0.1:{page}/",
            "{process: {match: tests.bench}}",
            "{file: {path: /etc/passwd}}",
            "{disk: {path: /, free: 0%}}",
            "{memory: 1KiB}",
        ]
        show(f"{COUNT} checks, mixed (half tcp, 50 http)", _cost(_entries(mixed)), "at most 5 % of a core")
        show(f"{COUNT} http checks", _cost(_entries([f"http://127.0.0.1:{page}/"])))
    finally:
        targets.kill()
        targets.communicate()


def _entries(checks: list[str]) -> str:
    lines = [
        f"  check{number}: {{every: 10s, check: {checks[number % len(checks)]}}}\n" for number in range(COUNT)
    ]
    return "watchdog:\n" + "".join(lines)


def _cost(watchdog: str) -> str:
    with stage(RULES + watchdog.replace("{", "{{").replace("}", "}}")) as (relay, _):
        assert relay.process is not None
        pid = relay.process.pid
        time.sleep(WARM)
        before, began = cpu_seconds(pid), time.monotonic()
        time.sleep(SPAN)
        used = (cpu_seconds(pid) - before) / (time.monotonic() - began)
        states = {row["state"] for row in json.loads(relay.command("watchdog", "list", "--json").stdout)}
        assert states <= {"up"}, states
        return f"{used * 100:.1f} % of a core, {rss_mib(pid, 'VmRSS'):.0f} MiB"
