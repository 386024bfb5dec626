"""Journals as the database knows them. Every call may raise DatabaseAwayError."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from aggregator.applying.store import hold_every_partition
from aggregator.freshness.store import (
    Freshness,
    known_journal,
    known_journals,
    snapshot,
    unattributed,
    unfinished_journals,
)
from aggregator.holes.store import close_missing
from aggregator.journals.retiring import Retired, Retirement, retirement
from aggregator.journals.states import SILENT_AFTER, HeldBack, JournalState, KnownJournal
from aggregator.programme.store import hold_programme
from database.pool import Pool, connected
from database.queries import load_queries
from link_events.identity import JournalId, Seq
from link_events.streams import Partition, Stream

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, slots=True)
class JournalRow:
    """A journal in its state, how it holds `complete_through` back, and its highest seq by stream and partition."""

    known: KnownJournal
    state: JournalState
    held_back: HeldBack | None
    seqs: Mapping[tuple[Stream, Partition], Seq]


@dataclass(frozen=True, slots=True)
class JournalsAnswer:
    """A page of journals, how fresh it is, and whether more follow."""

    rows: Sequence[JournalRow]
    freshness: Freshness
    more: bool


@dataclass(frozen=True, slots=True)
class Census:
    """How many journals are known, and those that may hold something back, as of an instant.

    `unattributed`: when the first was captured of what waits for the attributor.
    """

    as_of: datetime
    known: int
    unfinished: Sequence[KnownJournal]
    unattributed: datetime | None = None


class JournalStore:
    """Reads what is known of journals, and retires them. One is silent after `silent_after` without a word."""

    def __init__(self, pool: Pool, silent_after: timedelta = SILENT_AFTER) -> None:
        self._pool = pool
        self._silent_after = silent_after

    async def page(self, after: JournalId, rows_max: int) -> JournalsAnswer:
        """At most `rows_max` journals behind `after`, in the order of their ids."""
        async with snapshot(self._pool, self._silent_after) as (connection, freshness):
            found = await known_journals(connection, after, rows_max + 1)
            page = found[:rows_max]
            seqs: dict[JournalId, dict[tuple[Stream, Partition], Seq]] = {one.journal: {} for one in page}
            for row in await connection.fetch(_SQL["seqs"], list(seqs)):
                seqs[row["journal"]][Stream(row["stream"]), Partition(row["partition"])] = Seq(row["seq"])
        moment = (freshness.as_of, self._silent_after)
        rows = [JournalRow(one, one.state(*moment), one.held_back(*moment), seqs[one.journal]) for one in page]
        return JournalsAnswer(rows, freshness, len(found) > rows_max)

    async def census(self) -> Census:
        """Which journals there are, of one moment."""
        async with (
            connected(self._pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            as_of: datetime = await connection.fetchval(_SQL["instant"])
            known: int = await connection.fetchval(_SQL["how_many"])
            return Census(as_of, known, await unfinished_journals(connection), await unattributed(connection))

    async def retire(self, journal: JournalId, why: str, *, force: bool) -> Retired:
        """Declare a journal lost: nothing that it captured up to now is waited for any more.

        What comes of it after all is applied like anything else, and makes it live again.
        """
        async with connected(self._pool) as connection, connection.transaction():
            await hold_programme(connection)
            await hold_every_partition(connection)
            now: datetime = await connection.fetchval(_SQL["instant"])
            known = await known_journal(connection, journal)
            ending = retirement(known, now, self._silent_after, force=force)
            if known is None or ending is not Retirement.RETIRED:
                return Retired(ending, known)
            await connection.execute(_SQL["retire"], journal, why, known.last_captured_at)
            return Retired(ending, known, await close_missing(connection, journal, why))
