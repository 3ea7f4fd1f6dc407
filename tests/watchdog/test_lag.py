from __future__ import annotations

import asyncio
import time

from relay.watchdog.lag import Lag


async def test_a_loop_that_is_held_up_is_late_and_one_that_turns_is_not() -> None:
    lag, loop = Lag(), asyncio.get_running_loop()
    task = asyncio.create_task(lag.run())
    began = loop.time()
    await asyncio.sleep(0)
    assert lag.since(began) == 0
    time.sleep(0.6)
    assert lag.since(began) > 0.2  # a tick is overdue
    await asyncio.sleep(0.01)
    assert lag.since(began) > 0.2
    assert lag.since(loop.time()) == 0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_where_nothing_ticks_nothing_is_known() -> None:
    assert Lag().since(0.0) == 0
