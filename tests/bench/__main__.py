"""`make bench`: relay's figures beside their baselines. `python -m tests.bench NAME ...` for some of them."""

from __future__ import annotations

import sys

from tests.bench import (
    day,
    dispatch,
    fingerprints,
    flood,
    intake,
    latency,
    live,
    many,
    size,
    storm,
    watchdog,
)
from tests.bench.stage import machine

ALL = {
    "latency": latency.main,
    "fingerprints": fingerprints.main,
    "intake": intake.main,
    "dispatch": dispatch.main,
    "many": many.main,
    "size": size.main,
    "live": live.main,
    "flood": flood.main,
    "watchdog": watchdog.main,
    "storm": storm.main,
    "day": day.main,
}


def main() -> int:
    chosen = sys.argv[1:] or list(ALL)
    print(machine())
    for name in chosen:
        print(f"{name}:", flush=True)
        ALL[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
