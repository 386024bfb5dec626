"""Readers wait here for more: one poll for all partitions of all streams, however many readers wait.

Polling loses no wake-up and costs one small query per interval, and only while somebody waits. A reader is woken where
there is something for it, or where it has waited for long enough.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Final

from event_log.contract import EventLogAwayError
from link_events.streams import Offset, Partition, Stream

POLL_INTERVAL: Final = timedelta(milliseconds=50)
"""Half of it is the mean delay that polling adds to a click's way into the counts."""

Slice = tuple[Stream, Partition]


class Arrivals:
    """Tells readers that a partition ends elsewhere than where they stand."""

    def __init__(
        self, ends: Callable[[], Awaitable[Mapping[Slice, Offset]]], interval: timedelta = POLL_INTERVAL
    ) -> None:
        self._ends = ends
        self._interval_s = interval.total_seconds()
        self._waiting: dict[asyncio.Future[bool], tuple[Slice, Offset, float]] = {}
        self._polling: asyncio.Task[None] | None = None
        self._closed = False

    async def elsewhere(self, slice_: Slice, offset: Offset, wait: timedelta) -> bool:
        """Wait until `slice_` ends elsewhere than at `offset`; False where a poll after `wait` still found it there.

        What the poll raises is raised here.

        Raises:
            EventLogAwayError: the log was closed meanwhile.
        """
        if self._closed:
            raise EventLogAwayError("the log was closed")
        loop = asyncio.get_running_loop()
        told: asyncio.Future[bool] = loop.create_future()
        told.add_done_callback(_retrieve)
        self._waiting[told] = (slice_, offset, loop.time() + wait.total_seconds())
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll(), name="poll the event log")
        try:
            return await told
        finally:
            self._waiting.pop(told, None)

    async def close(self) -> None:
        """Stop polling; whoever still waits is told."""
        self._closed = True
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.wait([self._polling])
        _fail(self._waiting, EventLogAwayError("the log was closed"))

    async def _poll(self) -> None:
        """Ask for as long as anybody waits. A poll answers those who waited before it began."""
        while self._waiting:
            await asyncio.sleep(self._interval_s)
            asked = dict(self._waiting)
            try:
                ends = await self._ends()
            except Exception as error:  # noqa: BLE001 - for those who wait to handle
                _fail(self._waiting, error)
                return
            now_s = asyncio.get_running_loop().time()
            for told, (slice_, offset, until_s) in asked.items():
                moved = ends.get(slice_) != offset
                if (moved or now_s >= until_s) and not told.done():
                    told.set_result(moved)
                    self._waiting.pop(told, None)


def _fail(waiting: Iterable[asyncio.Future[bool]], error: Exception) -> None:
    for told in waiting:
        if not told.done():
            told.set_exception(error)


def _retrieve(told: asyncio.Future[bool]) -> None:
    """Take note of an error that nobody waited for any more."""
    if not told.cancelled():
        told.exception()
