"""Raw clicks, read from click. Every call may raise DatabaseAwayError."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from aggregator.clicks.absence import DeadEvent, Whereabouts
from aggregator.clicks.placing import CountsPlace, places
from aggregator.counts.tables import CountsTable
from aggregator.freshness.store import Freshness, known_journal, snapshot
from aggregator.holes.store import hole_at
from aggregator.journals.states import SILENT_AFTER
from aggregator.raw_days.horizon import is_beyond
from aggregator.raw_days.store import read_horizon
from aggregator.verdicts.store import changes_of
from database.pool import Connection, Pool
from database.queries import load_queries
from link_events.identity import AdvocateId, Origin, Seq
from link_events.periods import quarter_start, utc_dates
from link_events.reasons import DeadLetterEnd, DeadLetterReason, Verdict

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

BEFORE_THE_FIRST: Final = (-1, -1)


@dataclass(frozen=True, slots=True)
class ClicksAnswer:
    """A page of clicks, how many there are in all, whether any of the day were let go, and whether more follow."""

    rows: Sequence[Mapping[str, Any]]
    total: int
    let_go: bool
    freshness: Freshness
    more: bool


@dataclass(frozen=True, slots=True)
class ExplainedClick:
    """A click as stored, what became of its verdict, the counts it is in, and how fresh that is."""

    row: Mapping[str, Any]
    verdict_changes: Sequence[Mapping[str, Any]]
    counts: Sequence[CountsPlace]
    freshness: Freshness


class ClickStore:
    """Reads clicks."""

    def __init__(self, pool: Pool, silent_after: timedelta = SILENT_AFTER) -> None:
        self._pool = pool
        self._silent_after = silent_after

    async def find(self, origin: Origin) -> ExplainedClick | Whereabouts:
        """The click that was journaled as `origin`, with the counts it is in; else what is known of that event.

        No raw click is let go meanwhile.
        """
        async with snapshot(self._pool, self._silent_after, hold_raw=True) as (connection, freshness):
            row = await connection.fetchrow(_SQL["click_by_origin"], *origin.place)
            if row is None:
                return await whereabouts(connection, origin)
            changes = await changes_of(connection, origin)
            return ExplainedClick(dict(row), changes, await _places(connection, dict(row), freshness), freshness)

    async def of_day(
        self, advocate_id: AdvocateId, day: date, verdict: Verdict | None, after: tuple[int, int], rows_max: int
    ) -> ClicksAnswer:
        """The clicks behind an advocate's local day in canonical order; `after` is (partition, offset)."""
        async with snapshot(self._pool, self._silent_after, hold_raw=True) as (connection, freshness):
            first, _last = utc_dates(day, freshness.programme.calendar.zone)
            let_go = is_beyond(first, await read_horizon(connection))
            asked = (advocate_id, day, verdict)
            total = await connection.fetchval(_SQL["count_of_day"], *asked)
            rows = await connection.fetch(_SQL["clicks_of_day"], *asked, *after, rows_max + 1)
        return ClicksAnswer([dict(row) for row in rows[:rows_max]], total, let_go, freshness, len(rows) > rows_max)


async def _places(connection: Connection, click: Mapping[str, Any], freshness: Freshness) -> Sequence[CountsPlace]:
    day = click["local_day"]
    keys = (click["advocate_id"], day, quarter_start(day), click["link_id"])
    numbers = {
        CountsTable(row["counts"]): {name: count for name, count in row.items() if name != "counts"}
        for row in await connection.fetch(_SQL["counts_of_click"], *keys)
    }
    return places(click, numbers, freshness.programme.calendar)


async def whereabouts(connection: Connection, origin: Origin) -> Whereabouts:
    """What is known of an event that is not stored as what it was asked for, as the caller's transaction sees it."""
    place = (origin.journal, origin.stream, origin.partition)
    mark = await connection.fetchrow(_SQL["watermark_of"], *place)
    dead = await connection.fetchrow(_SQL["dead_letter_of"], *place, origin.seq)
    return Whereabouts(
        origin=origin,
        journal=await known_journal(connection, origin.journal),
        applied_to=None if mark is None else (Seq(mark["seq"]), mark["captured_at"]),
        hole=await hole_at(connection, origin),
        dead=None if dead is None else _dead(dict(dead)),
        kept_from=await read_horizon(connection),
    )


def _dead(row: Mapping[str, Any]) -> DeadEvent:
    end = None if row["closed_as"] is None else DeadLetterEnd(row["closed_as"])
    return DeadEvent(**{**row, "reason": DeadLetterReason(row["reason"]), "closed_as": end})
