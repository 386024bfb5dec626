"""What somebody asks of the counts: which days, cut how, grouped by what, and from where on. Pure."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

import orjson

from link_events.periods import Calendar, Granularity, Period, periods_between

ROWS_DEFAULT = 1_000
ROWS_MAX = 10_000

_BIGINTS: Final = range(-(2**63), 2**63)


class GroupBy(StrEnum):
    """What counts are grouped by."""

    ADVOCATE = "advocate"
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Days:
    """Local days that are asked for, both ends included; None is no limit."""

    first: date | None = None
    last: date | None = None

    @property
    def everything(self) -> bool:
        """Whether there is no limit at either end."""
        return self.first is None and self.last is None


@dataclass(frozen=True, slots=True)
class Cut:
    """Days that may hold counts, and the periods they fall into.

    A day's period is found by its place among `starts`: the last start at or before it.
    """

    asked: Days
    first: date
    last: date
    periods: Sequence[Period]

    @property
    def starts(self) -> list[date]:
        """Where each period begins."""
        return [period.start for period in self.periods]

    def is_partial(self, period: Period) -> bool:
        """Whether the asked days cut the period short."""
        cut_at_start = self.asked.first is not None and period.start < self.asked.first
        return cut_at_start or (self.asked.last is not None and period.end > self.asked.last)


def cut_days(asked: Days, stored: Days, granularity: Granularity, calendar: Calendar) -> Cut | None:
    """The asked days as far as anything is stored, cut into periods; None where nothing is.

    A total is of the days asked for, whether or not each of them has clicks.
    """
    if stored.first is None or stored.last is None:
        return None
    first, last = max(asked.first or stored.first, stored.first), min(asked.last or stored.last, stored.last)
    if last < first:
        return None
    if granularity is Granularity.TOTAL:
        total = periods_between(asked.first or first, asked.last or last, granularity, calendar)
        return Cut(asked, first, last, total)
    return Cut(asked, first, last, periods_between(first, last, granularity, calendar))


def write_cursor(values: Sequence[Any]) -> str:
    """An opaque cursor: the key of the last row seen."""
    return base64.urlsafe_b64encode(orjson.dumps(list(values))).decode().rstrip("=")


def read_cursor(cursor: str, kinds: Sequence[type]) -> list[Any]:
    """The key in `cursor`.

    Raises:
        ValueError: it is no cursor of ours.
    """
    try:
        values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError as error:  # base64's, JSON's and Unicode's errors are all of this kind
        raise ValueError("not a cursor that was handed out") from error
    if not isinstance(values, list) or [type(value) for value in values] != list(kinds):
        raise ValueError("not a cursor of this list")
    if not all(_can_be_asked(value) for value in values):
        raise ValueError("not a cursor that was handed out")
    return values


def _can_be_asked(value: object) -> bool:
    """Whether Postgres takes `value` as a bigint or a text."""
    if isinstance(value, int):
        return value in _BIGINTS
    return not isinstance(value, str) or "\0" not in value
