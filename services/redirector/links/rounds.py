"""A loop that goes round by itself every now and then, and at once where somebody waits for it."""

import asyncio
from datetime import timedelta
from typing import Final

PAUSE: Final = timedelta(milliseconds=50)
"""Between the beginnings of two rounds at least, so that any number of askers costs twenty a second."""


class Rounds:
    """Tells whoever asks when a round that began after they asked has ended, and how."""

    def __init__(self, interval: timedelta) -> None:
        self._interval = interval
        self._asked = asyncio.Event()
        self._next: asyncio.Future[bool] | None = None
        self._under_way: asyncio.Future[bool] | None = None
        self._began_s = 0.0

    def ask(self) -> asyncio.Future[bool]:
        """What will come of the next whole round: whether it got through. Many share it: shield it."""
        self._asked.set()
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        return self._next

    def begin(self) -> None:
        """Whoever asks from now on asks for another round."""
        self._under_way, self._next = self._next, None
        self._asked.clear()
        self._began_s = asyncio.get_running_loop().time()

    def end(self, *, got_through: bool) -> None:
        """Tell those who asked before it began."""
        if self._under_way is not None and not self._under_way.done():
            self._under_way.set_result(got_through)

    async def rest(self) -> None:
        """Until it is time for the next round, or somebody asks for it."""
        try:
            async with asyncio.timeout(self._interval.total_seconds()):
                await self._asked.wait()
        except TimeoutError:
            return
        ended_s = asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, self._began_s + PAUSE.total_seconds() - ended_s))
