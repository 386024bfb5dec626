"""Freshness, read in the same snapshot as the numbers it is said of."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from aggregator.journals.states import SILENT_AFTER, HeldBack, KnownJournal, complete_through, held_back_by
from aggregator.programme.store import Programme, read_programme
from aggregator.raw_days.store import hold_raw_clicks
from database.pool import Connection, Pool, connected, only_row
from database.queries import load_queries
from link_events.identity import JournalId
from link_events.periods import day_end

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

BEFORE_THE_FIRST: Final = JournalId(b"")
_UNFINISHED: Final = True
_ALL: Final = False


@dataclass(frozen=True, slots=True)
class Freshness:
    """`complete_through`: everything that known journals captured up to then is counted; None where none is known.

    Journals that keep it from being recent are named in `held_back_by`.
    """

    as_of: datetime
    complete_through: datetime | None
    programme: Programme
    held_back_by: Sequence[HeldBack] = ()

    def is_provisional(self, last_day: date | None) -> bool:
        """Whether numbers up to the local `last_day` (None: up to now) may still grow."""
        if last_day is None or self.complete_through is None:
            return True
        return self.complete_through < day_end(last_day, self.programme.calendar.zone)


@asynccontextmanager
async def snapshot(
    pool: Pool, silent_after: timedelta = SILENT_AFTER, *, hold_raw: bool = False
) -> AsyncIterator[tuple[Connection, Freshness]]:
    """A read-only transaction that sees one moment, and how fresh that moment is.

    With `hold_raw` no raw click is let go while it lasts, so that the horizon that it sees is that of what it finds.

    Raises:
        DatabaseAwayError: Postgres is away.
    """
    async with connected(pool) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        if hold_raw:
            await hold_raw_clicks(connection)
        row = only_row(await connection.fetchrow(_SQL["freshness"]))
        as_of, programme = row["as_of"], await read_programme(connection)
        journals = await unfinished_journals(connection)
        waiting = await unattributed(connection)
        complete = complete_through(as_of, journals, waiting) if row["any_known"] else None
        yield connection, Freshness(as_of, complete, programme, held_back_by(as_of, journals, silent_after))


async def unattributed(connection: Connection) -> datetime | None:
    """When the first was captured of what is applied and not in the counts yet: it waits for the attributor."""
    captured_at: datetime | None = await connection.fetchval(_SQL["unattributed"])
    return captured_at


async def unfinished_journals(connection: Connection) -> Sequence[KnownJournal]:
    """Every journal that may hold `complete_through` back, as the caller's transaction sees it."""
    return await _known(connection, BEFORE_THE_FIRST, None, _UNFINISHED, None)


async def known_journals(connection: Connection, after: JournalId, rows_max: int) -> Sequence[KnownJournal]:
    """The first `rows_max` journals behind `after`, in the order of their ids."""
    return await _known(connection, after, None, _ALL, rows_max)


async def known_journal(connection: Connection, journal: JournalId) -> KnownJournal | None:
    """What is known of one journal, if anything is."""
    found = await _known(connection, BEFORE_THE_FIRST, journal, _ALL, None)
    return found[0] if found else None


async def _known(connection: Connection, *parameters: object) -> Sequence[KnownJournal]:
    return [KnownJournal(**row) for row in await connection.fetch(_SQL["known"], *parameters)]
