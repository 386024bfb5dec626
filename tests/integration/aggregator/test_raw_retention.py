"""Raw clicks of old dates go where a retention is set, and no count changes by it, whenever it happens.

Guarantee 5 holds from the horizon on; guarantee 4 holds before it too.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from aggregator.app import running
from aggregator.applying.interruptions import Interruption
from aggregator.dead_letters.outcomes import Ending
from aggregator.maintenance import House, Retention, tidy_up
from aggregator.raw_days.store import RawDayStore
from aggregator.settings import AggregatorSettings
from database.pool import small_pool
from event_log.contract import Record
from http_api.serving import Failures, cancel_all
from link_events.events import Click
from stage.dead import UNREADABLE, broken_decoder, dead_letters, replayed
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.sql import fetch, fetch_value, session, waiting_for_locks
from stage.waiting import eventually_async

OLD = date(2022, 2, 14)
"""When PLAIN_CLICK happened."""

NEXT = OLD + timedelta(days=1)
RAW_DAYS = "SELECT relid::regclass::text FROM pg_partition_tree('click') WHERE isleaf AND level = 1 ORDER BY 1"
COUNTS = """
    SELECT 'link_day', link_id::text, day::text, raw_clicks, counted_clicks FROM link_day
    UNION ALL SELECT 'advocate_day', advocate_id, day::text, raw_clicks, counted_clicks FROM advocate_day
    UNION ALL SELECT 'advocate_quarter', advocate_id, quarter_start::text, raw_clicks, counted_clicks
    FROM advocate_quarter ORDER BY 1, 2, 3
