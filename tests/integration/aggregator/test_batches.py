"""A batch is one transaction: it moves the offset by compare-and-set and brings everything with it, or nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aggregator.applying.batch import admit, judge_clicks, raw_dates, read_records
from aggregator.applying.gathering import Gathered
from aggregator.applying.store import ApplyingStore, BatchWriter, Claim, LostPartitionError, OvertakenError
from aggregator.judge import PLAIN_RULES
from event_log.contract import LoggedRecord
from link_events.events import Heartbeat, Sealed
from link_events.identity import AdvocateId
from link_events.reasons import DeadLetterReason, HoleKind
from link_events.streams import Offset, Partition, Stream
from stage.events import PLAIN_CLICK
from stage.following import read_now
from stage.journaling import Pen
from stage.pipe import CONTEXT, Pipe
from stage.sql import fetch, fetch_value, waiting_for_locks
from stage.waiting import eventually_async

CLICKS, P0 = Stream.CLICKS, Partition(0)
BO = replace(PLAIN_CLICK, advocate_id=AdvocateId("bo"), method="HEAD")

HOLES = "SELECT seq_from, seq_to, kind, captured_after FROM hole ORDER BY seq_from"
COUNTS = "SELECT advocate_id, raw_clicks, counted_clicks, not_counted_clicks FROM advocate_day ORDER BY advocate_id"


async def _write(writer: BatchWriter, claim: Claim, records: Sequence[LoggedRecord]) -> None:
    """Everything that a batch writes after its first statement."""
    read = read_records(claim.stream, claim.partition, records, datetime.now(UTC))
    book = await writer.book({one.record.journal for one in records})
    admitted = admit(read, book)
    clicks = Gathered(claim.programme.repeats)
    clicks.take(judge_clicks(admitted.clicks, claim.programme.calendar.zone, CONTEXT, PLAIN_RULES))
    await writer.write_clicks(clicks)
    await writer.write_dead_letters(admitted.dead_letters)
    await writer.write_book(book)


async def _batch(pipe: Pipe, store: ApplyingStore, claim: Claim) -> None:
    """Apply what the log holds from where `claim` stands."""
    records = await read_now(pipe.log, 0, claim.next_offset)
    await store.ensure_days(raw_dates(read_records(CLICKS, P0, records, datetime.now(UTC))))
    async with store.batch(claim, Offset(claim.next_offset + len(records))) as writer:
        await _write(writer, claim, records)


async def test_clicks_become_raw_rows_and_counts(pipe: Pipe) -> None:
    """With their verdicts; heartbeats move the watermark and count nothing."""
    pen = Pen()
    await pipe.take(pen.write(PLAIN_CLICK), pen.write(BO), pen.write(Heartbeat()), pen.write(PLAIN_CLICK))
    assert await pipe.raw() == [(pen.journal, 0, seq) for seq in (1, 2, 4)]
    assert await fetch(pipe.dsn, COUNTS) == [("ada.lovelace", 2, 2, 0), ("bo", 1, 0, 1)]
    watermark = "SELECT journal, stream, partition, seq, captured_at, sealed FROM watermark"
    assert await fetch(pipe.dsn, watermark) == [(pen.journal, "clicks", 0, 4, pen.captured_at, False)]
    assert await pipe.drift() == []


async def test_what_is_sent_again_counts_once(pipe: Pipe) -> None:
    """In the same batch, in a later one, and through another partition's owner; it is counted as skipped."""
    pen = Pen()
    records = [pen.write(PLAIN_CLICK), pen.scribble(), pen.write(BO)]
    await pipe.take(*records, *records)
    await pipe.take(*records[1:])
    assert len(await pipe.raw()) == 2
    assert await fetch_value(pipe.dsn, "SELECT count(*) FROM dead_letter") == 1
    assert pipe.metric("duplicates_skipped_total", stream="clicks") == 5
    assert await pipe.drift() == []


