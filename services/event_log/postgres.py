"""The event log in Postgres: the embedded default, one machine and no other server.

Reads and writes log_partition, log_record and log_journal. Appends of a partition queue up on its row's lock, so
offsets have no gaps and become visible in order. Commits are synchronous: what was acknowledged is on disk.
"""

from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg

from database.pool import DatabaseAwayError, connected, connected_once
from database.queries import load_queries
from event_log.arrivals import Arrivals, Slice
from event_log.contract import (
    NOTHING_ACKED,
    EventLogAwayError,
    LoggedRecord,
    LogRewoundError,
    OffsetExpiredError,
    PartitionCountError,
    Record,
)
from link_events.identity import JournalId, Seq
from link_events.streams import Offset, Partition, Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

EXPIRE_RECORDS_MAX: Final = 5_000
"""Records deleted in one statement: short locks, small transactions."""


class PostgresEventLog:
    """The event log's contract (event_log.contract.EventLog) on Postgres, over connections of its own."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._arrivals = Arrivals(self._all_ends)
        self._idle_at: dict[Slice, Offset] = {}
        self._closed = False

    async def check(self, stream: Stream, partitions: int) -> None:
        """Make sure that `stream` has exactly `partitions` partitions."""
        async with self._connected() as connection:
            found = await connection.fetchval(_SQL["count_partitions"], stream)
        if found != partitions:
            raise PartitionCountError(f"{stream} has {found} partitions where {partitions} are expected")

    async def append(
        self, stream: Stream, partition: Partition, records: Sequence[Record], *, acked: Seq = NOTHING_ACKED
    ) -> None:
        """Append all of `records`, in order, or none."""
        journals = [record.journal for record in records]
        seqs = [record.seq for record in records]
        values = [record.value for record in records]
        async with self._connected() as connection, connection.transaction():
            first = await connection.fetchval(_SQL["take_offsets"], stream, partition, len(records))
            if first is None:
                raise PartitionCountError(f"{stream} has no partition {partition}")
            insert = _SQL["insert_records"]
            await connection.execute(insert, stream, partition, first, journals, seqs, values)
            noted = await connection.fetch(_SQL["note_seqs"], stream, partition, journals, seqs)
            _check_held(stream, partition, {row["journal"]: row["held"] for row in noted}, acked)

    async def read(
        self,
        stream: Stream,
        partition: Partition,
        from_offset: Offset,
        *,
        records_max: int,
        wait: timedelta,
    ) -> Sequence[LoggedRecord]:
        """Up to `records_max` records from `from_offset` on; none where nothing arrives within `wait`."""
        slice_ = (stream, partition)
        if not wait or self._idle_at.get(slice_) != from_offset:  # else the next poll says as much
            records = await self._read_now(stream, partition, from_offset, records_max)
            if records or not wait:
                return records
        self._idle_at.pop(slice_, None)
        if await self._arrivals.elsewhere(slice_, from_offset, wait):
            return await self._read_now(stream, partition, from_offset, records_max)
        self._idle_at[slice_] = from_offset
        return ()

    async def bounds(self, stream: Stream) -> Mapping[Partition, tuple[Offset, Offset]]:
        """The first offset that each partition keeps, and the one that its next record will get."""
        async with self._connected() as connection:
            rows = await connection.fetch(_SQL["all_bounds"], stream)
        return {Partition(row["partition"]): (Offset(row["first_offset"]), Offset(row["next_offset"])) for row in rows}

    async def end_offsets(self, stream: Stream) -> Mapping[Partition, Offset]:
        """The offset that the next record of each partition will get."""
        async with self._connected() as connection:
            rows = await connection.fetch(_SQL["end_offsets"], stream)
        return {Partition(row["partition"]): Offset(row["next_offset"]) for row in rows}

    async def last_seq(self, journal: JournalId, stream: Stream, partition: Partition) -> Seq:
        """The highest seq of `journal` in the log, 0 where it holds none."""
        async with self._connected() as connection:
            return Seq(await connection.fetchval(_SQL["last_seq"], journal, stream, partition) or 0)

    async def expire(self, stream: Stream, partition: Partition, applied_to: Offset, retention: timedelta) -> int:
        """Delete some records before `applied_to` that are older than `retention`, and say how many."""
        async with self._connected() as connection, connection.transaction():
            gone = await connection.fetchval(
                _SQL["expire"], stream, partition, applied_to, retention, EXPIRE_RECORDS_MAX
            )
        return gone or 0

    async def close(self) -> None:
        """Stop waiting for records, and cut every connection: an append that hangs holds up no stop."""
        self._closed = True
        await self._arrivals.close()
        self._pool.terminate()

    async def _all_ends(self) -> Mapping[Slice, Offset]:
        async with self._connected() as connection:
            rows = await connection.fetch(_SQL["all_ends"])
        return {(Stream(row["stream"]), Partition(row["partition"])): Offset(row["next_offset"]) for row in rows}

    async def _read_now(
        self, stream: Stream, partition: Partition, from_offset: Offset, records_max: int
    ) -> Sequence[LoggedRecord]:
        async with self._connected() as connection:
            rows = await connection.fetch(_SQL["read_records"], stream, partition, from_offset, records_max)
            if not rows or rows[0]["log_offset"] != from_offset:
                bounds = await connection.fetchrow(_SQL["bounds"], stream, partition)
                _check_bounds(stream, partition, from_offset, bounds)
        return [
            LoggedRecord(
                Offset(row["log_offset"]),
                Record(JournalId(row["journal"]), Seq(row["seq"]), row["value"]),
                row["logged_at"],
            )
            for row in rows
        ]

    @asynccontextmanager
    async def _connected(self) -> "AsyncIterator[asyncpg.pool.PoolConnectionProxy]":
        try:
            async with connected(self._pool) as connection:
                yield connection
        except DatabaseAwayError as error:
            raise EventLogAwayError(str(error)) from error
        except Exception as error:
            if self._closed:  # whatever a driver says whose connection was cut while it was about to be used
                raise EventLogAwayError("the log was closed") from error
            raise


async def create_streams(dsn: str, partitions: int) -> None:
    """Make the partitions of every stream where they are missing.

    Raises:
        PartitionCountError: a stream has another number of partitions already.
        DatabaseAwayError: Postgres cannot be reached. This is a step of `advolink migrate`, which speaks of databases.
    """
    async with connected_once(dsn) as connection, connection.transaction():
        await connection.execute(_SQL["lock_partitions"])
        for stream in Stream:
            await _create_stream(connection, stream, partitions)


async def _create_stream(connection: asyncpg.Connection, stream: Stream, partitions: int) -> None:
    found = await connection.fetchval(_SQL["count_partitions"], stream)
    if found not in (0, partitions):
        raise PartitionCountError(f"{stream} has {found} partitions where {partitions} are expected")
    for partition in range(partitions):
        await connection.execute(_SQL["create_partition"], stream, partition)


def _check_held(stream: Stream, partition: Partition, held: Mapping[bytes, int], acked: Seq) -> None:
    """Refuse to append behind a gap that only a log which lost its tail can have."""
    for journal, seq in held.items():
        if seq < acked:
            raise LogRewoundError(f"{stream}/{partition} holds {journal.hex()} up to {seq}, and had acked {acked}")


def _check_bounds(stream: Stream, partition: Partition, offset: Offset, bounds: asyncpg.Record | None) -> None:
    if bounds is None:
        raise PartitionCountError(f"{stream} has no partition {partition}")
    if not bounds["first_offset"] <= offset <= bounds["next_offset"]:
        kept = f"{bounds['first_offset']} to {bounds['next_offset']}"
        raise OffsetExpiredError(f"{stream}/{partition} is kept from {kept}; {offset} was asked for")
