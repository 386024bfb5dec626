"""Results under an attribution model that the counts do not use: reckoned from credits, beside the clicks as counted.

Where a model gives somebody something on a day on which the counts have nothing of theirs, there is a row for it. Every
call may raise DatabaseAwayError.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from aggregator.counts.asking import Cut, Days, GroupBy
from aggregator.counts.tables import whole
from database.pool import Connection, only_row
from database.queries import load_queries
from link_events.identity import AdvocateId
from link_events.reasons import Model

_SQL: Final = load_queries(Path(__file__).with_suffix(".sql"))

RESULTS: Final = ("credited_millionths", "value_minor", "by_click_millionths", "by_click_value_minor")
CLICKS: Final = ("raw_clicks", "counted_clicks", "not_counted_clicks", "review_clicks", "visitors")
ACTIVITIES: Final = ("shares", "sessions", "engagements")

Row = Mapping[str, Any]


async def days_of_advocate(connection: Connection, model: Model, advocate_id: AdvocateId) -> Days:
    """The days that may hold something of an advocate's."""
    row = only_row(await connection.fetchrow(_SQL["days_of_advocate"], model, advocate_id))
    return Days(row["first"], row["last"])


async def results_of_advocate(connection: Connection, model: Model, advocate_id: AdvocateId, cut: Cut) -> list[Row]:
    """One advocate's results by place."""
    return await _fetch(connection, "of_advocate", model, cut, advocate_id)


async def results_grouped(
    connection: Connection, model: Model, group_by: GroupBy, cut: Cut, page: tuple[str | int, int, int]
) -> list[Row]:
    """Everybody's results by key and place. `page`: after which key and place, and how many rows at most."""
    query = "by_advocate" if group_by is GroupBy.ADVOCATE else "by_link"
    return await _fetch(connection, query, model, cut, None, *page)


def with_results(counted: Iterable[Row], results: Iterable[Row], group_by: GroupBy | None) -> Sequence[Row]:
    """Counts with these results in the place of their own, in the order of keys and places."""
    nothing = dict.fromkeys(RESULTS, 0)
    without = {**dict.fromkeys(CLICKS, 0), **(dict.fromkeys(ACTIVITIES, 0) if group_by is not GroupBy.LINK else {})}
    rows: dict[tuple[Any, int], dict[str, Any]] = {_key(row, group_by): {**row, **nothing} for row in counted}
    for row in results:
        key = _key(row, group_by)
        rows[key] = {**without, **rows.get(key, {}), **row}
    return [rows[key] for key in sorted(rows)]


def _key(row: Row, group_by: GroupBy | None) -> tuple[Any, int]:
    """In the order of an answer; of one advocate there is no key."""
    return ("" if group_by is None else row[f"{group_by}_id"], row["place"])


async def _fetch(connection: Connection, query: str, model: Model, cut: Cut, *values: object) -> list[Row]:
    statement = "\n".join((_SQL["earned"], _SQL[query]))
    rows = await connection.fetch(statement, model, cut.first, cut.last, cut.starts, *values)
    return [whole(row) for row in rows]
