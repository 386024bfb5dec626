"""Which counts a click is in, and where they are read. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from aggregator.counts.asking import write_cursor
from aggregator.counts.tables import CountsTable
from link_events.periods import ONE_DAY, Calendar, Granularity, Period, period_of


@dataclass(frozen=True, slots=True)
class CountsPlace:
    """A counts row, the columns a click adds 1 to, the row's numbers as they are, and the path that shows it."""

    counts: CountsTable
    key: str
    period: Period
    adds_to: Sequence[str]
    numbers: Mapping[str, int]
    read_at: str


def places(
    click: Mapping[str, Any], numbers: Mapping[CountsTable, Mapping[str, int]], calendar: Calendar
) -> Sequence[CountsPlace]:
    """The rows that a stored click is in, with their `numbers`; a row that is not there has none."""
    advocate, link, day = click["advocate_id"], click["link_id"], click["local_day"]
    day_of, quarter_of = (period_of(day, cut, calendar) for cut in (Granularity.DAY, Granularity.QUARTER))
    rows = (
        (CountsTable.ADVOCATE_DAY, advocate, day_of, _advocate_path(advocate, f"day&from={day}&to={day}")),
        (CountsTable.ADVOCATE_QUARTER, advocate, quarter_of, _advocate_path(advocate, Granularity.QUARTER)),
        (CountsTable.LINK_DAY, str(link), day_of, _link_path(link, day)),
    )
    adds_to = ("raw_clicks", f"{click['verdict']}_clicks")
    return [CountsPlace(table, key, period, adds_to, numbers.get(table, {}), path) for table, key, period, path in rows]


def _advocate_path(advocate: str, granularity: str) -> str:
    return f"/v1/advocates/{advocate}/counts?granularity={granularity}"


def _link_path(link: int, day: date) -> str:
    """The page of one row that begins with this link's."""
    cursor = write_cursor([link, (day - ONE_DAY).isoformat()])
    return f"/v1/counts?group_by=link&granularity=day&from={day}&to={day}&limit=1&cursor={cursor}"
