"""A record that cannot be applied holds nothing up; replayed, it counts as if it had been readable at once."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aggregator.dead_letters import replaying
from aggregator.dead_letters.discarding import discard
from aggregator.dead_letters.outcomes import Ending
from aggregator.dead_letters.replaying import Mending
from aggregator.dead_letters.store import DeadLetterStore
from aggregator.dead_letters.stored import DeadLetterState
from aggregator.freshness.store import snapshot
from event_log.contract import Record
from http_api.serving import cancel_all
from link_events.codec import encode
from link_events.events import Conversion, EventData, Heartbeat, Sealed
from link_events.identity import ConversionKey, Origin, Seq
from link_events.reasons import DeadLetterReason
from link_events.streams import Offset, Partition, Stream
from stage.dead import UNREADABLE, broken_decoder, dead_letters, holes, replayed
from stage.events import PLAIN_CLICK, PLAIN_CONVERSION
from stage.journaling import FIRST_CAPTURE, Pen
from stage.pipe import Pipe
from stage.sql import execute, fetch, fetch_value, session, waiting_for_locks
from stage.stray_log import STRAY, StrayLog
from stage.waiting import eventually_async

UNREADABLE_CLICK = replace(PLAIN_CLICK, code=UNREADABLE)
COUNTED = "SELECT coalesce(sum(counted_clicks), 0)::int FROM advocate_day"
STANDING = "SELECT next_offset, owner_epoch FROM partition_offset WHERE partition = 0"


def _value(pen: Pen, seq: int, data: EventData) -> bytes:
    """The bytes that the event of `seq` should have had."""
    return encode(
        Origin(pen.journal, pen.stream, pen.partition, Seq(seq)), FIRST_CAPTURE + timedelta(seconds=seq), data
    )


async def _complete_through(pipe: Pipe) -> datetime | None:
    async with snapshot(pipe.pool) as (_, freshness):
        return freshness.complete_through


async def _only_dead_letter(pipe: Pipe) -> int:
    (dead,) = await dead_letters(pipe.pool)
    return dead.dead_letter_id


async def _refused_by_a_bad_build(pipe: Pipe, *records: Record) -> None:
    with broken_decoder():
        await pipe.take(*records)


async def test_one_among_ten_thousand_holds_up_nothing_and_is_counted_once_it_is_replayed(pipe: Pipe) -> None:
    """9 999 are counted and nothing lags; `complete_through` waits for the last one."""
    pen = Pen()
    clicks = [UNREADABLE_CLICK if number == 5_000 else PLAIN_CLICK for number in range(10_000)]
    await _refused_by_a_bad_build(pipe, *(pen.write(click) for click in clicks))
    assert await fetch_value(pipe.dsn, COUNTED) == 9_999
    assert await pipe.is_applied()
    assert await holes(pipe.dsn) == [(5_001, 5_001, "dead_letter")]
    assert await _complete_through(pipe) == FIRST_CAPTURE + timedelta(seconds=4_999)
    standing = await fetch(pipe.dsn, STANDING)

    outcome = await replayed(pipe.pool, await _only_dead_letter(pipe))
    assert outcome.ending is Ending.REPLAYED
    assert await fetch_value(pipe.dsn, COUNTED) == 10_000
    assert await holes(pipe.dsn) == []
    assert await _complete_through(pipe) == pen.captured_at
    assert await fetch(pipe.dsn, STANDING) == standing
    assert [seq for _, _, seq in await pipe.raw()] == list(range(1, 10_001))
    assert await pipe.drift() == []


async def test_what_is_replayed_stands_where_it_was_logged_and_is_judged_as_ever(pipe: Pipe) -> None:
    """Its own offset and time in the log, the verdict of the rules, and the day of its own instant."""
    pen = Pen()
    late = replace(UNREADABLE_CLICK, method="HEAD", occurred_at=datetime(2021, 12, 31, 23, 59, tzinfo=UTC))
    await _refused_by_a_bad_build(pipe, pen.write(PLAIN_CLICK), pen.write(late), pen.write(PLAIN_CLICK))
    await replayed(pipe.pool, await _only_dead_letter(pipe))
    columns = "log_offset, seq, verdict, reasons, local_day::text, logged_at = (SELECT logged_at FROM dead_letter)"
    stored = await fetch(pipe.dsn, f"SELECT {columns} FROM click WHERE seq = 2")  # noqa: S608
    assert stored == [(1, 2, "not_counted", ["method_head"], "2021-12-31", True)]
    assert await pipe.drift() == []


async def test_a_click_that_came_too_early_can_be_replayed_when_its_time_has_come(pipe: Pipe) -> None:
    """Before that it stays dead, and nothing changes."""
    ahead = datetime.now(UTC) + timedelta(days=2)
    pen = Pen()
    await pipe.take(pen.write(replace(PLAIN_CLICK, occurred_at=ahead)))
    (dead,) = await dead_letters(pipe.pool)
    assert dead.reason is DeadLetterReason.TIME_OUT_OF_RANGE
    refused = await replayed(pipe.pool, dead.dead_letter_id)
    assert (refused.ending, refused.failed) == (Ending.STILL_DEAD, True)
    assert "time_out_of_range" in refused.sentence
    assert await pipe.raw() == []
    assert (await replayed(pipe.pool, dead.dead_letter_id, now=ahead)).ending is Ending.REPLAYED
    assert await fetch_value(pipe.dsn, COUNTED) == 1
    assert await pipe.drift() == []


async def test_replaying_twice_counts_once(pipe: Pipe) -> None:
    """One after the other, and several people at once: one of them does it."""
    pen = Pen()
    await _refused_by_a_bad_build(pipe, pen.write(UNREADABLE_CLICK))
    name = await _only_dead_letter(pipe)
    endings = [one.ending for one in await asyncio.gather(*(replayed(pipe.pool, name) for _ in range(6)))]
    assert (endings.count(Ending.REPLAYED), endings.count(Ending.CLOSED_BEFORE)) == (1, 5)
    again = await replayed(pipe.pool, name)
    assert (again.ending, again.failed) == (Ending.CLOSED_BEFORE, False)
    assert await fetch_value(pipe.dsn, COUNTED) == 1
    assert await pipe.drift() == []


async def test_replaying_and_discarding_at_once_do_one_of_both(pipe: Pipe) -> None:
    """Whoever holds the partition first."""
    pen = Pen()
    await _refused_by_a_bad_build(pipe, pen.write(UNREADABLE_CLICK))
    name = await _only_dead_letter(pipe)
    store = DeadLetterStore(pipe.pool)
    outcomes = await asyncio.gather(replayed(pipe.pool, name), discard(store, name, "a test"))
    (done,) = [one.ending for one in outcomes if one.ending is not Ending.CLOSED_BEFORE]
    assert await fetch_value(pipe.dsn, COUNTED) == (done is Ending.REPLAYED)
    assert await holes(pipe.dsn) == []
    assert await pipe.drift() == []


async def test_dead_letters_are_replayed_while_batches_run(pipe: Pipe) -> None:
    """Every click counts once, whoever comes first."""
    pen = Pen()
    await _refused_by_a_bad_build(pipe, *(pen.write(UNREADABLE_CLICK) for _ in range(40)))
    names = [dead.dead_letter_id for dead in await dead_letters(pipe.pool)]
    running = asyncio.create_task(pipe.consumer().run())
    try:
        for name in names:
            await pipe.append(*(pen.write(PLAIN_CLICK) for _ in range(20)))
            await asyncio.gather(replayed(pipe.pool, name), replayed(pipe.pool, name))
        await eventually_async(lambda: pipe.is_applied([running]))
    finally:
        await cancel_all([running])
    raw = await pipe.raw()
    assert len(raw) == 40 + 40 * 20
    assert {seq for _, _, seq in raw} == set(range(1, len(raw) + 1))
    assert await holes(pipe.dsn) == []
    assert await pipe.drift() == []


async def test_a_batch_waits_for_a_replay_and_goes_on_as_if_nothing_had_been(pipe: Pipe) -> None:
    """The offset does not move by it, so the batch that follows is not overtaken."""
    pen = Pen()
    await _refused_by_a_bad_build(pipe, pen.write(UNREADABLE_CLICK))
    (dead,) = await dead_letters(pipe.pool)
    running = asyncio.create_task(pipe.consumer().run())
    try:
        await eventually_async(lambda: _epoch_is(pipe, 2))
        async with DeadLetterStore(pipe.pool).held(dead):
            await pipe.append(pen.write(PLAIN_CLICK))
            await eventually_async(lambda: waiting_for_locks(pipe.dsn))
        await eventually_async(lambda: pipe.is_applied([running]))
    finally:
        await cancel_all([running])
    assert pipe.metric("applying_interruptions_total", cause="overtaken") == 0
    assert await fetch_value(pipe.dsn, COUNTED) == 1


async def test_a_replay_waits_for_a_batch_and_sees_what_it_did(pipe: Pipe) -> None:
    """The batch brings a good copy: there is nothing left to replay."""
    pen = Pen()
    bad = pen.write(UNREADABLE_CLICK)
    await _refused_by_a_bad_build(pipe, bad)
    name = await _only_dead_letter(pipe)
    await execute(
        pipe.dsn,
        "CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END';"
        "CREATE TRIGGER t AFTER DELETE ON hole FOR EACH ROW EXECUTE FUNCTION wait_for_test()",
    )
    async with pipe.pool.acquire() as test:
        await test.execute("SELECT pg_advisory_lock(1)")
        await pipe.append(bad)
        running = asyncio.create_task(pipe.consumer().run())
        await eventually_async(lambda: _waiting(pipe, 1))
        replay = asyncio.create_task(replayed(pipe.pool, name))
        await eventually_async(lambda: _waiting(pipe, 2))
        await test.execute("SELECT pg_advisory_unlock(1)")
    assert (await replay).ending is Ending.CLOSED_BEFORE
    await eventually_async(lambda: pipe.is_applied([running]))
    await cancel_all([running])
    (dead,) = await dead_letters(pipe.pool)
    assert dead.state is DeadLetterState.FILLED
    assert await fetch_value(pipe.dsn, COUNTED) == 1
    assert await pipe.drift() == []


@pytest.mark.parametrize(
    ("tries", "ending"), [(replaying.TRIES, Ending.REPLAYED), (1, Ending.STILL_DEAD)], ids=["tries", "one try"]
)
async def test_a_key_that_is_taken_meanwhile_is_found_at_the_next_try(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch, tries: int, ending: Ending
) -> None:
    """A replay gives up after some tries and says so; nothing is changed then, and it can be replayed again."""
    monkeypatch.setattr(replaying, "TRIES", tries)
    other = replace(PLAIN_CONVERSION, key=ConversionKey("shop", "sale", "B-2"))
    await pipe.take(Pen(stream=Stream.CONVERSIONS).write(other), stream=Stream.CONVERSIONS)
    with broken_decoder(lambda event: isinstance(event.data, Conversion)):
        await pipe.take(Pen(stream=Stream.CONVERSIONS).write(PLAIN_CONVERSION), stream=Stream.CONVERSIONS)
    name = await _only_dead_letter(pipe)
    async with session(pipe.dsn) as taker:
        async with taker.transaction():
            await taker.execute("UPDATE conversion SET external_id = $1", PLAIN_CONVERSION.key.external_id)
            replay = asyncio.create_task(replayed(pipe.pool, name))
            await eventually_async(lambda: waiting_for_locks(pipe.dsn))
        outcome = await replay
    assert outcome.ending is ending
    assert (ending is Ending.STILL_DEAD) == outcome.sentence.startswith("cannot be applied now, replay it again: ")
    assert (await replayed(pipe.pool, name)).failed is False
    assert await fetch_value(pipe.dsn, "SELECT count(*) FROM conversion_event") == 2


async def test_other_bytes_can_be_applied_in_the_place_of_its_own(pipe: Pipe) -> None:
    """They are kept beside the ones that were logged, with why."""
    pen = Pen()
    await pipe.take(pen.write(PLAIN_CLICK), pen.scribble(b"\x00\xff{"), pen.write(PLAIN_CLICK))
    name = await _only_dead_letter(pipe)
    mended = _value(pen, 2, PLAIN_CLICK)
    outcome = await replayed(pipe.pool, name, Mending(mended, "its line was cut"))
    assert outcome.ending is Ending.REPLAYED
    columns = "value, replacement, closed_as, closed_why, closed_at >= dead_at"
    stored = await fetch(pipe.dsn, f"SELECT {columns} FROM dead_letter")  # noqa: S608
    assert stored == [(b"\x00\xff{", mended, "replayed", "its line was cut", True)]
    assert await fetch_value(pipe.dsn, COUNTED) == 3
    assert await holes(pipe.dsn) == []
    assert await pipe.drift() == []


@pytest.mark.parametrize("seq", [1, 3])
async def test_bytes_of_another_event_are_refused(pipe: Pipe, seq: int) -> None:
    """They would count that one's click twice, or under a name that is not theirs."""
    pen = Pen()
    await pipe.take(pen.write(PLAIN_CLICK), pen.scribble())
    name = await _only_dead_letter(pipe)
    outcome = await replayed(pipe.pool, name, Mending(_value(pen, seq, PLAIN_CLICK), "a mistake"))
    assert outcome.ending is Ending.STILL_DEAD
    assert "id_mismatch" in outcome.sentence
    assert await fetch(pipe.dsn, "SELECT replacement, closed_as, closed_why FROM dead_letter") == [(None, None, None)]
    assert await holes(pipe.dsn) == [(2, 2, "dead_letter")]
    assert await fetch_value(pipe.dsn, COUNTED) == 1


