"""The tables that hold counts. Pure."""

from decimal import Decimal
from enum import StrEnum
from typing import Any

from link_events.periods import Granularity


class CountsTable(StrEnum):
    """A table of counts, by its name. A click is in one row of each."""

    ADVOCATE_DAY = "advocate_day"
    ADVOCATE_QUARTER = "advocate_quarter"
    LINK_DAY = "link_day"

    @property
    def granularity(self) -> Granularity:
        """What a row is of."""
        return Granularity.QUARTER if self is CountsTable.ADVOCATE_QUARTER else Granularity.DAY


def visitors_column(granularity: Granularity) -> str:
    """What visitors are called where counts are cut like this: only within a day can different ones be told apart."""
    return "visitors" if granularity is Granularity.DAY else "visitor_days"


def whole(row: Any) -> dict[str, Any]:
    """A row of counts with its sums of money, which Postgres has as numeric, as the integers that they are."""
    return {name: int(value) if isinstance(value, Decimal) else value for name, value in row.items()}
