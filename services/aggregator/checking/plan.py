"""What there is to compare: local days, and the quarters that they make. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from aggregator.counts.asking import Days
from link_events.periods import MONTHS_PER_QUARTER, ONE_DAY, quarter_start


@dataclass(frozen=True, slots=True)
class Quarter:
    """Local days of one quarter, to be compared before the quarter itself.

    `unasked` are its other days: they are looked at only where the quarter differs, for it may be by one of them.
    """

    start: date
    days: Sequence[date]
    unasked: Sequence[date] = field(default_factory=list)

    @property
    def number(self) -> int:
        """Quarters that follow each other have numbers that do."""
        return self.start.year * (12 // MONTHS_PER_QUARTER) + self.start.month // MONTHS_PER_QUARTER


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database holds: days and beginnings of quarters that have counts, UTC dates of raw with their bytes."""

    days: Collection[date]
    quarters: Collection[date]
    raw_bytes: Mapping[date, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is compared, the newest first, and how much of all the work each day is (0 to 1), roughly."""

    quarters: Sequence[Quarter]
    shares: Mapping[date, float]


def plan_for(stored: Stored, wanted: Days) -> Plan:
    """Every day of `wanted` that may hold clicks or counts, and each quarter that has one of them.

    A UTC date holds clicks of three local days at most, whatever the zone.
    """
    raw_days = {day + ONE_DAY * shift for day, size in stored.raw_bytes.items() if size for shift in (-1, 0, 1)}
    every_day = raw_days | set(stored.days)
    days = {day for day in every_day if _is_within(day, wanted)}
    starts = {start for start in stored.quarters if _is_within(start, wanted)} | {quarter_start(day) for day in days}
    quarters = [
        Quarter(start, _of_quarter(days, start), _of_quarter(every_day - days, start))
        for start in sorted(starts, reverse=True)
    ]
    return Plan(quarters, _shares(days, stored.raw_bytes))


def _of_quarter(days: Collection[date], start: date) -> Sequence[date]:
    return sorted((day for day in days if quarter_start(day) == start), reverse=True)


def _is_within(day: date, wanted: Days) -> bool:
    return (wanted.first or day) <= day <= (wanted.last or day)


def _shares(days: Collection[date], raw_bytes: Mapping[date, int]) -> Mapping[date, float]:
    """By the bytes of the UTC date of the same name; one more each, so that empty days take a moment too."""
    weights = {day: raw_bytes.get(day, 0) + 1 for day in days}
    whole = sum(weights.values())
    return {day: weight / whole for day, weight in weights.items()}
