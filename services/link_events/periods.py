"""Local days, weeks and quarters. The only place that turns an instant into a day and a day into a period.

Everything is in the programme's zone and by its calendar. A day is a date; periods include both their ends.
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum, StrEnum
from functools import cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

MONTHS_PER_QUARTER: Final = 3
DAYS_PER_WEEK: Final = 7
ONE_DAY: Final = timedelta(days=1)

CLOCKS_BACK_MAX: Final = timedelta(hours=2)
"""Clocks go back by no more at a time, and those that go back over midnight do so within a minute after it."""

_QUARTER: Final = re.compile(r"([1-9][0-9]{3})-Q([1-4])")


class Granularity(StrEnum):
    """How counts are cut in time. `total` is one period from the first day to the last."""

    DAY = "day"
    WEEK = "week"
    QUARTER = "quarter"
    TOTAL = "total"


class Weekday(IntEnum):
    """Days of the week, numbered as `date.weekday` does."""

    MONDAY = 0
    TUESDAY = 1
    WEDNESDAY = 2
    THURSDAY = 3
    FRIDAY = 4
    SATURDAY = 5
    SUNDAY = 6


@dataclass(frozen=True, slots=True)
class Calendar:
    """A programme's zone and weeks. Quarters are the calendar year's."""

    zone: ZoneInfo
    first_weekday: Weekday = Weekday.MONDAY


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """Consecutive local days, both ends included, and what people call them."""

    start: date
    end: date
    label: str


def zone_named(name: str) -> ZoneInfo | None:
    """The IANA zone called `name`, or None where there is none.

    Its rules come from the tzdata package and never from the machine: two machines must agree on every day.
    """
    return _zone(name) if name in _zone_names() else None


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


@cache
def _zone(name: str) -> ZoneInfo:
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The local day in which `instant` (aware) falls."""
    return instant.astimezone(zone).date()


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of the local `day`, in UTC.

    Where a clock change skips midnight, the day begins at the change; where midnight comes twice, at the first.
    Where clocks went back over midnight (Newfoundland until 2011), the hour that came back lies after the start of the
    next day although `local_day` gives it to the day before: `local_day` decides.
    """
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def day_end(day: date, zone: ZoneInfo) -> datetime:
    """The first instant after the local `day`, in UTC. Days last 23, 24 or 25 hours, a skipped day none."""
    return day_start(day + ONE_DAY, zone)


def utc_dates(day: date, zone: ZoneInfo) -> tuple[date, date]:
    """The first and the last UTC date that hold an instant of the local `day`; two dates at most, mostly.

    Where clocks go back over midnight, the hour that came back belongs to `day` too (see `day_start`).
    """
    start, end = day_start(day, zone), day_end(day, zone)
    goes_back = _offset(end, zone) > _offset(end + CLOCKS_BACK_MAX, zone)
    last = end + (CLOCKS_BACK_MAX if goes_back else -datetime.resolution)
    return start.date(), max(start, last).date()


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta(0)


def quarter_start(day: date) -> date:
    """The first day of the calendar quarter that holds `day`."""
    return date(day.year, day.month - (day.month - 1) % MONTHS_PER_QUARTER, 1)


def quarter_named(label: str) -> Period | None:
    """The calendar quarter of that label, as `period_of` writes it (years have four digits), or None."""
    found = _QUARTER.fullmatch(label)
    return _quarter_of(date(int(found[1]), MONTHS_PER_QUARTER * int(found[2]), 1)) if found else None


def period_of(day: date, granularity: Granularity, calendar: Calendar) -> Period:
    """The day, week or quarter that holds `day`.

    Raises:
        ValueError: `total` holds no single day; `periods_between` makes it.
    """
    match granularity:
        case Granularity.DAY:
            return Period(day, day, day.isoformat())
        case Granularity.WEEK:
            return _week_of(day, calendar.first_weekday)
        case Granularity.QUARTER:
            return _quarter_of(day)
        case Granularity.TOTAL:
            raise ValueError("a total is not found by a day")


def periods_between(first: date, last: date, granularity: Granularity, calendar: Calendar) -> list[Period]:
    """Every period that holds a day from `first` to `last`, in order; none where `last` is before `first`."""
    if last < first:
        return []
    if granularity is Granularity.TOTAL:
        return [Period(first, last, _interval(first, last))]
    return list(_walk(first, last, granularity, calendar))


def _walk(first: date, last: date, granularity: Granularity, calendar: Calendar) -> Iterator[Period]:
    day = first
    while day <= last:
        period = period_of(day, granularity, calendar)
        yield period
        day = period.end + ONE_DAY


def _week_of(day: date, first_weekday: Weekday) -> Period:
    start = day - timedelta(days=(day.weekday() - first_weekday) % DAYS_PER_WEEK)
    end = start + timedelta(days=DAYS_PER_WEEK - 1)
    if first_weekday is not Weekday.MONDAY:
        return Period(start, end, _interval(start, end))
    year, week, _ = start.isocalendar()
    return Period(start, end, f"{year}-W{week:02}")


def _quarter_of(day: date) -> Period:
    start = quarter_start(day)
    last_month = start.month + MONTHS_PER_QUARTER - 1
    end = date(start.year, last_month, monthrange(start.year, last_month)[1])
    return Period(start, end, f"{start.year}-Q{(start.month - 1) // MONTHS_PER_QUARTER + 1}")


def _interval(first: date, last: date) -> str:
    """An ISO 8601 interval of whole days."""
    return f"{first.isoformat()}/{last.isoformat()}"
