"""Readers wait here for more: one poll for all partitions of a stream, however many readers wait.

Polling loses no wake-up and costs one small query per interval and stream, and only while somebody waits.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final

from event_log.contract import EventLogAwayError
from link_events.streams import Offset, Partition, Stream

POLL_INTERVAL: Final = timedelta(milliseconds=50)
"""Half of it is the mean delay that polling adds to a click's way into the counts."""

EndOffsets = Callable[[Stream], Awaitable[Mapping[Partition, Offset]]]


class Arrivals:
    """Tells readers that a partition has grown past the offset they stand at."""

    def __init__(self, end_offsets: EndOffsets, interval: timedelta = POLL_INTERVAL) -> None:
        self._end_offsets = end_offsets
        self._interval_s = interval.total_seconds()
        self._polls: dict[Stream, asyncio.Task[Mapping[Partition, Offset]]] = {}
        self._closed = False

    async def beyond(self, stream: Stream, partition: Partition, offset: Offset, wait: timedelta) -> bool:
        """Wait until `partition` ends beyond `offset`; False where it does not within `wait`.

        What the poll raises is raised here.

        Raises:
            EventLogAwayError: the log was closed meanwhile.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait.total_seconds()
        while loop.time() < deadline:
            poll = self._next_poll(stream)
            await asyncio.wait([poll])  # a waiter that is cancelled leaves the poll to the others
            if poll.cancelled():
                raise EventLogAwayError("the log was closed")
            if poll.result().get(partition, 0) > offset:
                return True
        return False

    async def close(self) -> None:
        """Stop polling; whoever still waits is told."""
        self._closed = True
        polls = list(self._polls.values())
        for poll in polls:
            poll.cancel()
        await asyncio.gather(*polls, return_exceptions=True)

    def _next_poll(self, stream: Stream) -> asyncio.Task[Mapping[Partition, Offset]]:
        """The poll that everybody who waits now shares."""
        if self._closed:
            raise EventLogAwayError("the log was closed")
        poll = self._polls.get(stream)
        if poll is None or poll.done():
            poll = asyncio.create_task(self._poll(stream), name=f"poll {stream}")
            poll.add_done_callback(_retrieve)
            self._polls[stream] = poll
        return poll

    async def _poll(self, stream: Stream) -> Mapping[Partition, Offset]:
        await asyncio.sleep(self._interval_s)
        return await self._end_offsets(stream)


def _retrieve(poll: asyncio.Task[Mapping[Partition, Offset]]) -> None:
    """Take note of an error that nobody waited for any more."""
    if not poll.cancelled():
        poll.exception()
