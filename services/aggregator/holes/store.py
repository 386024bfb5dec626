"""Holes as they are stored. Every call may raise DatabaseAwayError.

Whoever closes one holds its partition first, so that no batch fills or splits it meanwhile.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from aggregator.applying.store import hold_partition
from aggregator.holes.stored import HoleState, StoredHole
from aggregator.programme.store import hold_programme
from database.pool import Connection, Pool, connected
from database.queries import load_queries
from link_events.identity import JournalId, Origin, Seq
from link_events.reasons import HoleKind
from link_events.streams import Partition, Stream

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class HoleStore:
    """Finds holes, and closes them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, state: HoleState | None, limit: int) -> tuple[Sequence[StoredHole], int]:
        """The first `limit` holes in a state (None: in any), and how many there are in all."""
        is_open = None if state is None else state is HoleState.OPEN
        async with connected(self._pool) as connection:
            rows = await connection.fetch(_SQL["found"], is_open, limit)
            total: int = await connection.fetchval(_SQL["counted"], is_open)
        return [_stored(dict(row)) for row in rows], total

    async def close(self, origin: Origin, why: str) -> StoredHole | None:
        """Close the hole that holds `origin`, if any does and a person may; as it was before.

        One of a dead letter, or one that is closed, is left as it is.
        """
        async with connected(self._pool) as connection, connection.transaction():
            await hold_programme(connection)
            await hold_partition(connection, origin.stream, origin.partition)
            hole = await hole_at(connection, origin)
            if hole is not None and hole.kind is HoleKind.MISSING:
                await connection.execute(_SQL["close"], *_place(hole.first), hole.first.seq, why)
        return hole


async def hole_at(connection: Connection, origin: Origin) -> StoredHole | None:
    """The hole that holds `origin`, as the caller's transaction sees it."""
    row = await connection.fetchrow(_SQL["holding"], *_place(origin), origin.seq)
    return None if row is None else _stored(dict(row))


async def close_missing(connection: Connection, journal: JournalId, why: str) -> int:
    """Close whatever is missing of a journal, whose partitions the caller holds; how many holes that were."""
    count: int = await connection.fetchval(_SQL["close_missing"], journal, why)
    return count


def _place(origin: Origin) -> tuple[JournalId, Stream, Partition]:
    return origin.journal, origin.stream, origin.partition


def _stored(row: Mapping[str, Any]) -> StoredHole:
    place = (JournalId(row["journal"]), Stream(row["stream"]), Partition(row["partition"]))
    return StoredHole(
        first=Origin(*place, Seq(row["seq_from"])),
        seq_to=Seq(row["seq_to"]),
        kind=HoleKind(row["kind"]),
        captured_after=row["captured_after"],
        opened_at=row["opened_at"],
        closed_at=row["closed_at"],
        closed_why=row["closed_why"],
    )
