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


@dataclass(slots=True)
class ClickCounts:
    """Clicks, and how they were judged; the verdicts add up to the whole."""

    raw: int = 0
    counted: int = 0
    not_counted: int = 0
    review: int = 0

    def add(self, verdict: Verdict) -> None:
        """One more click, of this verdict."""
        self.raw += 1
        match verdict:
            case Verdict.COUNTED:
                self.counted += 1
            case Verdict.NOT_COUNTED:
                self.not_counted += 1
            case Verdict.REVIEW:
                self.review += 1


@dataclass(frozen=True, slots=True)
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


def fold(judged: Iterable[JudgedClick]) -> Folded:
    """The sums of `judged`."""
    folded = Folded()
    for one in judged:
        click, day, verdict = one.click, one.local_day, one.judgement.verdict
        folded.advocate_day[click.advocate_id, day].add(verdict)
        folded.advocate_quarter[click.advocate_id, quarter_start(day)].add(verdict)
        folded.link_day[click.link_id, day].add(verdict)
    return folded
