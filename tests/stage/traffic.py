"""An appender and a reader at work on an event log while a test breaks it, and what must be true at the end.

They do as shippers and aggregators do: what failed is sent again from what was acknowledged, and read again from where
the reader stood. One journal per partition.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final

from event_log.contract import EventLog, EventLogAwayError, LoggedRecord
from http_api.serving import cancel_all
from link_events.identity import JournalId, Seq
from link_events.streams import Offset, Partition, Stream
from stage.following import RECORDS_MAX
from stage.journaling import new_journal, plain_records
from stage.waiting import eventually_async

PARTITIONS: Final = 3
BATCH_RECORDS: Final = 7
PACE_S: Final = 0.02
READ_WAIT: Final = timedelta(seconds=0.5)


class Lane:
    """One partition: what was acknowledged of its journal, and what was read of it."""

    def __init__(self, log: EventLog, partition: Partition) -> None:
        self._log = log
        self._place = (Stream.CLICKS, partition)
        self.journal: JournalId = new_journal()
        self.acked = Seq(0)
        self.seqs: list[int] = []
        self.append_failures: list[EventLogAwayError] = []
        self.read_failures: list[EventLogAwayError] = []
        self._pausing = asyncio.Event()

    async def keep_appending(self) -> None:
        """Append batch after batch, each again until it is acknowledged."""
        while True:
            batch = plain_records(BATCH_RECORDS, journal=self.journal, first_seq=self.acked + 1)
            try:
                await self._log.append(*self._place, batch, acked=self.acked)
                self.acked = batch[-1].seq
            except EventLogAwayError as error:
                self.append_failures.append(error)
            await self._pause()

    async def keep_reading(self) -> None:
        """Read on from where the last read ended."""
        while True:
            try:
                await self.read_on()
            except EventLogAwayError as error:
                self.read_failures.append(error)
                await self._pause()

    async def read_on(self) -> None:
        """One read. Offsets have no gap and no repetition."""
        offset = Offset(len(self.seqs))
        records = await self._log.read(*self._place, offset, records_max=RECORDS_MAX, wait=READ_WAIT)
        for number, one in enumerate(records, offset):
            assert isinstance(one, LoggedRecord)
            assert (one.offset, one.record.journal) == (number, self.journal)
            self.seqs.append(one.record.seq)

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(PACE_S):
                await self._pausing.wait()


class Traffic:
    """Every lane at once."""

    def __init__(self, log: EventLog) -> None:
        self.lanes = [Lane(log, Partition(number)) for number in range(PARTITIONS)]
        self._appending = [asyncio.create_task(lane.keep_appending()) for lane in self.lanes]
        self._reading = [asyncio.create_task(lane.keep_reading()) for lane in self.lanes]

    async def flows(self, *, seconds_max: float) -> None:
        """Wait until each lane has appended and read something that was not there before."""
        before = [(lane.acked, len(lane.seqs)) for lane in self.lanes]

        async def has_moved() -> bool:
            self._expect_at_work()
            return all(
                lane.acked > acked and len(lane.seqs) > read
                for lane, (acked, read) in zip(self.lanes, before, strict=True)
            )

        await eventually_async(has_moved, seconds_max=seconds_max, what=f"every lane goes on from {before}")

    async def notices(self, *, seconds_max: float) -> None:
        """Wait until each lane was told that the log is away: when it appended, and when it read."""
        before = [(len(lane.append_failures), len(lane.read_failures)) for lane in self.lanes]

        async def is_told() -> bool:
            self._expect_at_work()
            return all(
                len(lane.append_failures) > appends and len(lane.read_failures) > reads
                for lane, (appends, reads) in zip(self.lanes, before, strict=True)
            )

        await eventually_async(is_told, seconds_max=seconds_max, what=f"every lane notices, after {before}")

    async def stop(self) -> None:
        """Leave off at once."""
        await cancel_all([*self._appending, *self._reading])

    async def expect_whole(self, *, seconds_max: float) -> None:
        """Stop appending, and make sure that what was acknowledged is all there, its first occurrences in order."""
        await cancel_all(self._appending)

        async def has_all() -> bool:
            self._expect_at_work()
            return all(max(lane.seqs, default=0) >= lane.acked for lane in self.lanes)

        await eventually_async(has_all, seconds_max=seconds_max, what="everything acknowledged is read")
        await self.stop()
        for lane in self.lanes:
            once = list(dict.fromkeys(lane.seqs))
            assert once == list(range(1, len(once) + 1))
            assert len(once) >= lane.acked

    def _expect_at_work(self) -> None:
        for task in (*self._appending, *self._reading):
            if task.done() and not task.cancelled():
                task.result()


@asynccontextmanager
async def traffic_on(log: EventLog) -> AsyncIterator[Traffic]:
    """Traffic that flows already; it leaves off with the block."""
    traffic = Traffic(log)
    try:
        await traffic.flows(seconds_max=15)
        yield traffic
    finally:
        await traffic.stop()
