"""What only the Postgres form of the event log does: order under locks, expiry after applying, outages by name."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from database.pool import DatabaseAwayError
from event_log.contract import EventLogAwayError, OffsetExpiredError, PartitionCountError, Record
from event_log.postgres import EXPIRE_RECORDS_MAX, PostgresEventLog, create_streams
from link_events.identity import Seq
from link_events.streams import PARTITIONS_DEFAULT, Offset, Partition, Stream
from stage.following import NO_WAIT, followed, read_now
from stage.journaling import new_journal, plain_records
from stage.log_forms import opened_postgres_log
from stage.postgres import Server
from stage.slices import EVERY_SLICE
from stage.sql import execute, fetch, fetch_value, session, waiting_for_locks
from stage.waiting import eventually_async

CLICKS = Stream.CLICKS
P0 = Partition(0)

SLOW = b"slow"
SLOW_APPENDS = """
    CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON log_record
    FOR EACH ROW WHEN (NEW.value = 'slow') EXECUTE FUNCTION wait_for_test();
"""
"""An append of SLOW takes as long as a test holds advisory lock 1."""


@pytest.fixture
async def log(database_dsn: str) -> AsyncIterator[PostgresEventLog]:
    """The log in a migrated database, with the partitions it has from the start."""
    async with opened_postgres_log(database_dsn) as log:
        yield log


async def test_commit_order_is_offset_order_while_an_appender_is_slow(log: PostgresEventLog, database_dsn: str) -> None:
    """Later appends queue up behind it: a reader never sees an offset whose predecessor may still come."""
    await execute(database_dsn, SLOW_APPENDS)
    slow, quick = [Record(new_journal(), Seq(1), SLOW)], plain_records(2)
    async with session(database_dsn) as test:
        await test.execute("SELECT pg_advisory_lock(1)")
        first = asyncio.create_task(log.append(CLICKS, P0, slow))
        await eventually_async(lambda: _waiting(database_dsn, 1))
        second = asyncio.create_task(log.append(CLICKS, P0, quick))
        await eventually_async(lambda: _waiting(database_dsn, 2))
        assert await read_now(log) == []
        assert (await log.end_offsets(CLICKS))[P0] == 0
    await asyncio.gather(first, second)
    assert [one.record for one in await read_now(log)] == slow + quick


async def test_a_slow_appender_that_dies_leaves_no_gap(log: PostgresEventLog, database_dsn: str) -> None:
    """Its offsets go to the next in the queue. Other partitions never waited."""
    await execute(database_dsn, SLOW_APPENDS)
    quick = plain_records(2)
    async with session(database_dsn) as test:
        await test.execute("SELECT pg_advisory_lock(1)")
        journal = new_journal()
        records = [*plain_records(3, journal=journal), Record(journal, Seq(4), SLOW)]
        first = asyncio.create_task(log.append(CLICKS, P0, records))
        await eventually_async(lambda: _waiting(database_dsn, 1))
        second = asyncio.create_task(log.append(CLICKS, P0, quick))
        await eventually_async(lambda: _waiting(database_dsn, 2))
        await log.append(CLICKS, Partition(1), quick)
        kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'advisory'"
        assert await fetch(database_dsn, kill) == [(True,)]
        with pytest.raises(EventLogAwayError):
            await first
        await second
    assert [(one.offset, one.record) for one in await read_now(log)] == list(enumerate(quick))


async def test_expiring_keeps_what_was_not_applied(log: PostgresEventLog) -> None:
    """However old it is."""
    await log.append(CLICKS, P0, records := plain_records(5))
    assert await log.expire(CLICKS, P0, Offset(0), timedelta(0)) == 0
    assert await log.expire(CLICKS, P0, Offset(3), timedelta(0)) == 3
    assert await log.expire(CLICKS, P0, Offset(3), timedelta(0)) == 0
    assert [one.record for one in await read_now(log, from_offset=3)] == records[3:]


async def test_expiring_keeps_what_is_younger_than_the_retention(log: PostgresEventLog, database_dsn: str) -> None:
    """Although it was applied; of other partitions nothing goes."""
    await log.append(CLICKS, P0, records := plain_records(4))
    await log.append(CLICKS, Partition(1), records)
    await _age(database_dsn, "log_offset < 2")
    assert await log.expire(CLICKS, P0, Offset(4), timedelta(hours=1)) == 2
    assert [one.record for one in await read_now(log, from_offset=2)] == records[2:]
    assert (await log.end_offsets(CLICKS))[P0] == 4
    assert len(await read_now(log, 1)) == 4


async def test_expiring_leaves_no_gap_behind(log: PostgresEventLog, database_dsn: str) -> None:
    """An append that waited for its turn carries the time at which it began: older than the one in front of it."""
    await log.append(CLICKS, P0, records := plain_records(4))
    await _age(database_dsn, "log_offset IN (0, 2)")
    assert await log.expire(CLICKS, P0, Offset(4), timedelta(hours=1)) == 1
    assert [one.record for one in await read_now(log, from_offset=1)] == records[1:]


async def test_expiring_takes_a_bounded_number_at_a_time(log: PostgresEventLog) -> None:
    """Short locks, small transactions; what is left goes the next time."""
    await log.append(CLICKS, P0, plain_records(EXPIRE_RECORDS_MAX + 2))
    end = Offset(EXPIRE_RECORDS_MAX + 2)
    assert await log.expire(CLICKS, P0, end, timedelta(0)) == EXPIRE_RECORDS_MAX
    assert await log.expire(CLICKS, P0, end, timedelta(0)) == 2
    with pytest.raises(OffsetExpiredError):
        await read_now(log, from_offset=end - 1)
    assert await read_now(log, from_offset=end) == []


async def test_a_partition_that_does_not_exist_is_refused(log: PostgresEventLog) -> None:
    """It is never made on the way."""
    beyond = Partition(PARTITIONS_DEFAULT)
    with pytest.raises(PartitionCountError):
        await log.append(CLICKS, beyond, plain_records(1))
    with pytest.raises(PartitionCountError):
        await read_now(log, beyond)
    assert len(await log.end_offsets(CLICKS)) == PARTITIONS_DEFAULT


async def test_partitions_are_chosen_once(database_dsn: str) -> None:
    """Making them again changes nothing; another number is refused."""
    await create_streams(database_dsn, PARTITIONS_DEFAULT)
    for other in (PARTITIONS_DEFAULT - 1, PARTITIONS_DEFAULT + 1):
        with pytest.raises(PartitionCountError):
            await create_streams(database_dsn, other)
    assert await fetch_value(database_dsn, "SELECT count(*) FROM log_partition") == len(EVERY_SLICE)


async def test_two_who_choose_different_numbers_at_once_are_not_both_right(database_dsn: str) -> None:
    """One makes its partitions, the other is refused."""
    for _ in range(5):
        await execute(database_dsn, "TRUNCATE log_partition")
        outcomes = await asyncio.gather(
            *(create_streams(database_dsn, count) for count in (5, 7, 9)), return_exceptions=True
        )
        made = [count for count, outcome in zip((5, 7, 9), outcomes, strict=True) if outcome is None]
        assert [type(outcome) for outcome in outcomes if outcome is not None] == [PartitionCountError] * 2
        assert [len(Stream) * count for count in made] == [
            await fetch_value(database_dsn, "SELECT count(*) FROM log_partition")
        ]


async def test_an_outage_is_told_by_name_and_outlived(frail_server: Server, frail_dsn: str) -> None:
    """Killed while a reader waits: every call says so, and the same client works again after a restart."""
    async with opened_postgres_log(frail_dsn) as log:
        await log.append(CLICKS, P0, records := plain_records(3))
        waiting = asyncio.create_task(log.read(CLICKS, P0, Offset(3), records_max=1, wait=timedelta(minutes=2)))
        assert [one.record for one in await read_now(log)] == records
        await asyncio.to_thread(frail_server.kill)
        with pytest.raises(EventLogAwayError):
            await waiting
        for call in _every_call(log):
            with pytest.raises(EventLogAwayError):
                await call()
        await asyncio.to_thread(frail_server.start)
        await log.append(CLICKS, P0, plain_records(1))
        assert await followed(log, 4) == [0, 1, 2, 3]
        assert await log.last_seq(records[0].journal, CLICKS, P0) == 3


async def test_partitions_cannot_be_made_while_postgres_is_away(frail_server: Server, frail_dsn: str) -> None:
    """Who makes its partitions is told so of the database, which is what `advolink migrate` works on."""
    frail_server.stop()
    with pytest.raises(DatabaseAwayError):
        await create_streams(frail_dsn, PARTITIONS_DEFAULT)


def _every_call(log: PostgresEventLog) -> list[Callable[[], Awaitable[object]]]:
    return [
        lambda: log.check(CLICKS, PARTITIONS_DEFAULT),
        lambda: log.append(CLICKS, P0, plain_records(1)),
        lambda: log.read(CLICKS, P0, Offset(0), records_max=1, wait=NO_WAIT),
        lambda: log.end_offsets(CLICKS),
        lambda: log.last_seq(new_journal(), CLICKS, P0),
        lambda: log.expire(CLICKS, P0, Offset(1), timedelta(0)),
    ]


async def _waiting(dsn: str, count: int) -> bool:
    return await waiting_for_locks(dsn) == count


async def _age(dsn: str, which: str) -> None:
    """Make records of partition 0 a day old."""
    await execute(dsn, f"UPDATE log_record SET logged_at = now() - interval '1 day' WHERE partition = 0 AND {which}")  # noqa: S608 - ours
