"""Postgres takes a batch back so that another transaction can go on: it is done again, and nothing is lost or doubled.

Both are brought about for good: two sessions that wait for each other, and two that cannot both have been first.
"""

import asyncio

from aggregator.applying.interruptions import Interruption
from http_api.serving import cancel_all
from stage.pipe import Pipe
from stage.sql import execute, session, waiting_for_locks
from stage.two_batches import check_both_are_there_once, two_batches
from stage.waiting import eventually_async

PAUSE = """
    CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END';
    CREATE TRIGGER pause AFTER UPDATE OF next_offset ON partition_offset
    FOR EACH ROW EXECUTE FUNCTION wait_for_test();
"""
"""A batch stops behind its first statement for as long as a test holds advisory lock 1."""

TAKE_THE_COUNTER = "UPDATE counts_change_counter SET last_change = last_change WHERE partition = 0"
TAKE_THE_OFFSET = "UPDATE partition_offset SET updated_at = now() WHERE stream = 'clicks' AND partition = 0"


async def test_a_batch_that_loses_a_deadlock_is_done_again(pipe: Pipe) -> None:
    """It holds its offset and wants the counter; another holds the counter and wants its offset."""
    first, second = two_batches()
    await pipe.take(*first)
    await execute(pipe.dsn, PAUSE)
    await pipe.append(*second)
    async with session(pipe.dsn) as test, session(pipe.dsn) as rival:
        await test.execute("SELECT pg_advisory_lock(1)")
        await rival.execute("SET deadlock_timeout = '1min'")  # whoever looks for the circle first is the one to lose
        running = asyncio.create_task(pipe.consumer().run())
        await eventually_async(lambda: _waiting(pipe, 1))
        async with rival.transaction():
            await rival.execute(TAKE_THE_COUNTER)
            wanting = asyncio.create_task(rival.execute(TAKE_THE_OFFSET))
            await eventually_async(lambda: _waiting(pipe, 2))
            await test.execute("SELECT pg_advisory_unlock(1)")
            await wanting
        await eventually_async(lambda: pipe.is_applied([running]))
        await cancel_all([running])
    _check_it_was_rolled_back_once(pipe)
    await check_both_are_there_once(pipe)


async def test_a_batch_that_cannot_be_serialised_is_done_again(pipe: Pipe) -> None:
    """In a database whose owner asks for more than we do: what a batch would change was changed since it began."""
    await execute(
        pipe.dsn,
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable',"
        " current_database()); END $$",
    )
    first, second = two_batches()
    await pipe.take(*first)
    await execute(pipe.dsn, PAUSE)
    await pipe.append(*second)
    async with session(pipe.dsn) as test:
        await test.execute("SELECT pg_advisory_lock(1)")
        running = asyncio.create_task(pipe.consumer().run())
        await eventually_async(lambda: _waiting(pipe, 1))
        await execute(pipe.dsn, TAKE_THE_COUNTER)
        await test.execute("SELECT pg_advisory_unlock(1)")
        await eventually_async(lambda: pipe.is_applied([running]))
        await cancel_all([running])
    _check_it_was_rolled_back_once(pipe)
    await check_both_are_there_once(pipe)


async def _waiting(pipe: Pipe, sessions: int) -> bool:
    return await waiting_for_locks(pipe.dsn) == sessions


def _check_it_was_rolled_back_once(pipe: Pipe) -> None:
    """And nothing else was in the way."""
    assert [pipe.metric("applying_interruptions_total", cause=cause) for cause in Interruption] == [
        float(cause is Interruption.ROLLED_BACK) for cause in Interruption
    ]
