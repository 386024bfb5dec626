"""Where counts are not what raw clicks, credits and activities add up to. Pure.

While nobody alters rows by hand, what a row is off by never changes: whoever writes clicks, credits or activities adds
the same to counts, in one transaction (docs/adr/0009, 0022).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from aggregator.counts.tables import CountsTable
from link_events.periods import Granularity
from link_events.streams import Partition


class Numbers(NamedTuple):
    """The numbers of a counts row; `visitors` of a quarter are visitor days. A link has no activities."""

    raw: int = 0
    counted: int = 0
    not_counted: int = 0
    review: int = 0
    visitors: int = 0
    credited_millionths: int = 0
    value_minor: int = 0
    by_click_millionths: int = 0
    by_click_value_minor: int = 0
    shares: int = 0
    sessions: int = 0
    engagements: int = 0

    @classmethod
    def of(cls, stored: Iterable[int | Decimal]) -> "Numbers":
        """Those of a row of Postgres's, where sums are numeric."""
        return cls(*map(int, stored))

    def plus(self, other: "Numbers") -> "Numbers":
        """Each number with that of `other` added."""
        return Numbers(*(one + another for one, another in zip(self, other, strict=True)))

    @property
    def told(self) -> str:
        """For people: clicks, then credits and activities where there are any (EXPLAINED says in which order)."""
        groups = ("", self[:5]), ("credits ", self[5:9]), ("activities ", self[9:])
        return ", ".join(name + "/".join(map(str, group)) for name, group in groups if not name or any(group))


EXPLAINED: Final = (
    "raw/counted/not counted/review/visitors (of a quarter: visitor days); of credits millionths/value by the "
    "conversion's day/millionths/value by the click's; of activities shares/sessions/engagements"
)
"""What the numbers of `Numbers.told` are."""

NOTHING: Final = Numbers()


@dataclass(frozen=True, slots=True)
class Difference:
    """A counts row that is not what it should be.

    `partition` is the one that what is behind it comes through, or its own where there is nothing behind it.
    """

    counts: CountsTable
    key: str
    start: date
    partition: Partition
    stored_partition: Partition | None
    stored: Numbers | None
    expected: Numbers

    @property
    def off(self) -> Numbers:
        """What has to be added to the row."""
        return Numbers(*(want - have for want, have in zip(self.expected, self.stored or NOTHING, strict=True)))


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of comparing: how much was looked at, how many rows differ by table, and the first of these.

    `slots`: how many slots of a day are not held by their first counted click. `conversions`: how many of a day have
    other credits than their state says; `first_conversions` are their ids in Postgres.
    """

    clicks: int = 0
    rows: int = 0
    differing: Mapping[CountsTable, int] = field(default_factory=dict)
    differences: Sequence[Difference] = ()
    slots: int = 0
    conversions: int = 0
    first_conversions: Sequence[int] = ()

    @property
    def agrees(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.differing_rows or self.slots or self.conversions)

    @property
    def differing_rows(self) -> int:
        """Of all tables."""
        return sum(self.differing.values())

    def of(self, table: CountsTable) -> Sequence[Difference]:
        """The rows of one table that differ."""
        return [one for one in self.differences if one.counts is table]


@dataclass(frozen=True, slots=True)
class Look:
    """One slice, a day or a quarter, and what came of comparing it; None where its raw clicks were let go."""

    granularity: Granularity
    start: date
    comparison: Comparison | None


@dataclass(frozen=True, slots=True)
class AdvocateOff:
    """What the days of one advocate are off by, all together."""

    partition: Partition
    numbers: Numbers


class OffByAdvocate:
    """What has to be added to advocates' days: their quarters are compared with these as they should be.

    A sum for each advocate, not a row for each day: after all counts were lost, those are millions.
    """

    def __init__(self) -> None:
        self._sums: dict[str, AdvocateOff] = {}

    def add(self, differences: Iterable[Difference]) -> None:
        """Advocates' days that differ."""
        for one in differences:
            before = self._sums[one.key].numbers if one.key in self._sums else NOTHING
            self._sums[one.key] = AdvocateOff(one.partition, before.plus(one.off))

    @property
    def sums(self) -> Mapping[str, AdvocateOff]:
        """By advocate."""
        return self._sums
