"""A rebuild in Postgres: one session, in which differences are kept until one transaction puts them right.

What a row is off by stays the same while events arrive (aggregator.checking.differing), so it can be added at the end
as a batch adds what it holds: the counters of changes first, then the rows. Nothing is read of raw by then, and nobody
is held up before. However the session ends before its commit, nothing has changed. Every call may raise
DatabaseAwayError.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import asyncpg

from aggregator.applying.store import IDLE_IN_BATCH_MAX, hold_every_partition
from aggregator.attributing.marks import Mark, mark
from aggregator.checking.differing import Difference, Numbers
from aggregator.checking.store import ComparingStore, raw_dates
from aggregator.counts.tables import CountsTable
from aggregator.errors import CountsAlteredError, RebuildRunningError
from aggregator.programme.store import read_programme
from aggregator.raw_days.horizon import is_beyond
from aggregator.raw_days.store import hold_raw_clicks, read_horizon
from database.pool import connected_once, only_row
from database.queries import load_queries

WORKERS: Final = 2
"""Processes of Postgres that may help with comparing."""

OFF_COLUMNS: Final = ("counts", "key", "start", "partition", *Numbers._fields)
CORRECTIONS: Final = ("correct_link_days", "correct_advocate_days", "correct_advocate_quarters")

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, slots=True)
class Correction:
    """A counts row as it was and as it is now; None where there was none."""

    counts: CountsTable
    key: str
    start: date
    before: Numbers | None
    after: Numbers


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A rebuild that was carried through: its number, how many rows it corrected, and the first of them."""

    rebuild_id: int
    rows_corrected: int
    corrections: Sequence[Correction]


class RebuildSession:
    """Finds what rows are off by, then puts all of them right at once."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._own: Any = connection  # for functions that take a pool's, which have the same methods
        self.comparing = ComparingStore(lambda: nullcontext(connection), workers=WORKERS, rows_max=None)

    async def mend_slots(self, day: date) -> int:
        """Have the slots of a local day held by their first counted clicks; how many were not.

        A step of its own, for which batches wait: a batch that asks a wrong slot would judge wrongly. Where raw clicks
        of the day were let go meanwhile, nobody knows any more which came first, and its slots stay as they are.
        """
        connection = self._own
        async with connection.transaction():
            await hold_every_partition(connection)
            await hold_raw_clicks(connection)
            first, last = raw_dates(day, (await read_programme(connection)).calendar)
            if is_beyond(first, await read_horizon(connection)):
                return 0
            count: int = await connection.fetchval(_SQL["mend_slots"], day, first, last)
        return count

    async def attribute_anew(self, conversions: Sequence[int]) -> None:
        """Have an aggregator credit conversions anew: what their credits are off by, their counts are off by too."""
        await mark(self._own, [Mark(one) for one in conversions])

    async def keep(self, differences: Sequence[Difference]) -> None:
        """Remember rows that differ."""
        records = [(one.counts.value, one.key, one.start, one.partition, *one.off) for one in differences]
        await self._connection.copy_records_to_table("counts_off", records=records, columns=OFF_COLUMNS)

    async def swap(self, kept_from: date, clicks: int, rows_compared: int, shown_max: int) -> Rebuilt:
        """Put right what was kept, in one transaction. `shown_max` corrections come back.

        Raises:
            CountsAlteredError: rows were altered by hand meanwhile; nothing is changed.
        """
        connection = self._connection
        await connection.execute(_SQL["make_numbered"])
        await connection.execute(_SQL["look_at_numbered"])
        # Made ready before anything is held: one that waits for us between two halves of a statement is not idle to
        # Postgres, and would hold up batches for as long as we are frozen.
        note, below_zero = [await connection.prepare(_SQL[name]) for name in ("note_rebuild", "any_below_zero")]
        corrections = [await connection.prepare(_SQL[name]) for name in CORRECTIONS]
        async with connection.transaction():
            await connection.execute(_SQL["limit_idleness"], f"{IDLE_IN_BATCH_MAX.total_seconds():.0f}s")
            await connection.execute(_SQL["take_numbers"])
            noted = only_row(await note.fetchrow(kept_from, clicks, rows_compared))
            for correct in corrections:
                await correct.fetch(noted["rebuild_id"])
            if await below_zero.fetchval(noted["rebuild_id"]):
                raise CountsAlteredError
        rows = await connection.fetch(_SQL["corrections"], noted["rebuild_id"], shown_max)
        return Rebuilt(noted["rebuild_id"], noted["rows_corrected"], [_correction(row) for row in rows])


@asynccontextmanager
async def rebuild_session(dsn: str) -> AsyncIterator[RebuildSession]:
    """A session of its own in the database at `dsn`.

    Raises:
        RebuildRunningError: another rebuild is at work there.
    """
    async with connected_once(dsn) as connection:
        await connection.execute(_SQL["name_session"])
        try:
            async with connection.transaction():
                await connection.execute(_SQL["wait_briefly"])
                await connection.execute(_SQL["let_one_in"])
        except asyncpg.LockNotAvailableError as error:
            raise RebuildRunningError from error
        await connection.execute(_SQL["make_off"])
        yield RebuildSession(connection)


def _correction(row: asyncpg.Record) -> Correction:
    return Correction(
        counts=CountsTable(row["counts"]),
        key=row["key"],
        start=row["start"],
        before=None if row["before"] is None else Numbers.of(row["before"]),
        after=Numbers.of(row["after"]),
    )