async def test_what_is_discarded_never_counts(pipe: Pipe) -> None:
    """Its hole closes, `complete_through` goes on, and a good copy that still comes is a duplicate."""
    pen = Pen()
    bad = pen.write(UNREADABLE_CLICK)
    await _refused_by_a_bad_build(pipe, bad, pen.write(PLAIN_CLICK))
    name = await _only_dead_letter(pipe)
    store = DeadLetterStore(pipe.pool)
    assert (await discard(store, name, "a test of the shipper")).ending is Ending.DISCARDED
    assert (await discard(store, name, "again")).ending is Ending.CLOSED_BEFORE
    assert (await replayed(pipe.pool, name)).ending is Ending.CLOSED_BEFORE
    assert await holes(pipe.dsn) == []
    assert await _complete_through(pipe) == pen.captured_at
    await pipe.take(bad)
    assert pipe.metric("duplicates_skipped_total", stream="clicks") == 1
    assert await fetch(pipe.dsn, "SELECT closed_as, closed_why FROM dead_letter") == [
        ("discarded", "a test of the shipper")
    ]
    assert await fetch_value(pipe.dsn, COUNTED) == 1
    assert await pipe.drift() == []


async def test_neighbours_of_what_is_closed_stay_open(pipe: Pipe) -> None:
    """Dead letters in a row are one hole: it splits, and each can be closed alone."""
    pen = Pen()
    await _refused_by_a_bad_build(pipe, *(pen.write(UNREADABLE_CLICK) for _ in range(5)))
    assert await holes(pipe.dsn) == [(1, 5, "dead_letter")]
    names = [dead.dead_letter_id for dead in await dead_letters(pipe.pool)]
    await discard(DeadLetterStore(pipe.pool), names[1], "a test")
    await replayed(pipe.pool, names[3])
    assert await holes(pipe.dsn) == [(1, 1, "dead_letter"), (3, 3, "dead_letter"), (5, 5, "dead_letter")]
    states = [dead.state for dead in await dead_letters(pipe.pool)]
    assert states == ["open", "discarded", "open", "replayed", "open"]
    for name in names:
        await replayed(pipe.pool, name)
    assert await holes(pipe.dsn) == []
    assert await fetch_value(pipe.dsn, COUNTED) == 4
    assert await pipe.drift() == []


