"""Leases in Postgres, by Postgres's clock: an aggregator is alive until its row expires, and so are its partitions.

What keeps an aggregator whose lease ran out from doing harm is not the lease but the compare-and-set of every batch.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from aggregator.leases.shares import Picture, Slice
from database.pool import Pool, connected
from database.queries import columns, load_queries
from link_events.streams import Partition, Stream

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class LeaseStore:
    """Leases as one aggregator sees them. Every call may raise DatabaseAwayError."""

    def __init__(self, pool: Pool, owner: str, lease: timedelta) -> None:
        self._pool = pool
        self.owner = owner
        self.lease = lease

    async def enroll(self, slices: Sequence[Slice]) -> None:
        """Make sure that every partition has a row to be held by."""
        async with connected(self._pool) as connection:
            await connection.execute(_SQL["enroll"], *columns(slices))

    async def renew(self) -> Picture:
        """Say that we are alive, for the length of a lease from now on, and see who else is."""
        async with connected(self._pool) as connection:
            await connection.execute(_SQL["renew"], self.owner, self.lease)
            await connection.execute(_SQL["forget"])
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                alive = await connection.fetch(_SQL["alive"])
                holders = await connection.fetch(_SQL["holders"])
        rows = {(Stream(row["stream"]), Partition(row["partition"])): row for row in holders}
        return Picture(
            alive=frozenset(row["owner"] for row in alive),
            holders={slice_: row["holder"] for slice_, row in rows.items()},
            epochs={slice_: row["owner_epoch"] for slice_, row in rows.items()},
        )

    async def give_back(self, slices: Collection[Slice]) -> None:
        """Let others have partitions of ours at once."""
        async with connected(self._pool) as connection:
            await connection.execute(_SQL["give_back"], self.owner, *columns(sorted(slices)))

    async def resign(self) -> None:
        """Let others have everything at once."""
        async with connected(self._pool) as connection, connection.transaction():
            await connection.execute(_SQL["give_back_all"], self.owner)
            await connection.execute(_SQL["resign"], self.owner)
