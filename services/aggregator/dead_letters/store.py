"""Dead letters in Postgres. Every call may raise DatabaseAwayError.

Whoever closes one holds its partition's row first, so that batches and other people wait. Relaying has a store of its
own below, for it needs no partition.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any, Final

from aggregator.applying.store import BatchWriter, ensure_day, hold_partition
from aggregator.dead_letters.stored import DeadLetterState, StoredDeadLetter, Wanted
from aggregator.programme.store import Programme, hold_programme
from database.pool import Connection, Pool, connected
from database.queries import load_queries
from event_log.contract import DeadLetterMessage
from link_events.identity import JournalId, Seq
from link_events.reasons import DeadLetterEnd, DeadLetterReason
from link_events.streams import Offset, Partition, Stream

ID_MAX: Final = 2**63 - 1
"""Higher than any dead letter's id will be."""

WITH_BYTES: Final = True
WITHOUT_BYTES: Final = False

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


class DeadLetterStore:
    """Finds dead letters, and closes them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, wanted: Wanted, *, before: int = ID_MAX, limit: int) -> Sequence[StoredDeadLetter]:
        """The newest `limit` that fit, of those whose id is lower than `before`."""
        async with connected(self._pool) as connection:
            rows = await connection.fetch(_SQL["found"], *_filters(wanted), 1, before, limit, WITHOUT_BYTES)
        return [_stored(row) for row in rows]

    async def count(self, wanted: Wanted) -> int:
        """How many fit. It looks at all of them."""
        async with connected(self._pool) as connection:
            count: int = await connection.fetchval(_SQL["counted"], *_filters(wanted))
        return count

    async def one(self, dead_letter_id: int) -> StoredDeadLetter | None:
        """One of them, bytes included."""
        async with connected(self._pool) as connection:
            return await _one(connection, dead_letter_id)

    async def ensure_days(self, days: Iterable[date]) -> None:
        """Make the raw partitions of UTC dates."""
        for day in sorted(days):
            await ensure_day(self._pool, day)

    @asynccontextmanager
    async def held(self, dead: StoredDeadLetter) -> AsyncIterator["HeldDeadLetter"]:
        """A transaction in which nobody else changes `dead` or applies anything of its partition.

        The dead letter's own row comes first: while it is being relayed we wait for it, and let batches pass.
        """
        async with connected(self._pool) as connection, connection.transaction():
            await connection.execute(_SQL["hold"], dead.dead_letter_id)
            programme = await hold_programme(connection)
            await hold_partition(connection, dead.stream, dead.partition)
            now = await _one(connection, dead.dead_letter_id)
            yield HeldDeadLetter(connection, dead if now is None else now, programme)


class HeldDeadLetter:
    """A dead letter inside a transaction that holds its partition: as it stands now, and how to close it."""

    def __init__(self, connection: Connection, dead: StoredDeadLetter, programme: Programme) -> None:
        self._connection = connection
        self._dead = dead
        self.programme = programme
        self.writer = BatchWriter(connection, dead.stream, dead.partition)

    @property
    def state(self) -> DeadLetterState:
        """What became of it up to now."""
        return self._dead.state

    async def close(self, end: DeadLetterEnd, why: str | None, replacement: bytes | None = None) -> None:
        """Note what a person made of it."""
        await self._connection.execute(_SQL["close"], self._dead.dead_letter_id, end, why, replacement)


class RelayStore:
    """What the dead-letter topic has yet to get."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def unrelayed(self, limit: int) -> AsyncIterator[Sequence[DeadLetterMessage]]:
        """At most `limit` dead letters, the oldest first, which count as relayed when the block ends without an error.

        Whoever relays at the same time gets others.
        """
        async with connected(self._pool) as connection, connection.transaction():
            rows = await connection.fetch(_SQL["unrelayed"], limit)
            yield [_message(row) for row in rows]
            if rows:
                await connection.execute(_SQL["mark_relayed"], [row["dead_letter_id"] for row in rows])


def _filters(wanted: Wanted) -> tuple[object, ...]:
    """The first parameters of `found` and `counted`."""
    return wanted.stream, wanted.partition, wanted.reason, wanted.state


async def _one(connection: Connection, dead_letter_id: int) -> StoredDeadLetter | None:
    row = await connection.fetchrow(
        _SQL["found"], *_filters(Wanted()), dead_letter_id, dead_letter_id + 1, 1, WITH_BYTES
    )
    return None if row is None else _stored(row)


def _stored(row: Any) -> StoredDeadLetter:
    return StoredDeadLetter(
        dead_letter_id=row["dead_letter_id"],
        **_where_and_why(row),
        dead_at=row["dead_at"],
        state=DeadLetterState(row["state"]),
        closed_at=row["closed_at"],
        closed_why=row["closed_why"],
        relayed_at=row["relayed_at"],
        value=row["value"],
        replacement=row["replacement"],
    )


def _message(row: Any) -> DeadLetterMessage:
    return DeadLetterMessage(value=row["value"], **_where_and_why(row))


def _where_and_why(row: Any) -> dict[str, Any]:
    """What a dead letter has in every form."""
    return {
        "stream": Stream(row["stream"]),
        "partition": Partition(row["partition"]),
        "offset": Offset(row["log_offset"]),
        "journal": None if row["journal"] is None else JournalId(row["journal"]),
        "seq": None if row["seq"] is None else Seq(row["seq"]),
        "reason": DeadLetterReason(row["reason"]),
        "detail": row["detail"],
        "logged_at": row["logged_at"],
    }
