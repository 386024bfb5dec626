"""A loop that goes round by itself every now and then, and at once where somebody waits for it."""

import asyncio
from collections import deque
from datetime import timedelta
from typing import Final

PAUSE: Final = timedelta(milliseconds=50)
"""Between the beginnings of two rounds at least, so that any number of askers costs twenty a second."""

TOLD_AT_ONCE: Final = 16
"""Askers that are told in one turn of the event loop: all at once would keep it for as long as answering them takes."""


class Rounds:
    """Tells whoever asks when a round that began after they asked has ended, and how."""

    def __init__(self, interval: timedelta) -> None:
        self._interval = interval
        self._hurry = asyncio.Event()
        self._next: deque[asyncio.Future[bool]] = deque()
        self._under_way: deque[asyncio.Future[bool]] = deque()
        self._began_s = 0.0

    def hurry(self) -> None:
        """Have the next round as soon as may be."""
        self._hurry.set()

    def ask(self) -> asyncio.Future[bool]:
        """What will come of the next whole round: whether it got through."""
        self.hurry()
        answer = asyncio.get_running_loop().create_future()
        self._next.append(answer)
        return answer

    def begin(self) -> None:
        """Whoever asks from now on asks for another round."""
        self._under_way, self._next = self._next, deque()
        self._hurry.clear()
        self._began_s = asyncio.get_running_loop().time()

    def end(self, *, got_through: bool) -> None:
        """Tell those who asked before it began."""
        asked, self._under_way = self._under_way, deque()
        _tell(asked, got_through)

    async def rest(self) -> None:
        """Until it is time for the next round, or somebody asks for it."""
        try:
            async with asyncio.timeout(self._interval.total_seconds()):
                await self._hurry.wait()
        except TimeoutError:
            return
        ended_s = asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, self._began_s + PAUSE.total_seconds() - ended_s))


def _tell(asked: deque[asyncio.Future[bool]], got_through: bool) -> None:  # noqa: FBT001 - for call_soon
    for _ in range(min(len(asked), TOLD_AT_ONCE)):
        answer = asked.popleft()
        if not answer.done():  # who asked may have given up
            answer.set_result(got_through)
    if asked:
        asyncio.get_running_loop().call_soon(_tell, asked, got_through)
