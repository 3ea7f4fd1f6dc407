"""How long one look may still take, for those of its steps that are not about the target.

A look that is out of time has failed. A step before it, such as finding an address, is given up sooner: then
it can still say that the target was never asked.
"""

from __future__ import annotations

import asyncio
import math
from contextvars import ContextVar
from typing import Final

_ENDS_AT: Final[ContextVar[float]] = ContextVar("look_ends_at", default=math.inf)  # on the loop's clock
_SHARE: Final = 0.75  # of what is left; the rest is more than a loop may be late (entry.py)


def begin(most: float) -> None:
    """This task's look begins now."""
    _ENDS_AT.set(asyncio.get_running_loop().time() + most)


def patience(share: float = _SHARE) -> asyncio.Timeout:
    """Time for one step of the look."""
    left = _ENDS_AT.get() - asyncio.get_running_loop().time()
    return asyncio.timeout(None if math.isinf(left) else max(0.0, left * share))