@pytest.mark.parametrize("data", [Heartbeat(), Sealed()])
async def test_a_journals_own_words_can_be_replayed(pipe: Pipe, data: EventData) -> None:
    """They count nothing; a seal at the end of a journal is one again."""
    pen = Pen()
    await pipe.take(pen.write(PLAIN_CLICK), pen.scribble())
    await replayed(pipe.pool, await _only_dead_letter(pipe), Mending(_value(pen, 2, data), "a test"))
    assert await fetch(pipe.dsn, "SELECT seq, sealed FROM watermark") == [(2, isinstance(data, Sealed))]
    assert await holes(pipe.dsn) == []
    assert await fetch_value(pipe.dsn, COUNTED) == 1


async def test_a_record_without_an_origin_can_only_be_discarded(pipe: Pipe) -> None:
    """It leaves no hole, holds nothing up, and nothing says whose it is."""
    pen, stranger = Pen(), Pen()
    records = [pen.write(PLAIN_CLICK), stranger.scribble(STRAY + b"\xff"), pen.write(PLAIN_CLICK)]
    await pipe.append(*records[:1])
    await pipe.append(*records[1:2])
    await pipe.append(*records[2:])
    await pipe.apply(pipe.consumer(log=StrayLog(pipe.log)))
    (dead,) = await dead_letters(pipe.pool)
    assert (dead.origin, dead.reason, dead.state) == (None, DeadLetterReason.NO_ORIGIN, DeadLetterState.OPEN)
    assert await holes(pipe.dsn) == []
    assert await _complete_through(pipe) == pen.captured_at
    refused = await replayed(pipe.pool, dead.dead_letter_id)
    assert (refused.ending, refused.failed) == (Ending.NO_ORIGIN, True)
    store = DeadLetterStore(pipe.pool)
    assert (await discard(store, dead.dead_letter_id, "a stranger's")).ending is Ending.DISCARDED
    assert await fetch_value(pipe.dsn, COUNTED) == 2


