"""The tables that hold counts. Pure."""

from enum import StrEnum


class CountsTable(StrEnum):
    """A table of counts, by its name. A click is in one row of each."""

    ADVOCATE_DAY = "advocate_day"
    ADVOCATE_QUARTER = "advocate_quarter"
    LINK_DAY = "link_day"
