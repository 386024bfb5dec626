"""Credits and activities as what they add to counts, in memory, before Postgres is touched. Pure.

A conversion is in the counts twice: by its own day and, in columns of their own, by the day of the click that earned.
Any split of the same credits and activities adds up to the same sums.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Final

from link_events.identity import AdvocateId, LinkId
from link_events.periods import quarter_start
from link_events.reasons import ActivityKind

_COLUMNS: Final = {
    ActivityKind.SHARE: "shares",
    ActivityKind.SESSION: "sessions",
    ActivityKind.ENGAGEMENT: "engagements",
}


@dataclass(slots=True)
class ResultCounts:
    """What is added to a counts row, or taken away where it is less than nothing.

    Credits are in millionths of a conversion, values in minor units of the programme's currency. Activities are an
    advocate's, never a link's.
    """

    credited_millionths: int = 0
    value_minor: int = 0
    by_click_millionths: int = 0
    by_click_value_minor: int = 0
    shares: int = 0
    sessions: int = 0
    engagements: int = 0

    def merge(self, other: "ResultCounts") -> None:
        """Everything of `other`."""
        for name in RESULT_COLUMNS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


RESULT_COLUMNS: Final = tuple(field.name for field in fields(ResultCounts))
"""Of an advocate's rows, by the names they have there."""

CREDIT_COLUMNS: Final = RESULT_COLUMNS[:4]
"""Of a link's: nobody shares by a link that is there already."""

NOTHING: Final = ResultCounts()

ByAdvocate = dict[tuple[AdvocateId, date], ResultCounts]
ByLink = dict[tuple[LinkId, date], ResultCounts]


class Results:
    """What one transaction adds to the counts of a partition, by key. What comes to nothing is left out."""

    def __init__(self) -> None:
        self._advocate_day: ByAdvocate = defaultdict(ResultCounts)
        self._advocate_quarter: ByAdvocate = defaultdict(ResultCounts)
        self._link_day: ByLink = defaultdict(ResultCounts)

    def add_credit(
        self, advocate_id: AdvocateId, link_id: LinkId, day: date, click_day: date, *, millionths: int, value_minor: int
    ) -> None:
        """A share of a conversion of the local `day` for a click of `click_day`; both negative to take it away."""
        by_conversion = ResultCounts(credited_millionths=millionths, value_minor=value_minor)
        by_click = ResultCounts(by_click_millionths=millionths, by_click_value_minor=value_minor)
        for on, added in ((day, by_conversion), (click_day, by_click)):
            self._add_to_advocate(advocate_id, on, added)
            self._link_day[link_id, on].merge(added)

    def add_activity(self, advocate_id: AdvocateId, day: date, kind: ActivityKind) -> None:
        """One more activity of a local day."""
        self._add_to_advocate(advocate_id, day, ResultCounts(**{_COLUMNS[kind]: 1}))

    def _add_to_advocate(self, advocate_id: AdvocateId, on: date, added: ResultCounts) -> None:
        self._advocate_day[advocate_id, on].merge(added)
        self._advocate_quarter[advocate_id, quarter_start(on)].merge(added)

    @property
    def advocate_day(self) -> Mapping[tuple[AdvocateId, date], ResultCounts]:
        """By advocate and local day."""
        return {key: one for key, one in self._advocate_day.items() if one != NOTHING}

    @property
    def advocate_quarter(self) -> Mapping[tuple[AdvocateId, date], ResultCounts]:
        """By advocate and the quarter's first day. A quarter is the sum of its days, here too."""
        return {key: one for key, one in self._advocate_quarter.items() if one != NOTHING}

    @property
    def link_day(self) -> Mapping[tuple[LinkId, date], ResultCounts]:
        """By link and local day."""
        return {key: one for key, one in self._link_day.items() if one != NOTHING}
