"""Counts, read from advocate_day, advocate_quarter and link_day. Every call may raise DatabaseAwayError."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from aggregator.counts.asking import Cut, Days, GroupBy, cut_days
from aggregator.counts.tables import whole
from aggregator.counts.under_model import Row, days_of_advocate, results_grouped, results_of_advocate, with_results
from aggregator.freshness.store import Freshness, snapshot
from aggregator.journals.states import SILENT_AFTER
from database.pool import Connection, Pool, only_row
from database.queries import load_queries
from link_events.identity import AdvocateId, Code, LinkId
from link_events.periods import Granularity, Period, period_of
from link_events.reasons import Model

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

_KEYS: Final = ("advocate_id", "link_id", "code")
_OF_WHAT: Final = ("place", "quarter_start", *_KEYS)


@dataclass(frozen=True, slots=True)
class CountsRow:
    """Counts of one period, of one advocate or link where they are grouped. Visitors of its days are added up.

    Conversions stand in it by their own day and by that of the click; a link has no activities.
    """

    period: Period
    partial: bool
    raw_clicks: int
    counted_clicks: int
    not_counted_clicks: int
    review_clicks: int
    visitors: int
    credited_millionths: int
    value_minor: int
    by_click_millionths: int
    by_click_value_minor: int
    shares: int | None = None
    sessions: int | None = None
    engagements: int | None = None
    advocate_id: AdvocateId | None = None
    link_id: LinkId | None = None
    code: Code | None = None


@dataclass(frozen=True, slots=True)
class CountsAnswer:
    """Rows, how fresh they are, and whether more follow."""

    rows: Sequence[CountsRow]
    freshness: Freshness
    more: bool = False


@dataclass(frozen=True, slots=True)
class After:
    """The key of the last row seen: its advocate or link, and where its period begins."""

    key: str | int
    period_start: date


class CountsStore:
    """Reads counts."""

    def __init__(self, pool: Pool, silent_after: timedelta = SILENT_AFTER) -> None:
        self._pool = pool
        self._silent_after = silent_after

    async def of_advocate(
        self, advocate_id: AdvocateId, days: Days, granularity: Granularity, *, model: Model | None = None
    ) -> CountsAnswer | None:
        """One advocate's counts; None where there is no such advocate. Periods without any are left out.

        With a `model`, results are those under it.
        """
        async with snapshot(self._pool, self._silent_after) as (connection, freshness):
            if not await connection.fetchval(_SQL["advocate_exists"], advocate_id):
                return None
            if granularity is Granularity.QUARTER and days.everything and model is None:
                return CountsAnswer(await _whole_quarters(connection, advocate_id, freshness), freshness)
            if model is None:
                stored = await _days(connection, "advocate_stored_days", advocate_id)
            else:
                stored = await days_of_advocate(connection, model, advocate_id)
            cut = cut_days(days, stored, granularity, freshness.programme.calendar)
            if cut is None:
                return CountsAnswer([], freshness)
            values = (advocate_id, cut.first, cut.last, cut.starts)
            rows: Sequence[Row] = [whole(row) for row in await connection.fetch(_SQL["advocate_periods"], *values)]
            if model is not None:
                rows = with_results(rows, await results_of_advocate(connection, model, advocate_id, cut), None)
        return CountsAnswer([_row(row, cut) for row in rows], freshness)

    async def grouped(
        self,
        group_by: GroupBy,
        days: Days,
        granularity: Granularity,
        after: After | None,
        rows_max: int,
        *,
        model: Model | None = None,
    ) -> CountsAnswer:
        """Everybody's counts in the order of the key, at most `rows_max` rows after `after`.

        With a `model`, results are those under it.
        """
        async with snapshot(self._pool, self._silent_after) as (connection, freshness):
            stored = await _days(connection, "stored_days")
            cut = cut_days(days, stored, granularity, freshness.programme.calendar)
            if cut is None:
                return CountsAnswer([], freshness)
            page = (*_after(group_by, after, cut), rows_max + 1)
            query = _SQL["by_advocate" if group_by is GroupBy.ADVOCATE else "by_link"]
            values = (cut.first, cut.last, cut.starts, *page)
            rows: Sequence[Row] = [whole(row) for row in await connection.fetch(query, *values)]
            if model is not None:
                rows = with_results(rows, await results_grouped(connection, model, group_by, cut, page), group_by)
        return CountsAnswer([_row(row, cut) for row in rows[:rows_max]], freshness, more=len(rows) > rows_max)


def _after(group_by: GroupBy, after: After | None, cut: Cut) -> tuple[str | int, int]:
    """Behind which key and which period's place rows are wanted."""
    if after is None:
        return ("", 0) if group_by is GroupBy.ADVOCATE else (0, 0)
    seen = sum(1 for start in cut.starts if start <= after.period_start)
    return after.key, seen


async def _days(connection: Connection, query: str, *values: str) -> Days:
    row = only_row(await connection.fetchrow(_SQL[query], *values))
    return Days(row["first"], row["last"])


async def _whole_quarters(connection: Connection, advocate_id: AdvocateId, freshness: Freshness) -> Sequence[CountsRow]:
    rows = await connection.fetch(_SQL["advocate_quarters"], advocate_id)
    calendar = freshness.programme.calendar
    return [
        CountsRow(
            period=period_of(row["quarter_start"], Granularity.QUARTER, calendar), partial=False, **_numbers(whole(row))
        )
        for row in rows
    ]


def _row(row: Mapping[str, Any], cut: Cut) -> CountsRow:
    period = cut.periods[row["place"] - 1]
    keys = {name: row[name] for name in _KEYS if name in row}
    return CountsRow(period=period, partial=cut.is_partial(period), **_numbers(row), **keys)


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    """Everything but what the row is of."""
    return {name: number for name, number in row.items() if name not in _OF_WHAT}
