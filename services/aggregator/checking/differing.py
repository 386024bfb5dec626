"""Where counts are not what raw clicks add up to. Pure.

While nobody alters rows by hand, what a row is off by never changes: a batch adds the same to raw and to counts, in one
transaction (docs/adr/0009).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

from aggregator.counts.tables import CountsTable
from link_events.periods import Granularity
from link_events.streams import Partition


class Clicks(NamedTuple):
    """The numbers of a counts row; `visitors` of a quarter are visitor days."""

    raw: int = 0
    counted: int = 0
    not_counted: int = 0
    review: int = 0
    visitors: int = 0

    def plus(self, other: "Clicks") -> "Clicks":
        """Each number with that of `other` added."""
        return Clicks(*(one + another for one, another in zip(self, other, strict=True)))


NO_CLICKS: Final = Clicks()


@dataclass(frozen=True, slots=True)
class Difference:
    """A counts row that is not what it should be.

    `partition` is the one that its clicks come through, or its own where it has none behind it.
    """

    counts: CountsTable
    key: str
    start: date
    partition: Partition
    stored_partition: Partition | None
    stored: Clicks | None
    expected: Clicks

    @property
    def off(self) -> Clicks:
        """What has to be added to the row."""
        return Clicks(*(want - have for want, have in zip(self.expected, self.stored or NO_CLICKS, strict=True)))


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of comparing: how much was looked at, how many rows differ by table, and the first of these.

    `slots`: how many slots of a day are not held by their first counted click.
    """

    clicks: int = 0
    rows: int = 0
    differing: Mapping[CountsTable, int] = field(default_factory=dict)
    differences: Sequence[Difference] = ()
    slots: int = 0

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
    clicks: Clicks


class OffByAdvocate:
    """What has to be added to advocates' days: their quarters are compared with these as they should be.

    A sum for each advocate, not a row for each day: after all counts were lost, those are millions.
    """

    def __init__(self) -> None:
        self._sums: dict[str, AdvocateOff] = {}

    def add(self, differences: Iterable[Difference]) -> None:
        """Advocates' days that differ."""
        for one in differences:
            before = self._sums[one.key].clicks if one.key in self._sums else NO_CLICKS
            self._sums[one.key] = AdvocateOff(one.partition, before.plus(one.off))

    @property
    def sums(self) -> Mapping[str, AdvocateOff]:
        """By advocate."""
        return self._sums