async def test_what_is_read_again_after_a_reset_is_kept_once(pipe: Pipe) -> None:
    """Stray or not: the same bytes at the same offset are the same dead letter, also after it was closed."""
    pen, stranger = Pen(), Pen()
    for record in (pen.scribble(), pen.write(PLAIN_CLICK), stranger.scribble(STRAY)):
        await pipe.append(record)
    await pipe.apply(pipe.consumer(log=StrayLog(pipe.log)))
    kept = await dead_letters(pipe.pool)
    await discard(DeadLetterStore(pipe.pool), kept[1].dead_letter_id, "a test")
    await execute(pipe.dsn, "UPDATE partition_offset SET next_offset = 0, owner_epoch = owner_epoch + 1")
    await pipe.apply(pipe.consumer(log=StrayLog(pipe.log)))
    again = await dead_letters(pipe.pool)
    assert [dead.dead_letter_id for dead in again] == [dead.dead_letter_id for dead in kept]
    assert len(kept) == 2
    assert await fetch_value(pipe.dsn, COUNTED) == 1


async def test_an_offset_that_was_given_out_anew_names_another_dead_letter(pipe: Pipe) -> None:
    """A topic that is made again counts again from 0: the bytes may even be the same, the origin is not."""
    await pipe.take(Pen().scribble(b"{"))
    store = pipe.store()
    await execute(pipe.dsn, "UPDATE partition_offset SET next_offset = 0, owner_epoch = owner_epoch + 1")
    await execute(pipe.dsn, "TRUNCATE log_record; UPDATE log_partition SET next_offset = 0")
    await pipe.take(Pen().scribble(b"{"))
    assert [dead.offset for dead in await dead_letters(pipe.pool)] == [0, 0]
    assert (await store.standings(Stream.CLICKS))[Partition(0)] == Offset(1)


async def test_a_dead_letter_that_is_not_there_is_said_to_be_none(pipe: Pipe) -> None:
    """By replay and by discard."""
    outcomes = [await replayed(pipe.pool, 4711), await discard(DeadLetterStore(pipe.pool), 4711, "a test")]
    assert [(one.ending, one.failed) for one in outcomes] == [(Ending.UNKNOWN, True)] * 2


async def _epoch_is(pipe: Pipe, epoch: int) -> bool:
    return bool(await fetch_value(pipe.dsn, "SELECT owner_epoch = $1 FROM partition_offset WHERE partition = 0", epoch))


async def _waiting(pipe: Pipe, sessions: int) -> bool:
    return await waiting_for_locks(pipe.dsn) == sessions
