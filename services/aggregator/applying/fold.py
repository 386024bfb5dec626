"""Clicks folded into counts, in memory, before Postgres is touched. Pure.

Any split of the same clicks into batches folds to the same sums.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from aggregator.judge import Judgement
from link_events.events import Click
from link_events.identity import AdvocateId, LinkId, Origin
from link_events.periods import quarter_start
from link_events.reasons import Verdict
from link_events.streams import Offset
from link_events.values import value


@dataclass(slots=True)
class ClickCounts:
    """Clicks, how they were judged, which adds up to the whole, and visitors: of a day, or visitor days."""

    raw: int = 0
    counted: int = 0
    not_counted: int = 0
    review: int = 0
    visitors: int = 0

    def add(self, verdict: Verdict) -> None:
        """One more click, of this verdict."""
        self.raw += 1
        if verdict is Verdict.COUNTED:
            self.counted += 1
        elif verdict is Verdict.NOT_COUNTED:
            self.not_counted += 1
        else:
            self.review += 1

    def turn(self, before: Verdict, after: Verdict) -> None:
        """A click that was of one verdict is of another."""
        for verdict, clicks in ((before, -1), (after, 1)):
            setattr(self, verdict.value, getattr(self, verdict.value) + clicks)

    def merge(self, other: "ClickCounts") -> None:
        """All clicks of `other`."""
        self.raw += other.raw
        self.counted += other.counted
        self.not_counted += other.not_counted
        self.review += other.review
        self.visitors += other.visitors


@value(frozen=True, slots=True)
class JudgedClick:
    """A click on its way into raw and counts: where it was journaled and logged, its local day and its judgement."""

    origin: Origin
    captured_at: datetime
    offset: Offset
    logged_at: datetime
    click: Click
    local_day: date
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Folded:
    """What a batch adds to each counts table, by key."""

    advocate_day: dict[tuple[AdvocateId, date], ClickCounts] = field(default_factory=lambda: defaultdict(ClickCounts))
    advocate_quarter: dict[tuple[AdvocateId, date], ClickCounts] = field(
        default_factory=lambda: defaultdict(ClickCounts)
    )
    link_day: dict[tuple[LinkId, date], ClickCounts] = field(default_factory=lambda: defaultdict(ClickCounts))

    def add(self, judged: Iterable[JudgedClick]) -> None:
        """More clicks. Quarters are added once, when all are there: a batch has far fewer days than clicks."""
        advocate_day, link_day = self.advocate_day, self.link_day
        for one in judged:
            click, day, verdict = one.click, one.local_day, one.judgement.verdict
            advocate_day[click.advocate_id, day].add(verdict)
            link_day[click.link_id, day].add(verdict)

    def add_quarters(self) -> None:
        """A quarter is the sum of its days, here too."""
        for (advocate_id, day), counts in self.advocate_day.items():
            self.advocate_quarter[advocate_id, quarter_start(day)].merge(counts)


def fold(judged: Iterable[JudgedClick]) -> Folded:
    """The sums of `judged`."""
    folded = Folded()
    folded.add(judged)
    folded.add_quarters()
    return folded