async def test_a_jump_opens_a_hole_that_a_late_record_fills(pipe: Pipe) -> None:
    """A hole in the middle splits; the last record closes it. Nothing counts twice."""
    pen = Pen()
    first, *late, last = [pen.write(PLAIN_CLICK) for _ in range(6)]
    await pipe.take(first, last)
    begin = (2, 5, HoleKind.MISSING, datetime(2022, 2, 14, 9, 30, tzinfo=UTC))
    assert await fetch(pipe.dsn, HOLES) == [begin]
    await pipe.take(late[1])
    assert await fetch(pipe.dsn, HOLES) == [(2, 2, *begin[2:]), (4, 5, *begin[2:])]
    await pipe.take(late[0], first, late[3], late[2])
    assert await fetch(pipe.dsn, HOLES) == []
    assert [seq for _, _, seq in await pipe.raw()] == [1, 6, 3, 2, 5, 4]
    assert pipe.metric("holes_filled_total", stream="clicks") == 4
    assert await pipe.drift() == []


async def test_a_dead_letter_is_kept_with_its_bytes_and_as_a_hole(pipe: Pipe) -> None:
    """With where it stood, why, and when it was logged; the records around it are applied."""
    pen = Pen()
    good, bad, more = pen.write(PLAIN_CLICK), pen.scribble(b"\x00\xff{"), pen.write(PLAIN_CLICK)
    await pipe.take(good, bad, more)
    columns = "stream, partition, log_offset, journal, seq, value, reason"
    (stored,) = await fetch(pipe.dsn, f"SELECT {columns}, detail <> '', logged_at <= dead_at FROM dead_letter")  # noqa: S608
    assert stored == ("clicks", 0, 1, pen.journal, 2, b"\x00\xff{", DeadLetterReason.NOT_JSON, True, True)
    assert [(start, end, kind) for start, end, kind, _ in await fetch(pipe.dsn, HOLES)] == [(2, 2, "dead_letter")]
    assert len(await pipe.raw()) == 2
    assert pipe.metric("dead_letters_total", reason="not_json") == 1


async def test_a_dead_letter_that_comes_mended_fills_its_hole(pipe: Pipe) -> None:
    """And counts; what was kept of it stays for the record."""
    pen = Pen()
    await pipe.take(pen.write(PLAIN_CLICK), pen.scribble(), pen.write(PLAIN_CLICK))
    mended = replace(pen, last_seq=1).write(PLAIN_CLICK)
    await pipe.take(mended, mended)
    assert await fetch(pipe.dsn, HOLES) == []
    assert [seq for _, _, seq in await pipe.raw()] == [1, 3, 2]
    assert await fetch_value(pipe.dsn, "SELECT count(*) FROM dead_letter") == 1
    assert await pipe.drift() == []


async def test_a_journal_that_is_sealed_is_stored_as_sealed(pipe: Pipe) -> None:
    """Until it goes on after all."""
    pen = Pen()
    await pipe.take(pen.write(PLAIN_CLICK), pen.write(Sealed()))
    assert await fetch_value(pipe.dsn, "SELECT sealed FROM watermark")
    await pipe.take(pen.write(Heartbeat()))
    assert not await fetch_value(pipe.dsn, "SELECT sealed FROM watermark")


async def test_a_batch_whose_offset_has_moved_changes_nothing(pipe: Pipe) -> None:
    """Its first statement finds that somebody was faster; reading again tells where to go on."""
    pen = Pen()
    await pipe.append(pen.write(PLAIN_CLICK))
    store = pipe.store()
    claim = await store.claim(CLICKS, P0)
    await _batch(pipe, store, claim)
    with pytest.raises(OvertakenError):
        await _batch(pipe, store, claim)
    assert len(await pipe.raw()) == 1
    assert (await store.reload(CLICKS, P0)).next_offset == 1
    assert await pipe.drift() == []


