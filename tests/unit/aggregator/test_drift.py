"""What differs is counted as of the last look at its slice, told of once, and forgotten when it is mended."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.checking.differing import (
    EXPLAINED,
    NOTHING,
    AdvocateOff,
    Comparison,
    Difference,
    Look,
    Numbers,
    OffByAdvocate,
)
from aggregator.checking.drift import Drift
from aggregator.checking.plan import Quarter, Stored, plan_for
from aggregator.checking.progress import Estimate
from aggregator.checking.running import Pace, told
from aggregator.counts.asking import Days
from aggregator.counts.tables import CountsTable
from link_events.periods import ONE_DAY, Granularity, quarter_start
from link_events.streams import Partition

DAY = date(2022, 2, 14)
ADA = Difference(
    CountsTable.ADVOCATE_DAY, "ada", DAY, Partition(3), Partition(3), Numbers(5, 4, 1, 0, 2), Numbers(4, 3, 1, 0, 1)
)
GONE = replace(ADA, key="bo", stored=None, stored_partition=None)
FINE = Comparison(clicks=4, rows=2)


def _look(*differences: Difference, start: date = DAY) -> Look:
    totals = {CountsTable.ADVOCATE_DAY: len(differences)} if differences else {}
    return Look(Granularity.DAY, start, Comparison(4, 2, totals, differences))


def test_a_row_is_told_of_once() -> None:
    """Again only when it differs by something else."""
    drift = Drift()
    assert drift.note(_look(ADA)) == [ADA]
    assert drift.note(_look(ADA, GONE)) == [GONE]
    worse = replace(ADA, expected=Numbers(3, 2, 1, 0, 1))
    assert drift.note(_look(worse, GONE)) == [worse]
    both_grew = replace(worse, stored=Numbers(7, 6, 1, 0, 4), expected=Numbers(5, 4, 1, 0, 3))
    assert drift.note(_look(both_grew, GONE)) == []
    assert drift.rows == {CountsTable.ADVOCATE_DAY: 2, CountsTable.ADVOCATE_QUARTER: 0, CountsTable.LINK_DAY: 0}


def test_a_row_that_was_mended_leaves() -> None:
    """At the next look at its slice, and no other; broken again, it is told of again."""
    drift = Drift()
    drift.note(_look(ADA))
    drift.note(_look(start=DAY + ONE_DAY))
    assert drift.rows[CountsTable.ADVOCATE_DAY] == 1
    drift.note(_look())
    assert drift.rows[CountsTable.ADVOCATE_DAY] == 0
    assert drift.note(_look(ADA)) == [ADA]


def test_what_falls_to_another_is_forgotten() -> None:
    """Else it would be counted twice."""
    drift = Drift()
    drift.note(_look(ADA))
    drift.note(Look(Granularity.DAY, DAY + ONE_DAY, None))
    drift.keep({quarter_start(DAY)})
    assert (drift.rows[CountsTable.ADVOCATE_DAY], drift.days_beyond) == (1, 1)
    drift.keep({date(2022, 4, 1)})
    assert (drift.rows[CountsTable.ADVOCATE_DAY], drift.days_beyond) == (0, 0)


def test_a_difference_is_what_has_to_be_added() -> None:
    """Also where there is no row."""
    assert ADA.off == Numbers(-1, -1, 0, 0, -1)
    assert GONE.off == GONE.expected


def test_a_quarter_is_compared_with_days_as_they_should_be() -> None:
    """What each day of an advocate is off by adds up."""
    off = OffByAdvocate()
    off.add([ADA, GONE])
    off.add([replace(GONE, start=DAY + ONE_DAY)])
    assert off.sums == {
        "ada": AdvocateOff(Partition(3), Numbers(-1, -1, 0, 0, -1)),
        "bo": AdvocateOff(Partition(3), Numbers(8, 6, 2, 0, 2)),
    }


def test_a_row_is_told_of_with_its_numbers() -> None:
    """A person has to see what is wrong, and by how much."""
    assert told(ADA) == (
        "counts drifted: advocate_day ada 2022-02-14: 5/4/1/0/2 is stored, 4/3/1/0/1 is what its clicks and results "
        f"add up to ({EXPLAINED})"
    )
    assert "no row is stored, 4/3/1/0/1" in told(GONE)
    assert told(replace(ADA, stored_partition=Partition(7))).endswith(", partition 7 where what is behind it is of 3")


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (NOTHING, "0/0/0/0/0"),
        (Numbers(5, 4, 1, 0, 2), "5/4/1/0/2"),
        (Numbers(credited_millionths=1_500_000, by_click_value_minor=99), "0/0/0/0/0, credits 1500000/0/0/99"),
        (Numbers(3, 3, shares=2, engagements=1), "3/3/0/0/0, activities 2/0/1"),
    ],
)
def test_numbers_are_told_in_their_groups(numbers: Numbers, expected: str) -> None:
    """What came of clicks is told of where there is any."""
    assert numbers.told == expected
    assert len(EXPLAINED.split("; ")) == 3


@pytest.mark.parametrize("wrong", [replace(FINE, slots=1), replace(FINE, conversions=2)])
def test_a_slice_whose_rows_are_right_may_be_wrong_otherwise(wrong: Comparison) -> None:
    """Its slots or its conversions, which are counted until they are mended."""
    drift = Drift()
    drift.note(Look(Granularity.DAY, DAY, wrong))
    assert (drift.slots, drift.conversions) == (wrong.slots, wrong.conversions)
    drift.note(_look())
    assert (drift.slots, drift.conversions) == (0, 0)


def test_days_of_raw_and_of_counts_are_looked_at_newest_first() -> None:
    """A UTC date may hold clicks of the local days before and after it; an empty one holds none."""
    stored = Stored({date(2021, 12, 24)}, {date(2021, 7, 1)}, {DAY: 100, DAY + 5 * ONE_DAY: 0})
    plan = plan_for(stored, Days())
    assert plan.quarters == [
        Quarter(date(2022, 1, 1), [DAY + ONE_DAY, DAY, DAY - ONE_DAY]),
        Quarter(date(2021, 10, 1), [date(2021, 12, 24)]),
        Quarter(date(2021, 7, 1), []),
    ]
    assert sum(plan.shares.values()) == pytest.approx(1)
    assert plan.shares[DAY] > 0.9
    only = plan_for(stored, Days(first=DAY, last=DAY))
    assert only.quarters == [Quarter(date(2022, 1, 1), [DAY], unasked=[DAY + ONE_DAY, DAY - ONE_DAY])]


@given(st.sets(st.dates(), min_size=1), st.integers(1, 256))
def test_every_quarter_falls_to_one_partition_and_the_next_to_the_next(days: set[date], partitions: int) -> None:
    """So all aggregators together compare every day."""
    plan = plan_for(Stored(days, (), {}), Days())
    assert {day for quarter in plan.quarters for day in quarter.days} == days
    for quarter in plan.quarters:
        assert quarter.number % partitions in range(partitions)
        if quarter.start > date(1, 1, 1):
            before = Quarter(quarter_start(quarter.start - ONE_DAY), [])
            assert quarter.number - before.number == 1


@pytest.mark.parametrize(("took_s", "pause_s"), [(0.001, 0.1), (0.5, 4.5), (100, 60)])
def test_a_bounded_share_of_the_time_is_spent(took_s: float, pause_s: float) -> None:
    """However long a slice takes."""
    assert Pace().pause_s(took_s) == pytest.approx(pause_s)


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (Estimate(0.25, 2_500_123, 30), "2,500,123 of about 10,000,000 clicks, 83,337/s, 1:30 left"),
        (Estimate(1, 99, 0), "99 of about 99 clicks, 0/s, 0:00 left"),
        (Estimate(0, 0, 1), "0 of about 0 clicks, 0/s"),
    ],
)
def test_an_estimate_says_how_far_how_fast_and_how_long(estimate: Estimate, expected: str) -> None:
    """From the share of the work that is done."""
    assert estimate.told == expected


def test_nothing_is_off_where_nothing_differs() -> None:
    """The sum of no differences is none."""
    assert OffByAdvocate().sums == {}
    assert NOTHING.plus(ADA.off) == ADA.off
    assert FINE.differing_rows == 0
