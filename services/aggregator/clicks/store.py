"""Raw clicks, read from click. Every call may raise DatabaseAwayError."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from aggregator.freshness.store import Freshness, snapshot
from aggregator.journals.states import SILENT_AFTER
from database.pool import Pool
from database.queries import load_queries
from link_events.identity import AdvocateId, Origin
from link_events.reasons import Verdict

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

BEFORE_THE_FIRST: Final = (-1, -1)


@dataclass(frozen=True, slots=True)
class ClicksAnswer:
    """A page of clicks, how many there are in all, and whether more follow."""

    rows: Sequence[Mapping[str, Any]]
    total: int
    freshness: Freshness
    more: bool


class ClickStore:
    """Reads clicks."""

    def __init__(self, pool: Pool, silent_after: timedelta = SILENT_AFTER) -> None:
        self._pool = pool
        self._silent_after = silent_after

    async def find(self, origin: Origin) -> tuple[Mapping[str, Any], Freshness] | None:
        """The click that was journaled as `origin`, as stored, if it has been applied."""
        async with snapshot(self._pool, self._silent_after) as (connection, freshness):
            row = await connection.fetchrow(_SQL["click_by_origin"], origin.journal, origin.partition, origin.seq)
        return (dict(row), freshness) if row else None

    async def of_day(
        self, advocate_id: AdvocateId, day: date, verdict: Verdict | None, after: tuple[int, int], rows_max: int
    ) -> ClicksAnswer:
        """The clicks behind an advocate's local day in canonical order; `after` is (partition, offset)."""
        async with snapshot(self._pool, self._silent_after) as (connection, freshness):
            asked = (advocate_id, day, verdict)
            total = await connection.fetchval(_SQL["count_of_day"], *asked)
            rows = await connection.fetch(_SQL["clicks_of_day"], *asked, *after, rows_max + 1)
        return ClicksAnswer([dict(row) for row in rows[:rows_max]], total, freshness, len(rows) > rows_max)