async def test_a_batch_that_fails_leaves_nothing(pipe: Pipe) -> None:
    """Neither the offset nor anything written before the failure."""
    pen = Pen()
    await pipe.append(pen.write(PLAIN_CLICK))
    store = pipe.store()
    claim = await store.claim(CLICKS, P0)
    records = await read_now(pipe.log)
    await store.ensure_days([PLAIN_CLICK.occurred_at.date()])

    async def fails() -> None:
        async with store.batch(claim, Offset(1)) as writer:
            await _write(writer, claim, records)
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        await fails()
    assert await pipe.raw() == []
    assert await fetch(pipe.dsn, COUNTS) == []
    assert await fetch(pipe.dsn, "SELECT 1 FROM watermark") == []
    assert await store.reload(CLICKS, P0) == claim


async def test_a_second_owner_fences_the_first(pipe: Pipe) -> None:
    """Its next batch moves nothing, it learns that the partition is lost, and the second goes on where it stood."""
    pen = Pen()
    await pipe.append(pen.write(PLAIN_CLICK), pen.write(BO))
    first, second = pipe.store("first"), pipe.store("second")
    old = await first.claim(CLICKS, P0)
    new = await second.claim(CLICKS, P0)
    with pytest.raises(OvertakenError):
        await _batch(pipe, first, old)
    assert await pipe.raw() == []
    with pytest.raises(LostPartitionError):
        await first.reload(CLICKS, P0)
    await _batch(pipe, second, new)
    assert len(await pipe.raw()) == 2
    assert await pipe.drift() == []


async def test_a_second_owner_waits_for_the_firsts_batch(pipe: Pipe) -> None:
    """And begins behind it: the row's lock lets one of them in at a time."""
    pen = Pen()
    await pipe.append(pen.write(PLAIN_CLICK))
    first, second = pipe.store("first"), pipe.store("second")
    claim = await first.claim(CLICKS, P0)
    records = await read_now(pipe.log)
    await first.ensure_days([PLAIN_CLICK.occurred_at.date()])
    async with first.batch(claim, Offset(1)) as writer:
        taking_over = asyncio.create_task(second.claim(CLICKS, P0))
        await eventually_async(lambda: waiting_for_locks(pipe.dsn))
        await _write(writer, claim, records)
    assert (await taking_over).next_offset == 1
    assert len(await pipe.raw()) == 1


async def test_a_consumer_that_lost_its_partition_leaves_it_alone(pipe: Pipe) -> None:
    """It ends, and says so in its metric."""
    first, second = pipe.consumer(owner="first"), pipe.consumer(owner="second")
    running = asyncio.create_task(first.run())
    await eventually_async(lambda: _applying(first.applying))
    pen = Pen()
    await pipe.store("second").claim(CLICKS, P0)
    await pipe.append(pen.write(PLAIN_CLICK))
    await asyncio.wait_for(running, timeout=10)
    assert not first.applying
    assert pipe.metric("applying_interruptions_total", cause="lost") == 1
    assert pipe.metric("applying_interruptions_total", cause="lost") == 1
    assert await pipe.raw() == []
    await pipe.apply(second)
    assert len(await pipe.raw()) == 1


async def test_two_owners_that_fight_over_a_partition_count_each_click_once(pipe: Pipe) -> None:
    """Whoever wins: the one that lost ends, and nothing is left out or doubled."""
    pen = Pen()
    consumers = [pipe.consumer(owner=f"owner {number}") for number in range(3)]
    await pipe.append(*(pen.write(PLAIN_CLICK) for _ in range(30)))
    await pipe.apply(*consumers)
    await pipe.take(*(pen.write(PLAIN_CLICK) for _ in range(30)))
    assert [seq for _, _, seq in await pipe.raw()] == list(range(1, 61))
    assert await pipe.drift() == []


async def test_partitions_are_applied_side_by_side(pipe: Pipe) -> None:
    """Each with its own offsets, and all into the same counts of an advocate's day."""
    pens = [Pen(Partition(number)) for number in range(4)]
    for pen in pens:
        await pipe.append(*(pen.write(PLAIN_CLICK) for _ in range(20)), partition=pen.partition)
    await pipe.apply(*(pipe.consumer(pen.partition) for pen in pens))
    assert await fetch(pipe.dsn, COUNTS) == [("ada.lovelace", 80, 80, 0)]
    assert await pipe.drift() == []


async def _applying(state: object) -> bool:
    return bool(state)
