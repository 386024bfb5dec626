"""Compares counts with what is behind them, in Postgres. Changes nothing. Every call may raise DatabaseAwayError.

Each comparison is of one snapshot, in which a batch is whole or not there at all: events may arrive meanwhile.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from aggregator.checking.differing import AdvocateOff, Comparison, Difference, Numbers, OffByAdvocate
from aggregator.checking.plan import Plan, Quarter, Stored, plan_for
from aggregator.counts.asking import Days
from aggregator.counts.tables import CountsTable
from aggregator.programme.store import Programme, read_programme
from aggregator.raw_days.horizon import is_beyond
from aggregator.raw_days.store import hold_raw_clicks, read_horizon
from database.pool import Connection, only_row
from database.queries import load_queries
from link_events.periods import ONE_DAY, Calendar, Granularity, period_of, quarter_start, utc_dates
from link_events.streams import Partition

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

COMPARING_TIMEOUT: Final = timedelta(minutes=10)
"""For one slice, that is a day: of more than 100 M clicks."""

Connecting = Callable[[], AbstractAsyncContextManager[Any]]
"""Gives a connection for the length of a block: of a pool, or always the same one."""


class ComparingStore:
    """Compares slice by slice.

    At most `workers` processes of Postgres help with each. Of each table and slice, at most `rows_max` rows that differ
    come back, and conversions; all of them where it is None.
    """

    def __init__(self, connecting: Connecting, *, workers: int, rows_max: int | None) -> None:
        self._connecting = connecting
        self._workers = workers
        self._rows_max = rows_max

    async def horizon(self) -> date:
        """Raw clicks of earlier UTC dates were let go."""
        async with self._snapshot() as snapshot:
            return snapshot.kept_from

    async def plan(self, wanted: Days) -> Plan:
        """What there is to compare of `wanted`."""
        async with self._snapshot() as snapshot:
            return plan_for(await snapshot.stored(), wanted)

    async def compare_day(self, day: date) -> Comparison | None:
        """A day of advocates and links; None where its raw clicks were let go, all or some of them."""
        async with self._snapshot() as snapshot:
            return await snapshot.compare_day(day, self._rows_max)

    async def compare_quarter(
        self, quarter: Quarter, off: OffByAdvocate | None = None, *, again: Sequence[date] = ()
    ) -> Comparison:
        """A quarter of advocates, beside its days as they should be.

        `off`: by how much days of advocates are not as they should be. `again`: days to be compared for that in the
        snapshot of the quarter itself, and added.
        """
        off = off or OffByAdvocate()
        async with self._snapshot() as snapshot:
            for day in again:
                comparison = await snapshot.compare_day(day, None)
                off.add(comparison.of(CountsTable.ADVOCATE_DAY) if comparison else ())
            return await snapshot.compare_quarter(quarter.start, off.sums, self._rows_max)

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator["_Snapshot"]:
        async with (
            self._connecting() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await hold_raw_clicks(connection)
            await connection.execute(_SQL["tune"], str(self._workers))
            yield _Snapshot(connection, await read_horizon(connection), await read_programme(connection))


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What is stored, as of one instant."""

    connection: Connection
    kept_from: date
    programme: Programme

    async def stored(self) -> Stored:
        days = await self.connection.fetch(_SQL["stored_days"])
        quarters = await self.connection.fetch(_SQL["stored_quarters"])
        dates = await self.connection.fetch(_SQL["raw_dates"])
        return Stored(
            {row["day"] for row in days},
            {row["quarter_start"] for row in quarters},
            {row["occurred_on"]: row["bytes"] for row in dates},
        )

    async def compare_day(self, day: date, rows_max: int | None) -> Comparison | None:
        first, last = raw_dates(day, self.programme.calendar)
        if is_beyond(first, self.kept_from):
            return None
        comparison = _comparison(day, await self.connection.fetch(_SQL["compare_day"], day, first, last, rows_max))
        slots = await self.connection.fetchval(_SQL["wrong_slots"], day, first, last)
        wrong = only_row(await self.connection.fetchrow(_SQL["wrong_conversions"], day, rows_max))
        return replace(comparison, slots=slots, conversions=wrong["total"], first_conversions=wrong["first"] or ())

    async def compare_quarter(self, start: date, off: Mapping[str, AdvocateOff], rows_max: int | None) -> Comparison:
        last = _last_day(start, self.programme.calendar)
        partitions = [one.partition for one in off.values()]
        numbers = [[one.numbers[place] for one in off.values()] for place in range(len(Numbers._fields))]
        values = (start, last, rows_max, list(off), partitions, *numbers)
        return _comparison(start, await self.connection.fetch(_SQL["compare_quarter"], *values))


def raw_dates(day: date, calendar: Calendar) -> tuple[date, date]:
    """The first and the last UTC date that may hold clicks of a local day; where the calendar ends there are none."""
    try:
        return utc_dates(day, calendar.zone)
    except OverflowError:  # counts may be altered by hand to whatever Postgres takes for a date
        return day, day


def _last_day(start: date, calendar: Calendar) -> date:
    """The last day of the quarter that begins on `start`; no quarter begins there, it has no days."""
    if quarter_start(start) != start:
        return start - ONE_DAY
    return period_of(start, Granularity.QUARTER, calendar).end


def _comparison(start: date, rows: Sequence[Any]) -> Comparison:
    """What a comparison gave: one row without counts where nothing differs."""
    differing = [row for row in rows if row["counts"] is not None]
    return Comparison(
        clicks=rows[0]["clicks"],
        rows=rows[0]["rows"],
        differing={CountsTable(row["counts"]): row["total"] for row in differing},
        differences=[_difference(start, row) for row in differing],
    )


def _difference(start: date, row: Mapping[str, Any]) -> Difference:
    stored_partition, lowest, highest = row["partition"], row["lowest"], row["highest"]
    fits = lowest is None or (stored_partition is not None and lowest <= stored_partition <= highest)
    return Difference(
        counts=CountsTable(row["counts"]),
        key=row["key"],
        start=start,
        partition=Partition(stored_partition if fits else lowest),
        stored_partition=None if stored_partition is None else Partition(stored_partition),
        stored=None if stored_partition is None else Numbers.of(row["stored"]),
        expected=Numbers.of(row["expected"] or ()),
    )
