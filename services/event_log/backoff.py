"""Waiting longer after each failure, never the same as the others who failed with us."""

import asyncio
import random
from typing import Final

FIRST_WAIT_S: Final = 0.1
WAIT_S_MAX: Final = 5.0
"""An outage that ends is noticed within this."""


class Backoff:
    """Waits that double from FIRST_WAIT_S to WAIT_S_MAX, each cut by up to half at random."""

    def __init__(self) -> None:
        self._wait_s = FIRST_WAIT_S

    def reset(self) -> None:
        """It worked: the next failure waits short again."""
        self._wait_s = FIRST_WAIT_S

    async def wait(self) -> None:
        """Wait, and make the next wait longer."""
        await asyncio.sleep(self._wait_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, guards nothing
        self._wait_s = min(self._wait_s * 2, WAIT_S_MAX)
