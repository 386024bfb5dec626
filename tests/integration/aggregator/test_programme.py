"""The zone by which clicks are counted changes before the first click or not at all, whatever runs at that moment."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from aggregator.applying.batch import admit, judge_clicks, read_records
from aggregator.applying.gathering import Gathered
from aggregator.applying.store import ApplyingStore, BatchWriter, Claim, OvertakenError
from aggregator.errors import UnknownZoneError, ZoneInUseError
from aggregator.judge import PLAIN_RULES
from aggregator.leases.store import LeaseStore
from aggregator.programme.store import Programme, ProgrammeStore
from http_api.serving import cancel_all
from link_events.periods import Weekday
from link_events.streams import Offset, Partition, Stream
from stage.events import PLAIN_CLICK
from stage.following import read_now
from stage.journaling import Pen
from stage.pipe import CONTEXT, Pipe
from stage.sql import execute, fetch, fetch_value, session, waiting_for_locks
from stage.waiting import eventually_async

CLICKS, P0 = Stream.CLICKS, Partition(0)
TOKYO = Programme("Asia/Tokyo")
EVENING = replace(PLAIN_CLICK, occurred_at=datetime(2022, 3, 31, 20, tzinfo=UTC))
"""The last of March in UTC, the first of April in Tokyo."""

DAYS = "SELECT day, raw_clicks FROM advocate_day ORDER BY day"


async def _write(pipe: Pipe, writer: BatchWriter, claim: Claim) -> None:
    """Everything in the log, by the programme of `claim`."""
    records = await read_now(pipe.log)
    book = await writer.book({one.record.journal for one in records})
    admitted = admit(read_records(CLICKS, P0, records, datetime.now(UTC)), book)
    clicks = Gathered(claim.programme.repeats)
    clicks.take(judge_clicks(admitted.clicks, claim.programme.calendar.zone, CONTEXT, PLAIN_RULES))
    await writer.write_clicks(clicks)
    await writer.write_book(book)


async def _claimed(pipe: Pipe) -> tuple[ApplyingStore, Claim]:
    """A partition with one click in the log, claimed and ready for its batch."""
    await pipe.append(Pen().write(EVENING))
    store = pipe.store()
    await store.ensure_days([EVENING.occurred_at.date()])
    return store, await store.claim(CLICKS, P0)


async def test_clicks_are_counted_by_the_programmes_zone(pipe: Pipe) -> None:
    """As it is when they are applied."""
    await ProgrammeStore(pipe.pool).change(TOKYO)
    await pipe.take(Pen().write(EVENING))
    assert await fetch(pipe.dsn, DAYS) == [(date(2022, 4, 1), 1)]
    assert await fetch(pipe.dsn, "SELECT quarter_start FROM advocate_quarter") == [(date(2022, 4, 1),)]


async def test_the_zone_stays_once_a_click_is_stored(pipe: Pipe) -> None:
    """The first day of the week may still change, and the same zone may be set again."""
    programmes = ProgrammeStore(pipe.pool)
    await pipe.take(Pen().write(EVENING))
    with pytest.raises(ZoneInUseError):
        await programmes.change(TOKYO)
    assert await programmes.read() == Programme()
    await programmes.change(Programme("UTC", Weekday.SUNDAY))
    assert await programmes.read() == Programme("UTC", Weekday.SUNDAY)


async def test_a_change_waits_for_the_batch_that_runs_and_is_refused_then(pipe: Pipe) -> None:
    """Its clicks are stored by the old zone, which therefore stays."""
    store, claim = await _claimed(pipe)
    async with store.batch(claim, Offset(1)) as writer:
        change = asyncio.create_task(ProgrammeStore(pipe.pool).change(TOKYO))
        await eventually_async(lambda: waiting_for_locks(pipe.dsn))
        await _write(pipe, writer, claim)
    with pytest.raises(ZoneInUseError):
        await change
    assert await fetch(pipe.dsn, DAYS) == [(date(2022, 3, 31), 1)]


async def test_a_batch_that_was_prepared_by_the_old_zone_cannot_commit(pipe: Pipe) -> None:
    """It changes nothing, and is done again by the new one."""
    store, claim = await _claimed(pipe)
    await ProgrammeStore(pipe.pool).change(TOKYO)

    async def late() -> None:
        async with store.batch(claim, Offset(1)) as writer:
            await _write(pipe, writer, claim)

    with pytest.raises(OvertakenError):
        await late()
    assert await pipe.raw() == []
    again = await store.reload(CLICKS, P0)
    assert again.programme == TOKYO
    async with store.batch(again, Offset(1)) as writer:
        await _write(pipe, writer, again)
    assert await fetch(pipe.dsn, DAYS) == [(date(2022, 4, 1), 1)]


async def test_a_batch_that_meets_a_change_waits_for_it(pipe: Pipe) -> None:
    """And then finds that it was prepared by the old zone."""
    store, claim = await _claimed(pipe)
    async with session(pipe.dsn) as test:
        async with test.transaction():
            await test.execute("SELECT FROM click_20220331; LOCK TABLE click IN ACCESS EXCLUSIVE MODE")
            change = asyncio.create_task(ProgrammeStore(pipe.pool).change(TOKYO))
            await eventually_async(lambda: _waiting(pipe, 1))
            batch = asyncio.create_task(_moved(store, claim))
            await eventually_async(lambda: _waiting(pipe, 2))
        await change
        with pytest.raises(OvertakenError):
            await batch


async def test_a_partition_that_is_claimed_for_the_first_time_meets_a_change(pipe: Pipe) -> None:
    """Its offset row is new, so that no fence can have seen it; still no batch commits by the old zone."""
    await pipe.append(Pen().write(EVENING))
    store = pipe.store()
    await store.ensure_days([EVENING.occurred_at.date()])
    async with session(pipe.dsn) as test:
        async with test.transaction():
            await test.execute("SELECT FROM programme FOR UPDATE")
            change = asyncio.create_task(ProgrammeStore(pipe.pool).change(TOKYO))
            await eventually_async(lambda: _waiting(pipe, 1))
            claiming = asyncio.create_task(store.claim(CLICKS, P0))
            await eventually_async(lambda: _claimed_or_waits(pipe, claiming))
        await change
    claim = await claiming
    outcome = await asyncio.gather(_moved(store, claim), return_exceptions=True)
    assert claim.programme == TOKYO or isinstance(outcome[0], OvertakenError)


async def test_a_change_waits_in_a_queue_and_not_in_a_circle(pipe: Pipe) -> None:
    """With an aggregator that gives its partitions back meanwhile, in whichever order they lie in the table."""
    for number in (2, 1, 0):
        await pipe.store().claim(CLICKS, Partition(number))
    leases = LeaseStore(pipe.pool, "the aggregator", timedelta(minutes=1))
    async with session(pipe.dsn) as other:
        async with other.transaction():
            await other.execute("SELECT FROM partition_offset WHERE partition = 1 FOR UPDATE")
            both = [
                asyncio.create_task(leases.resign()),
                asyncio.create_task(ProgrammeStore(pipe.pool).change(TOKYO)),
            ]
            await eventually_async(lambda: _waiting(pipe, 2))
        await asyncio.gather(*both)
    standing = "SELECT count(owner), array_agg(DISTINCT owner_epoch) FROM partition_offset"
    assert await fetch(pipe.dsn, standing) == [(0, [2])]


async def test_changes_while_partitions_are_claimed_and_applied_leave_one_zone(pipe: Pipe) -> None:
    """All at once, time and again: whichever wins, every click is counted by the zone that is stored."""
    programmes = ProgrammeStore(pipe.pool)
    pens = [Pen(Partition(number)) for number in range(6)]
    for pen in pens:
        await pipe.append(pen.write(EVENING), partition=pen.partition)
    zones = ["Asia/Tokyo", "UTC", "America/New_York", "Asia/Kolkata"]
    tasks = [asyncio.create_task(pipe.consumer(pen.partition).run()) for pen in pens]
    changes = [programmes.change(Programme(zone)) for zone in zones * 3]
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes if outcome is not None} <= {ZoneInUseError}
    await eventually_async(lambda: pipe.is_applied(tasks))
    await cancel_all(tasks)
    zone = (await programmes.read()).timezone
    query = "SELECT count(*) FROM click WHERE local_day = (occurred_at AT TIME ZONE $1)::date"
    assert await fetch_value(pipe.dsn, query, zone) == len(pens)
    assert await pipe.drift() == []


async def test_a_zone_that_nobody_knows_stops_the_aggregator(pipe: Pipe) -> None:
    """Somebody wrote it by hand: no day can be told, and no click is guessed into one."""
    await execute(pipe.dsn, "UPDATE programme SET timezone = 'Middle/Earth'")
    await pipe.append(Pen().write(EVENING))
    with pytest.raises(UnknownZoneError, match="Middle/Earth"):
        await pipe.apply()
    assert await pipe.raw() == []


async def _moved(store: ApplyingStore, claim: Claim) -> None:
    async with store.batch(claim, Offset(1)):
        pass


async def _waiting(pipe: Pipe, count: int) -> bool:
    return await waiting_for_locks(pipe.dsn) == count


async def _claimed_or_waits(pipe: Pipe, claiming: asyncio.Task[Claim]) -> bool:
    return claiming.done() or await _waiting(pipe, 2)
