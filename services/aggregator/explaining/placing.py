"""Which counts a conversion's credits are in, and where they are read. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple

from aggregator.clicks.placing import counts_rows
from aggregator.counts.tables import CountsTable
from link_events.periods import Calendar, Period

BY_DAY: Final = ("credited_millionths", "value_minor")
BY_CLICK: Final = ("by_click_millionths", "by_click_value_minor")


class CountsKey(NamedTuple):
    """Which counts row: of which table, whose, and where its period begins."""

    counts: CountsTable
    key: str
    start: date


@dataclass(frozen=True, slots=True)
class CreditedPlace:
    """A counts row, what a conversion adds to it, the row's numbers as they are, and the path that shows it."""

    counts: CountsTable
    key: str
    period: Period
    adds: Mapping[str, int]
    numbers: Mapping[str, int]
    read_at: str


def places(
    credits_: Iterable[Mapping[str, Any]], numbers: Mapping[CountsKey, Mapping[str, int]], calendar: Calendar
) -> Sequence[CreditedPlace]:
    """The rows that stored credits of one conversion are in, by its day and by the days of its clicks."""
    adds: dict[CountsKey, Counter[str]] = {}
    shown: dict[CountsKey, tuple[Period, str]] = {}
    for credit in credits_:
        amounts = (credit["counted_millionths"], credit["value_minor"])
        for day, columns in ((credit["day"], BY_DAY), (credit["click_day"], BY_CLICK)):
            for row in counts_rows(credit["advocate_id"], credit["link_id"], day, calendar):
                key = CountsKey(row.counts, row.key, row.period.start)
                adds.setdefault(key, Counter()).update(dict(zip(columns, amounts, strict=True)))
                shown[key] = (row.period, row.read_at)
    return [
        CreditedPlace(key.counts, key.key, shown[key][0], added, numbers.get(key, {}), shown[key][1])
        for key, added in sorted(adds.items())
    ]
