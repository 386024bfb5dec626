"""The way through a quarter: each of its days, then the quarter itself."""

from collections.abc import AsyncIterator
from datetime import date

from aggregator.checking.differing import Look
from aggregator.checking.plan import Quarter
from aggregator.checking.store import ComparingStore
from link_events.periods import Granularity


async def look_through(store: ComparingStore, quarter: Quarter) -> AsyncIterator[Look]:
    """Compare slice by slice; whoever iterates may pause in between.

    Days that differ are compared once more with their quarter, in one snapshot: so a quarter is never told of for what
    its days are off by, be they asked for or not, nor for what was mended between two looks.
    """
    differing: list[date] = []
    for day in quarter.days:
        comparison = await store.compare_day(day)
        if comparison is not None and comparison.differing_rows:
            differing.append(day)
        yield Look(Granularity.DAY, day, comparison)
    whole = await store.compare_quarter(quarter, again=differing)
    if whole.differing_rows and quarter.unasked:
        whole = await store.compare_quarter(quarter, again=[*differing, *quarter.unasked])
    yield Look(Granularity.QUARTER, quarter.start, whole)