"""


@pytest.fixture
def raw_days(pipe: Pipe) -> RawDayStore:
    return RawDayStore(pipe.pool)


def _clicks(pen: Pen, count: int, click: Click = PLAIN_CLICK) -> list[Record]:
    return [pen.write(click) for _ in range(count)]


def _a_day_later(click: Click) -> Click:
    return replace(click, occurred_at=click.occurred_at + timedelta(days=1))


async def _counted(pipe: Pipe, day: date) -> Any:
    return await fetch_value(pipe.dsn, "SELECT raw_clicks FROM advocate_day WHERE day = $1", day)


async def test_for_ever_unless_told_otherwise(pipe: Pipe, raw_days: RawDayStore) -> None:
    """Nothing is deleted that nobody asked to delete: no raw clicks, and no records of the log that were applied."""
    await pipe.take(*_clicks(Pen(), 3))
    await tidy_up(House(pipe.store(), raw_days, pipe.log, Retention()), datetime(2122, 1, 1, tzinfo=UTC))
    assert len(await pipe.raw()) == 3
    assert await fetch_value(pipe.dsn, "SELECT count(*) FROM log_record") == 3
    assert await raw_days.kept_from() == date(2000, 1, 1)


async def test_dates_go_whole_when_all_of_them_is_old_enough(pipe: Pipe, raw_days: RawDayStore) -> None:
    """And no count changes."""
    pen = Pen()
    await pipe.take(*_clicks(pen, 3), *_clicks(pen, 2, _a_day_later(PLAIN_CLICK)))
    counts = await fetch(pipe.dsn, COUNTS)
    house = House(pipe.store(), raw_days, None, Retention(raw=timedelta(days=30)))
    await tidy_up(house, datetime(2022, 3, 16, 23, 59, tzinfo=UTC))  # 30 days after the 14th, all but a minute
    assert await raw_days.before(date(2022, 3, 1)) == [OLD, NEXT]
    assert await raw_days.kept_from() == date(2000, 1, 1)
    await tidy_up(house, datetime(2022, 3, 17, 0, 0, tzinfo=UTC))
    assert await raw_days.before(date(2022, 3, 1)) == [NEXT]
    assert await raw_days.kept_from() == NEXT
    assert [seq for _, _, seq in await pipe.raw()] == [4, 5]
    assert await fetch(pipe.dsn, COUNTS) == counts


@pytest.mark.parametrize("kind", ["nestloop", "mergejoin", "hashjoin"])
async def test_old_dates_are_found_whatever_the_plan(pipe: Pipe, kind: str) -> None:
    """With many dates Postgres looks at the names of all tables first, and most of these are no dates."""
    await pipe.take(*_clicks(Pen(), 1))
    others = "&".join(f"enable_{other}=off" for other in ("nestloop", "mergejoin", "hashjoin") if other != kind)
    async with small_pool(f"{pipe.dsn}{'&' if '?' in pipe.dsn else '?'}{others}", application="plans") as pool:
        assert await RawDayStore(pool).before(NEXT) == [OLD]


async def test_the_horizon_never_goes_back(pipe: Pipe, raw_days: RawDayStore) -> None:
    """Also when what comes late for an earlier date goes later, and where there was nothing to go."""
    await pipe.take(*_clicks(Pen(), 1))
    for day, kept_from in ((NEXT, date(2022, 2, 16)), (OLD, date(2022, 2, 16)), (date(2022, 3, 1), date(2022, 3, 2))):
        assert await raw_days.let_go(day)
        assert await raw_days.kept_from() == kept_from
    assert await pipe.raw() == []


async def test_what_was_let_go_and_is_sent_again_is_still_known(pipe: Pipe, raw_days: RawDayStore) -> None:
    """Its number is remembered by the watermark, not by the click."""
    records = _clicks(Pen(), 5)
    await pipe.take(*records)
    counts = await fetch(pipe.dsn, COUNTS)
    assert await raw_days.let_go(OLD)
    await pipe.take(*records)
    assert pipe.metric("duplicates_skipped_total", stream="clicks") == 5
    assert await pipe.raw() == []
    assert await fetch(pipe.dsn, COUNTS) == counts


async def test_a_late_click_of_a_date_that_went_counts_once(pipe: Pipe, raw_days: RawDayStore) -> None:
    """Its date is made again under an aggregator that believes it to be there, and goes again the next time."""
    pen = Pen()
    running = asyncio.create_task(pipe.consumer().run())
    for late in range(1, 4):
        record = pen.write(PLAIN_CLICK)
        await pipe.append(record, record)
        await eventually_async(lambda: pipe.is_applied([running]))
        assert [seq for _, _, seq in await pipe.raw()] == [late]
        assert await _counted(pipe, OLD) == late
        assert pipe.metric("applying_interruptions_total", cause=Interruption.OVERTAKEN) == late - 1
        assert await raw_days.let_go(OLD)
    await cancel_all([running])
    assert await raw_days.kept_from() == NEXT
    assert await fetch_value(pipe.dsn, "SELECT count(*) FROM dead_letter") == 0


async def test_a_date_that_goes_while_a_batch_waits_is_made_again(pipe: Pipe, raw_days: RawDayStore) -> None:
    """The batch had made sure of it just before: it is done again whole."""
    pen = Pen()
    running = asyncio.create_task(pipe.consumer().run())
    await pipe.append(*_clicks(pen, 2))
    await eventually_async(lambda: pipe.is_applied([running]))
    async with session(pipe.dsn) as test, test.transaction():
        await test.execute("SELECT FROM partition_offset WHERE stream = 'clicks' AND partition = 0 FOR UPDATE")
        await pipe.append(*_clicks(pen, 3, _a_day_later(PLAIN_CLICK)))
        await eventually_async(lambda: _waiting(pipe, 1))
        assert await raw_days.let_go(NEXT)
    await eventually_async(lambda: pipe.is_applied([running]))
    await cancel_all([running])
    assert pipe.metric("applying_interruptions_total", cause=Interruption.OVERTAKEN) == 1
    assert [seq for _, _, seq in await pipe.raw()] == [1, 2, 3, 4, 5]
    assert [await _counted(pipe, day) for day in (OLD, NEXT)] == [2, 3]


async def test_a_replay_whose_date_goes_meanwhile_makes_it_again(pipe: Pipe, raw_days: RawDayStore) -> None:
    """It waits for somebody else's hold on the dead letter, after it has made sure of the date."""
    with broken_decoder():
        await pipe.take(Pen().write(replace(PLAIN_CLICK, code=UNREADABLE)))
    (dead,) = await dead_letters(pipe.pool)
    async with session(pipe.dsn) as test:
        async with test.transaction():
            await test.execute("SELECT FROM dead_letter FOR UPDATE")
            replaying = asyncio.create_task(replayed(pipe.pool, dead.dead_letter_id))
            await eventually_async(lambda: _waiting(pipe, 1))
            assert await raw_days.let_go(OLD)
        assert (await replaying).ending is Ending.REPLAYED
    assert await _counted(pipe, OLD) == 1
    assert len(await pipe.raw()) == 1


