"""Which counts a click is in, and where they are read. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

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


class CountsRow(NamedTuple):
    """A counts row: whose, of which period, and the path that shows it."""

    counts: CountsTable
    key: str
    period: Period
    read_at: str


def places(
    click: Mapping[str, Any], numbers: Mapping[CountsTable, Mapping[str, int]], calendar: Calendar
) -> Sequence[CountsPlace]:
    """The rows that a stored click is in, with their `numbers`; a row that is not there has none."""
    adds_to = ("raw_clicks", f"{click['verdict']}_clicks")
    return [
        CountsPlace(row.counts, row.key, row.period, adds_to, numbers.get(row.counts, {}), row.read_at)
        for row in counts_rows(click["advocate_id"], click["link_id"], click["local_day"], calendar)
    ]


def counts_rows(advocate: str, link: int, day: date, calendar: Calendar) -> Sequence[CountsRow]:
    """The rows that something of an advocate, a link and a local day is in."""
    day_of, quarter_of = (period_of(day, cut, calendar) for cut in (Granularity.DAY, Granularity.QUARTER))
    return (
        CountsRow(CountsTable.ADVOCATE_DAY, advocate, day_of, _advocate_path(advocate, f"day&from={day}&to={day}")),
        CountsRow(CountsTable.ADVOCATE_QUARTER, advocate, quarter_of, _advocate_path(advocate, Granularity.QUARTER)),
        CountsRow(CountsTable.LINK_DAY, str(link), day_of, _link_path(link, day)),
    )


def _advocate_path(advocate: str, granularity: str) -> str:
    return f"/v1/advocates/{advocate}/counts?granularity={granularity}"


def _link_path(link: int, day: date) -> str:
    """The page of one row that begins with this link's."""
    cursor = write_cursor([link, (day - ONE_DAY).isoformat()])
    return f"/v1/counts?group_by=link&granularity=day&from={day}&to={day}&limit=1&cursor={cursor}"
