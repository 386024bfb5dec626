"""Clicks lie in raw partitions by UTC date, made when they are needed, and count in the programme's local days."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from aggregator.programme.store import Programme, ProgrammeStore
from link_events.identity import AdvocateId
from link_events.streams import Partition
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.sql import fetch

RAW_PARTITIONS = "SELECT relid::regclass::text FROM pg_partition_tree('click') WHERE isleaf AND level = 1 ORDER BY 1"
DAYS = "SELECT day, raw_clicks FROM advocate_day ORDER BY day"


async def _clicked_at(pipe: Pipe, *instants: datetime) -> None:
    pen = Pen()
    await pipe.take(*(pen.write(replace(PLAIN_CLICK, occurred_at=instant)) for instant in instants))


async def test_many_who_need_the_same_new_date_at_once_make_it_once(pipe: Pipe) -> None:
    """Twelve aggregators that see the first click of a date: each finds it made, by itself or by another."""
    dates = [date(2022, 2, day) for day in (1, 2, 3)]
    for day in dates:
        await asyncio.gather(*(pipe.store(f"owner {number}").ensure_days([day]) for number in range(12)))
    assert await fetch(pipe.dsn, RAW_PARTITIONS) == [(f"click_{day:%Y%m%d}",) for day in dates]


async def test_twelve_partitions_apply_the_first_clicks_of_a_date_at_once(pipe: Pipe) -> None:
    """While others go on writing to the dates there are."""
    pens = [Pen(Partition(number)) for number in range(12)]
    clicks = [replace(PLAIN_CLICK, occurred_at=datetime(2022, 2, day, tzinfo=UTC)) for day in (1, 2, 3)]
    for pen in pens:
        await pipe.append(*(pen.write(click) for click in clicks), partition=pen.partition)
    await pipe.apply(*(pipe.consumer(pen.partition) for pen in pens))
    assert await fetch(pipe.dsn, DAYS) == [(date(2022, 2, day), 12) for day in (1, 2, 3)]
    assert await pipe.drift() == []


async def test_a_batch_may_bring_many_dates(pipe: Pipe) -> None:
    """An import of old clicks, out of order."""
    instants = [datetime(2012, 3, 16, 12, tzinfo=UTC) + timedelta(days=7 * number % 31) for number in range(31)]
    await _clicked_at(pipe, *instants)
    assert await fetch(pipe.dsn, RAW_PARTITIONS) == [(f"click_{day:%Y%m%d}",) for day in sorted(instants)]
    assert await pipe.drift() == []


async def test_clicks_are_kept_from_2000_to_a_day_from_now_and_not_beyond(pipe: Pipe) -> None:
    """What is beyond is a dead letter and makes no raw partition."""
    now = datetime.now(UTC)
    first, last = datetime(2000, 1, 1, tzinfo=UTC), now + timedelta(hours=23)
    too_early, too_late = first - timedelta(microseconds=1), now + timedelta(hours=25)
    await _clicked_at(pipe, too_early, first, last, too_late, datetime(1, 1, 1, tzinfo=UTC))
    assert await fetch(pipe.dsn, RAW_PARTITIONS) == [("click_20000101",), (f"click_{last:%Y%m%d}",)]
    dead = await fetch(pipe.dsn, "SELECT seq, reason FROM dead_letter ORDER BY seq")
    assert dead == [(seq, "time_out_of_range") for seq in (1, 4, 5)]


@pytest.mark.parametrize(
    ("zone", "instants", "days"),
    [
        ("America/New_York", ["2022-03-13T04:59:59Z", "2022-03-13T05:00:00Z"], ["2022-03-12", "2022-03-13"]),
        ("America/New_York", ["2022-03-14T03:59:59Z", "2022-03-14T04:00:00Z"], ["2022-03-13", "2022-03-14"]),
        ("America/New_York", ["2022-11-06T03:59:59Z", "2022-11-06T04:00:00Z"], ["2022-11-05", "2022-11-06"]),
        ("America/New_York", ["2022-11-07T04:59:59Z", "2022-11-07T05:00:00Z"], ["2022-11-06", "2022-11-07"]),
        ("Africa/Cairo", ["2026-04-23T21:59:59Z", "2026-04-23T22:00:00Z"], ["2026-04-23", "2026-04-24"]),
        ("Asia/Kathmandu", ["2022-03-31T18:14:59Z", "2022-03-31T18:15:00Z"], ["2022-03-31", "2022-04-01"]),
        ("Pacific/Kiritimati", ["2022-03-31T09:59:59Z", "2022-03-31T10:00:00Z"], ["2022-03-31", "2022-04-01"]),
        ("Pacific/Niue", ["2022-04-01T10:59:59Z", "2022-04-01T11:00:00Z"], ["2022-03-31", "2022-04-01"]),
        ("Pacific/Apia", ["2011-12-30T09:59:59Z", "2011-12-30T10:00:00Z"], ["2011-12-29", "2011-12-31"]),
    ],
)
async def test_a_click_counts_in_the_day_that_its_clocks_show(
    pipe: Pipe, zone: str, instants: list[str], days: list[str]
) -> None:
    """A second on both sides of midnight, on days of 23, 24 and 25 hours, and where a day was left out."""
    await ProgrammeStore(pipe.pool).change(Programme(zone))
    await _clicked_at(pipe, *map(datetime.fromisoformat, instants))
    assert await fetch(pipe.dsn, DAYS) == [(date.fromisoformat(day), 1) for day in days]
    quarters = Counter(date(day.year, (day.month - 1) // 3 * 3 + 1, 1) for day in map(date.fromisoformat, days))
    stored = await fetch(pipe.dsn, "SELECT quarter_start, raw_clicks FROM advocate_quarter")
    assert stored == sorted(quarters.items())
    assert await pipe.drift() == []


async def test_an_hour_that_comes_twice_counts_twice(pipe: Pipe) -> None:
    """Half past one on the day the clocks go back: two instants, one local day of 25 hours."""
    await ProgrammeStore(pipe.pool).change(Programme("America/New_York"))
    day = datetime(2022, 11, 6, 4, 30, tzinfo=UTC)
    await _clicked_at(pipe, *(day + timedelta(hours=hour) for hour in range(26)))
    assert await fetch(pipe.dsn, DAYS) == [(date(2022, 11, 6), 25), (date(2022, 11, 7), 1)]


async def test_a_late_click_counts_in_its_own_day(pipe: Pipe) -> None:
    """However late it comes, and whatever was counted since."""
    pen = Pen()
    bo = replace(PLAIN_CLICK, advocate_id=AdvocateId("bo"))
    await pipe.take(pen.write(replace(bo, occurred_at=datetime(2022, 6, 1, tzinfo=UTC))))
    await pipe.take(pen.write(replace(bo, occurred_at=datetime(2021, 12, 31, tzinfo=UTC))))
    assert await fetch(pipe.dsn, DAYS) == [(date(2021, 12, 31), 1), (date(2022, 6, 1), 1)]
    assert await pipe.drift() == []
