"""Clicks fold to the same counts in any order and any batches, and the counts add up (guarantee 5)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.applying.fold import ClickCounts, Folded, JudgedClick, fold
from aggregator.judge import Judgement
from link_events.identity import AdvocateId, JournalId, LinkId, Origin, Seq
from link_events.periods import quarter_start
from link_events.reasons import Verdict
from link_events.streams import Offset, Partition, Stream
from stage.events import PLAIN_CLICK

ORIGIN = Origin(JournalId(b"journal1"), Stream.CLICKS, Partition(0), Seq(1))
NOW = datetime(2022, 2, 14, tzinfo=UTC)


def _judged(advocate: str, link: int, day: date, verdict: Verdict) -> JudgedClick:
    click = replace(PLAIN_CLICK, advocate_id=AdvocateId(advocate), link_id=LinkId(link))
    return JudgedClick(ORIGIN, NOW, Offset(0), NOW, click, day, Judgement(verdict, (), "test"))


def _clicks() -> st.SearchStrategy[list[JudgedClick]]:
    """Few advocates, links and days, so that they meet; days on both sides of a quarter's end."""
    days = st.sampled_from([date(2021, 12, 31), date(2022, 1, 1), date(2022, 3, 31), date(2022, 4, 1)])
    return st.lists(
        st.builds(_judged, st.sampled_from(["ada", "bo"]), st.integers(1, 3), days, st.sampled_from(Verdict)),
        max_size=30,
    )


Sums = Counter[tuple[object, ...]]


def _sums(parts: Iterable[Folded]) -> Sums:
    """What several folded batches add up to, table by table, column by column."""
    sums: Sums = Counter()
    for folded in parts:
        for table in ("advocate_day", "advocate_quarter", "link_day"):
            for key, counts in getattr(folded, table).items():
                for column in ("raw", "counted", "not_counted", "review"):
                    sums[table, *key, column] += getattr(counts, column)
    return +sums


@given(_clicks(), st.integers(1, 7), st.randoms(use_true_random=False))
def test_any_batches_in_any_order_fold_to_the_same(clicks: list[JudgedClick], size: int, random: Random) -> None:
    """A redo, another batch size or another aggregator changes no count."""
    shuffled = list(clicks)
    random.shuffle(shuffled)
    parts = [fold(shuffled[start : start + size]) for start in range(0, len(shuffled), size)]
    assert _sums(parts) == _sums([fold(clicks)])


@given(_clicks())
def test_verdicts_add_up_to_raw(clicks: list[JudgedClick]) -> None:
    """For every advocate, link, day and quarter."""
    folded = fold(clicks)
    for table in (folded.advocate_day, folded.advocate_quarter, folded.link_day):
        counts: Sequence[ClickCounts] = list(table.values())
        assert all(one.raw == one.counted + one.not_counted + one.review for one in counts)
        assert sum(one.raw for one in counts) == len(clicks)


@given(_clicks())
def test_a_quarter_is_the_sum_of_its_days(clicks: list[JudgedClick]) -> None:
    """Column by column."""
    folded = fold(clicks)
    quarters: Counter[tuple[str, date, Verdict]] = Counter()
    for (advocate, day), counts in folded.advocate_day.items():
        quarters[advocate, quarter_start(day), Verdict.COUNTED] += counts.counted
        quarters[advocate, quarter_start(day), Verdict.NOT_COUNTED] += counts.not_counted
        quarters[advocate, quarter_start(day), Verdict.REVIEW] += counts.review
    for (advocate, start), counts in folded.advocate_quarter.items():
        assert quarters.pop((advocate, start, Verdict.COUNTED)) == counts.counted
        assert quarters.pop((advocate, start, Verdict.NOT_COUNTED)) == counts.not_counted
        assert quarters.pop((advocate, start, Verdict.REVIEW)) == counts.review
    assert not quarters


@pytest.mark.parametrize("verdict", Verdict)
def test_a_click_counts_once_under_its_verdict(verdict: Verdict) -> None:
    """Whatever it is, it is raw."""
    counts = fold([_judged("ada", 1, date(2022, 2, 14), verdict)]).advocate_day[AdvocateId("ada"), date(2022, 2, 14)]
    assert counts == ClickCounts(raw=1, **{verdict.value: 1})


def test_nothing_folds_to_nothing() -> None:
    """A batch of heartbeats touches no counts."""
    assert fold([]) == Folded()
