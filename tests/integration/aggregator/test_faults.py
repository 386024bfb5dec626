"""Postgres may kill a batch at any step, and die in its COMMIT: it is read again where it stands, and nothing doubles.

Guarantee 4. Every fault is shown to have bitten.
"""

import asyncio

import pytest

from http_api.serving import cancel_all
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe, opened_pipe
from stage.postgres import Server
from stage.proxy import Cut, proxied
from stage.sql import execute, fetch_value, session, waiting_for_locks
from stage.two_batches import check_both_are_there_once, two_batches
from stage.waiting import eventually_async

DEATHS = 1
"""How often a batch is killed before it is let through."""

MORTAL = f"""
    CREATE SEQUENCE death;
    CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('death') <= {DEATHS} THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
        RETURN coalesce(NEW, OLD);
    END $$;
"""
"""What kills a batch is a trigger. A sequence knows no transaction: it remembers the deaths."""

BATCH_MOVES = "UPDATE OF next_offset ON partition_offset"
STEPS = {
    "before its first statement": f"TRIGGER t BEFORE {BATCH_MOVES} FOR EACH ROW",
    "after its first statement": f"TRIGGER t AFTER {BATCH_MOVES} FOR EACH ROW",
    "before a raw click": "TRIGGER t BEFORE INSERT ON click FOR EACH ROW",
    "after the raw clicks": "TRIGGER t AFTER INSERT ON click FOR EACH ROW",
    "at a link's day": "TRIGGER t AFTER INSERT OR UPDATE ON link_day FOR EACH ROW",
    "at an advocate's day": "TRIGGER t AFTER INSERT OR UPDATE ON advocate_day FOR EACH ROW",
    "at an advocate's quarter": "TRIGGER t BEFORE INSERT OR UPDATE ON advocate_quarter FOR EACH ROW",
    "at a dead letter": "TRIGGER t AFTER INSERT ON dead_letter FOR EACH ROW",
    "at a watermark": "TRIGGER t BEFORE INSERT OR UPDATE ON watermark FOR EACH ROW",
    "at a hole that goes": "TRIGGER t AFTER DELETE ON hole FOR EACH ROW",
    "at a hole that comes": "TRIGGER t AFTER INSERT ON hole FOR EACH ROW",
    "in its COMMIT": f"CONSTRAINT TRIGGER t AFTER {BATCH_MOVES} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
}


SLOW = """
    CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END';
"""
"""What slows a batch down is a trigger that waits as long as a test holds advisory lock 1."""


async def test_undisturbed_everything_is_there_once(pipe: Pipe) -> None:
    """What the tests below compare with."""
    for batch in two_batches():
        await pipe.take(*batch)
    await check_both_are_there_once(pipe)


@pytest.mark.parametrize("step", STEPS)
async def test_a_batch_that_is_killed_at_any_step_is_done_again_whole(pipe: Pipe, step: str) -> None:
    """The first deaths fall into the first batch that comes there, wherever that is."""
    first, second = two_batches()
    await execute(pipe.dsn, f"{MORTAL} CREATE {STEPS[step]} EXECUTE FUNCTION die()")
    await pipe.take(*first)
    await pipe.take(*second)
    assert await fetch_value(pipe.dsn, "SELECT last_value FROM death") > DEATHS
    assert pipe.metric("applying_interruptions_total", cause="away") == DEATHS
    await check_both_are_there_once(pipe)


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
@pytest.mark.parametrize(
    "words",
    [(b"COPY", b"COMMIT;"), (b"COPY",), (b"INSERT INTO watermark",), (b"SET owner", b"COMMIT;")],
    ids=["its COMMIT", "its COPY", "its watermarks", "the COMMIT of a claim"],
)
async def test_a_wire_that_breaks_leaves_nothing_undone_and_nothing_done_twice(
    pipe: Pipe, cut: Cut, words: tuple[bytes, ...]
) -> None:
    """Above all in COMMIT, whose outcome nobody can guess: the offset row decides."""
    async with proxied(pipe.dsn) as (wire, dsn):
        for batch in two_batches():
            await pipe.append(*batch)
            wire.cut(cut, *words)
            async with opened_pipe(dsn) as aggregator:
                await aggregator.apply()
                assert aggregator.metric("applying_interruptions_total", cause="away") == 1
        assert wire.cuts == 2
    await check_both_are_there_once(pipe)


async def test_a_commit_that_is_still_running_wins_over_the_batch_that_follows_it(pipe: Pipe) -> None:
    """The client is gone, reads the old offset and begins again: its compare-and-set waits, and moves nothing."""
    first, second = two_batches()
    await pipe.append(*first)
    await execute(pipe.dsn, f"{SLOW} CREATE {STEPS['in its COMMIT']} EXECUTE FUNCTION wait_for_test()")
    async with proxied(pipe.dsn) as (wire, dsn), opened_pipe(dsn) as aggregator:
        wire.cut(Cut.MEANWHILE, b"COPY", b"COMMIT;")
        async with session(pipe.dsn) as test:
            await test.execute("SELECT pg_advisory_lock(1)")
            running = asyncio.create_task(aggregator.consumer().run())
            await eventually_async(lambda: _both_wait(pipe.dsn))
            assert await fetch_value(pipe.dsn, "SELECT next_offset FROM partition_offset") == 0
        await eventually_async(lambda: pipe.is_applied([running]))
        await eventually_async(lambda: _interrupted(aggregator, 1, "overtaken"))
        await cancel_all([running])
        assert wire.cuts == 1
        assert aggregator.metric("applying_interruptions_total", cause="away") == 1
        assert aggregator.metric("applying_interruptions_total", cause="overtaken") == 1
    await pipe.take(*second)
    await check_both_are_there_once(pipe)


async def test_a_server_that_is_killed_while_batches_run_costs_nothing(frail_server: Server, frail_dsn: str) -> None:
    """Several times: what was committed is there, what was not is done again."""
    pen = Pen()
    async with opened_pipe(frail_dsn) as pipe:
        running = asyncio.create_task(pipe.consumer().run())
        for round_ in range(1, 4):
            await pipe.append(*(pen.write(PLAIN_CLICK) for _ in range(2_000)))
            await asyncio.to_thread(frail_server.kill)
            await asyncio.to_thread(frail_server.start)
            await eventually_async(lambda: pipe.is_applied([running]))
            assert pipe.metric("applying_interruptions_total", cause="away") >= round_
        await cancel_all([running])
        assert [seq for _, _, seq in await pipe.raw()] == list(range(1, 6_001))
        assert await pipe.drift() == []


async def _both_wait(dsn: str) -> bool:
    return await waiting_for_locks(dsn) == 2


async def _interrupted(pipe: Pipe, times: int, cause: str) -> bool:
    return pipe.metric("applying_interruptions_total", cause=cause) >= times
