"""Offset rows as people see and move them. Every call may raise DatabaseAwayError."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from database.pool import Pool, connected
from database.queries import load_queries
from link_events.streams import Offset, Partition, Stream

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class UnknownPartitionError(Exception):
    """No aggregator ever had this partition."""

    def __init__(self, stream: Stream, partition: Partition) -> None:
        super().__init__(f"no aggregator ever had {stream}/{partition}")


@dataclass(frozen=True, slots=True)
class Standing:
    """A partition: how far it is applied, by whom (None: by nobody yet), and what keeps it from going on."""

    stream: Stream
    partition: Partition
    next_offset: Offset
    updated_at: datetime
    owner: str | None
    lease_is_live: bool
    lease_expires_at: datetime | None
    stopped: str | None
    stopped_detail: str | None
    stopped_at: datetime | None
    missing_seqs: int
    dead_letter_seqs: int


@dataclass(frozen=True, slots=True)
class Moved:
    """What a reset did. `stopped` is why the partition stood still before, None where it did not."""

    from_offset: Offset
    to_offset: Offset
    stopped: str | None


class OffsetStore:
    """Reads where partitions stand, and moves them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def standings(self) -> Sequence[Standing]:
        """Every partition that an aggregator ever had, in order."""
        async with connected(self._pool) as connection:
            rows = await connection.fetch(_SQL["standings"])
        return [
            Standing(
                stream=Stream(row["stream"]),
                partition=Partition(row["partition"]),
                next_offset=Offset(row["next_offset"]),
                updated_at=row["updated_at"],
                owner=row["owner"],
                lease_is_live=row["lease_is_live"],
                lease_expires_at=row["expires_at"],
                stopped=row["stopped"],
                stopped_detail=row["stopped_detail"],
                stopped_at=row["stopped_at"],
                missing_seqs=row["missing_seqs"],
                dead_letter_seqs=row["dead_letter_seqs"],
            )
            for row in rows
        ]

    async def reset(self, stream: Stream, partition: Partition, to: Offset, why: str) -> Moved:
        """Go on from `to`, and no longer stand still. Whoever applies the partition reads the row again.

        Raises:
            UnknownPartitionError: there is nothing to move.
        """
        async with connected(self._pool) as connection, connection.transaction():
            row = await connection.fetchrow(_SQL["hold"], stream, partition)
            if row is None:
                raise UnknownPartitionError(stream, partition)
            moved = Moved(Offset(row["next_offset"]), to, row["stopped"])
            place = (stream, partition)
            await connection.execute(_SQL["note_reset"], *place, moved.from_offset, to, moved.stopped, why)
            await connection.execute(_SQL["move"], *place, to)
        return moved
