"""Event logs that hand out what a real one holds in portions that a test chooses, or keep back some of it at first."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import chain, repeat

from event_log.contract import NOTHING_ACKED, EventLog, LoggedRecord, Record, StrayRecord
from link_events.identity import JournalId, Seq
from link_events.streams import Offset, Partition, Stream


class SplitLog:
    """The contract of an event log (event_log.contract.EventLog), passed on to the one inside.

    Its reads give at most as many records as `portions` say, one after another; then as many as are asked for.
    """

    def __init__(self, inside: EventLog, portions: Iterable[int]) -> None:
        self._inside = inside
        self._portions = chain(portions, repeat(None))

    async def check(self, stream: Stream, partitions: int) -> None:
        """As inside."""
        await self._inside.check(stream, partitions)

    async def append(
        self, stream: Stream, partition: Partition, records: Sequence[Record], *, acked: Seq = NOTHING_ACKED
    ) -> None:
        """As inside."""
        await self._inside.append(stream, partition, records, acked=acked)

    async def read(
        self, stream: Stream, partition: Partition, from_offset: Offset, *, records_max: int, wait: timedelta
    ) -> Sequence[LoggedRecord | StrayRecord]:
        """At most the next portion."""
        portion = next(self._portions)
        at_most = records_max if portion is None else min(portion, records_max)
        return await self._inside.read(stream, partition, from_offset, records_max=at_most, wait=wait)

    async def bounds(self, stream: Stream) -> Mapping[Partition, tuple[Offset, Offset]]:
        """As inside."""
        return await self._inside.bounds(stream)

    async def end_offsets(self, stream: Stream) -> Mapping[Partition, Offset]:
        """As inside."""
        return await self._inside.end_offsets(stream)

    async def last_seq(self, journal: JournalId, stream: Stream, partition: Partition) -> Seq | None:
        """As inside."""
        return await self._inside.last_seq(journal, stream, partition)

    async def close(self) -> None:
        """As inside."""
        await self._inside.close()


class HidingLog(SplitLog):
    """As inside, in portions, but for some offsets: what lies there is found by whoever reads the log inside."""

    def __init__(self, inside: EventLog, portions: Sequence[int], hidden: Collection[int]) -> None:
        super().__init__(inside, [])
        self._sizes = iter(portions)
        self._hidden = hidden

    async def read(
        self, stream: Stream, partition: Partition, from_offset: Offset, *, records_max: int, wait: timedelta
    ) -> Sequence[LoggedRecord | StrayRecord]:
        """What is not hidden, a portion of it."""
        found = await super().read(stream, partition, from_offset, records_max=records_max, wait=wait)
        shown = [one for one in found if one.offset not in self._hidden]
        return shown[: next(self._sizes, None)]
