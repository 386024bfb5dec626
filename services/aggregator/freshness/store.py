"""Freshness, read in the same snapshot as the numbers it is said of."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from aggregator.programme.store import Programme, read_programme
from database.pool import Connection, Pool, connected, only_row
from database.queries import load_queries
from link_events.periods import day_end

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, slots=True)
class Freshness:
    """`complete_through`: everything that known journals captured up to then is counted; None where none is known."""

    as_of: datetime
    complete_through: datetime | None
    programme: Programme

    def is_provisional(self, last_day: date | None) -> bool:
        """Whether numbers up to the local `last_day` (None: up to now) may still grow."""
        if last_day is None or self.complete_through is None:
            return True
        return self.complete_through < day_end(last_day, self.programme.calendar.zone)


@asynccontextmanager
async def snapshot(pool: Pool) -> AsyncIterator[tuple[Connection, Freshness]]:
    """A read-only transaction that sees one moment, and how fresh that moment is.

    Raises:
        DatabaseAwayError: Postgres is away.
    """
    async with connected(pool) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        row = only_row(await connection.fetchrow(_SQL["freshness"]))
        bounds = (row["applied_up_to"], row["missing_after"], row["unheard_after"])
        complete = complete_through(row["as_of"], row["watermarks"], *bounds)
        yield connection, Freshness(row["as_of"], complete, await read_programme(connection))


def complete_through(
    as_of: datetime,
    watermark_count: int,
    applied_up_to: datetime | None,
    missing_after: datetime | None,
    unheard_after: datetime | None = None,
) -> datetime | None:
    """The instant up to which every known journal has been applied without a hole.

    `applied_up_to` is the oldest watermark of a journal that is not sealed; None where every known one is.
    `unheard_after` is the oldest known instant of a journal that some partition has not heard of; None where all have.
    """
    if watermark_count == 0:
        return None
    bounds = [as_of, applied_up_to, missing_after, unheard_after]
    return min(bound for bound in bounds if bound is not None)
