"""Changes of counts, read from the counts themselves. Every call may raise DatabaseAwayError.

Each row carries the number of its last change in its partition. Numbers are handed out under a lock that is held to the
commit (schema.sql, counts_change_counter), so whoever sees one sees every lower one, or the higher that replaced it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from aggregator.counts.tables import CountsTable, whole
from aggregator.errors import ChangesRewoundError
from aggregator.freshness.store import Freshness, snapshot
from aggregator.journals.states import SILENT_AFTER
from database.pool import Pool
from database.queries import load_queries
from link_events.identity import AdvocateId, LinkId
from link_events.streams import Partition

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, slots=True)
class Change:
    """A counts row as it is now, and the number of its last change. It has an advocate or a link, as its table says.

    `visitors` of a quarter are visitor days. A link has no activities.
    """

    counts: CountsTable
    partition: Partition
    change: int
    advocate_id: AdvocateId | None
    link_id: LinkId | None
    start: date
    raw_clicks: int
    counted_clicks: int
    not_counted_clicks: int
    review_clicks: int
    visitors: int
    credited_millionths: int
    value_minor: int
    by_click_millionths: int
    by_click_value_minor: int
    shares: int | None
    sessions: int | None
    engagements: int | None


@dataclass(frozen=True, slots=True)
class ChangesAnswer:
    """Changes in the order of their partitions and numbers, what is seen with them, and whether more follow."""

    rows: Sequence[Change]
    seen: Mapping[Partition, int]
    freshness: Freshness
    more: bool


class ChangesStore:
    """Reads changes."""

    def __init__(self, pool: Pool, silent_after: timedelta = SILENT_AFTER) -> None:
        self._pool = pool
        self._silent_after = silent_after

    async def since(self, seen: Mapping[Partition, int], rows_max: int) -> ChangesAnswer:
        """At most `rows_max` rows that were changed after `seen`.

        Raises:
            ChangesRewoundError: `seen` is of changes that this database has not made.
        """
        async with snapshot(self._pool, self._silent_after) as (connection, freshness):
            counters = await connection.fetch(_SQL["counters"])
            last = {Partition(row["partition"]): row["last_change"] for row in counters}
            _expect_seen(seen, last)
            known = {partition: seen.get(partition, 0) for partition in sorted(last)}
            found = await connection.fetch(_SQL["changes"], list(known), list(known.values()), rows_max + 1)
        more = len(found) > rows_max
        rows = sorted((_change(whole(row)) for row in found[:rows_max]), key=lambda one: (one.partition, one.change))
        for row in rows:
            known[row.partition] = row.change
        return ChangesAnswer(rows, known if more else last, freshness, more)


def _expect_seen(seen: Mapping[Partition, int], last: Mapping[Partition, int]) -> None:
    for partition, change in seen.items():
        if change > last.get(partition, 0):
            raise ChangesRewoundError(partition, change, last.get(partition, 0))


def _change(row: Mapping[str, Any]) -> Change:
    return Change(**{**row, "counts": CountsTable(row["counts"])})