async def test_whoever_reads_raw_clicks_only_delays_it(pipe: Pipe, raw_days: RawDayStore) -> None:
    """It gives up after a moment, so that batches do not queue up behind it, and no later date goes before."""
    pen = Pen()
    await pipe.take(*_clicks(pen, 1), *_clicks(pen, 1, _a_day_later(PLAIN_CLICK)))
    house = House(pipe.store(), raw_days, None, Retention(raw=timedelta(days=1)))
    async with session(pipe.dsn) as reader, reader.transaction(isolation="repeatable_read"):
        await reader.execute("LOCK TABLE click IN ACCESS SHARE MODE")
        letting = asyncio.create_task(tidy_up(house, datetime.now(UTC)))
        await eventually_async(lambda: _waiting(pipe, 1))
        await pipe.take(*_clicks(pen, 1))
        await letting
        assert await reader.fetchval("SELECT count(*) FROM click") == 3
        assert await raw_days.kept_from() == date(2000, 1, 1)
    await tidy_up(house, datetime.now(UTC))
    assert await raw_days.kept_from() == date(2022, 2, 16)
    assert await pipe.raw() == []
    assert await fetch(pipe.dsn, "SELECT day, raw_clicks FROM advocate_day ORDER BY day") == [(OLD, 2), (NEXT, 1)]


async def test_a_vacuum_of_another_date_is_in_nobodys_way(pipe: Pipe, raw_days: RawDayStore) -> None:
    """It may take hours: meanwhile new dates are made, and old ones go."""
    pen = Pen()
    await pipe.take(*_clicks(pen, 1), *_clicks(pen, 1, _a_day_later(PLAIN_CLICK)))
    async with session(pipe.dsn) as vacuum, vacuum.transaction():
        await vacuum.execute("LOCK TABLE click_20220215 IN SHARE UPDATE EXCLUSIVE MODE")
        assert await raw_days.let_go(OLD)
        await pipe.store().ensure_days([date(2022, 2, 16)])
        assert not await raw_days.let_go(NEXT)
    assert await fetch(pipe.dsn, RAW_DAYS) == [("click_20220215",), ("click_20220216",)]


async def test_two_who_keep_house_at_once_are_in_each_others_way_for_a_moment_at_most(
    pipe: Pipe, raw_days: RawDayStore
) -> None:
    """While clicks of the dates that go are still coming in."""
    pens = [Pen(), Pen()]
    days = [replace(PLAIN_CLICK, occurred_at=PLAIN_CLICK.occurred_at + timedelta(days=ahead)) for ahead in range(10)]
    await pipe.take(*(pens[0].write(click) for click in days))
    running = asyncio.create_task(pipe.consumer().run())
    await pipe.append(*(pens[1].write(click) for click in days))
    houses = [House(pipe.store(), raw_days, None, Retention(raw=timedelta(days=1))) for _ in range(2)]
    await asyncio.gather(*(tidy_up(house, datetime.now(UTC)) for house in houses))
    await eventually_async(lambda: pipe.is_applied([running]))
    await cancel_all([running])
    await tidy_up(houses[0], datetime.now(UTC))
    assert await pipe.raw() == []
    assert await raw_days.kept_from() == date(2022, 2, 24)
    counts = await fetch(pipe.dsn, "SELECT day, raw_clicks FROM advocate_day ORDER BY day")
    assert counts == [(OLD + timedelta(days=ahead), 2) for ahead in range(10)]


async def test_an_aggregator_that_runs_keeps_house_by_its_settings(pipe: Pipe, raw_days: RawDayStore) -> None:
    """From its start on."""
    await pipe.take(*_clicks(Pen(), 3))

    async def is_gone() -> bool:
        return await raw_days.kept_from() == NEXT

    settings = {"ADVOLINK_POSTGRES_DSN": pipe.dsn, "raw_retention": "P1D"}
    async with running(AggregatorSettings.model_validate(settings), Failures()):
        await eventually_async(is_gone, what="the raw clicks are let go")
    assert await pipe.raw() == []
    assert await _counted(pipe, OLD) == 3


async def _waiting(pipe: Pipe, sessions: int) -> bool:
    return await waiting_for_locks(pipe.dsn) == sessions
