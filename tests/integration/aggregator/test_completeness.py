"""`complete_through` promises nothing of a journal before every partition has heard of it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from aggregator.freshness.store import BEFORE_THE_FIRST, snapshot
from aggregator.holes.store import HoleStore
from aggregator.journals.retiring import Retirement
from aggregator.journals.states import HeldBack, HeldBackBy, JournalState
from aggregator.journals.store import JournalStore
from event_log.contract import Record
from link_events.events import EventData, Heartbeat, Sealed
from link_events.identity import JournalId, Origin, Seq
from link_events.streams import PARTITIONS_DEFAULT, Partition, Stream
from stage.events import PLAIN_CLICK
from stage.journaling import FIRST_CAPTURE, Pen, new_journal
from stage.pipe import Pipe
from stage.sql import execute, fetch

LAST = PARTITIONS_DEFAULT - 1
HEARD = (PLAIN_CLICK, Heartbeat(), Heartbeat())


def _pens(journal: JournalId) -> list[Pen]:
    return [Pen(Partition(number), journal) for number in range(PARTITIONS_DEFAULT)]


def _written(pen: Pen, events: Sequence[EventData]) -> list[Record]:
    return [pen.write(event) for event in events]


async def _claimed(pipe: Pipe) -> None:
    """Every partition has somebody who applies it."""
    for number in range(PARTITIONS_DEFAULT):
        await pipe.store().claim(Stream.CLICKS, Partition(number))


async def _take(pipe: Pipe, pens: Sequence[Pen], events: Sequence[EventData]) -> None:
    for pen in pens:
        await pipe.append(*_written(pen, events), partition=pen.partition)
    await pipe.apply(*(pipe.consumer(pen.partition) for pen in pens))


async def _complete_through(pipe: Pipe) -> datetime | None:
    async with snapshot(pipe.pool) as (_, freshness):
        return freshness.complete_through


async def _held_back_by(pipe: Pipe) -> Sequence[HeldBack]:
    async with snapshot(pipe.pool) as (_, freshness):
        return freshness.held_back_by


async def test_a_partition_that_has_not_heard_of_a_journal_holds_it_back(pipe: Pipe) -> None:
    """To the first that is known of that journal; released once the last partition has applied something of it."""
    await _claimed(pipe)
    pens = _pens(new_journal())
    await _take(pipe, pens[:LAST], HEARD)
    assert await _complete_through(pipe) == FIRST_CAPTURE
    await _take(pipe, pens[:LAST], [Heartbeat()])
    assert await _complete_through(pipe) == FIRST_CAPTURE
    await _take(pipe, pens[LAST:], HEARD)
    assert await _complete_through(pipe) == FIRST_CAPTURE + timedelta(seconds=2)


async def test_a_journal_that_is_sealed_where_it_was_heard_of_still_holds_back(pipe: Pipe) -> None:
    """Its seals and its clicks in the last partition have yet to come."""
    await _claimed(pipe)
    pens = _pens(new_journal())
    await _take(pipe, pens[:LAST], [PLAIN_CLICK, Sealed()])
    assert await _complete_through(pipe) == FIRST_CAPTURE
    await _take(pipe, pens[LAST:], [PLAIN_CLICK, Sealed()])
    complete = await _complete_through(pipe)
    assert complete is not None
    assert datetime.now(UTC) - complete < timedelta(minutes=1)


async def test_an_import_that_is_sealed_in_the_clicks_holds_nothing_back_elsewhere(pipe: Pipe) -> None:
    """It has nothing but clicks; so has whatever was sealed before there were other streams."""
    for stream in Stream:
        for number in range(PARTITIONS_DEFAULT):
            await pipe.store().claim(stream, Partition(number))
    await _take(pipe, _pens(new_journal()), [PLAIN_CLICK, Sealed()])
    complete = await _complete_through(pipe)
    assert complete is not None
    assert datetime.now(UTC) - complete < timedelta(minutes=1)
    assert await _held_back_by(pipe) == []


async def test_a_journal_is_waited_for_in_every_stream_that_it_was_heard_in(pipe: Pipe) -> None:
    """Conversions that lag make numbers incomplete as clicks do."""
    journal = new_journal()
    await _take(pipe, _pens(journal), HEARD)
    for number in range(PARTITIONS_DEFAULT):
        pen = Pen(Partition(number), journal, Stream.CONVERSIONS)
        await pipe.take(pen.write(Heartbeat()), partition=number, stream=Stream.CONVERSIONS)
    assert await _complete_through(pipe) == FIRST_CAPTURE


async def test_what_is_applied_and_not_attributed_is_not_complete(pipe: Pipe) -> None:
    """Up to right before the earliest such conversion; what is only to be corrected holds nothing back."""
    await _claimed(pipe)
    await _take(pipe, _pens(new_journal()), HEARD)
    complete = FIRST_CAPTURE + timedelta(seconds=2)
    await execute(pipe.dsn, "INSERT INTO conversion_mark (conversion_id) VALUES (1)")
    assert await _complete_through(pipe) == complete
    marked = "INSERT INTO conversion_mark (conversion_id, captured_at) SELECT 1, $1::timestamptz RETURNING 1"
    await fetch(pipe.dsn, marked, FIRST_CAPTURE + timedelta(seconds=1))
    await fetch(pipe.dsn, marked, FIRST_CAPTURE + timedelta(seconds=9))
    assert await _complete_through(pipe) == FIRST_CAPTURE + timedelta(seconds=1) - timedelta.resolution
    assert (await JournalStore(pipe.pool).census()).unattributed == FIRST_CAPTURE + timedelta(seconds=1)
    await execute(pipe.dsn, "DELETE FROM conversion_mark WHERE captured_at IS NOT NULL")
    assert await _complete_through(pipe) == complete


async def test_a_lost_journal_is_retired(pipe: Pipe) -> None:
    """Also where a partition never heard of it; what is missing of it is given up with it."""
    await _claimed(pipe)
    pens = _pens(new_journal())
    await _take(pipe, pens[:LAST], HEARD)
    pens[0].write(PLAIN_CLICK)
    await _take(pipe, pens[:1], [Heartbeat()])
    retired = await JournalStore(pipe.pool).retire(pens[0].journal, "the disk is gone", force=False)
    assert (retired.ending, retired.holes_closed) == (Retirement.RETIRED, 1)
    assert await fetch(pipe.dsn, "SELECT seq_from, closed_why FROM hole") == [(4, "the disk is gone")]
    complete = await _complete_through(pipe)
    assert complete is not None
    assert datetime.now(UTC) - complete < timedelta(minutes=1)


async def test_a_retired_journal_that_speaks_is_live_again_and_all_of_it_is_counted(pipe: Pipe) -> None:
    """It holds back as any other; what was given up of it fills its hole."""
    lost = Pen(first_capture=datetime.now(UTC) - timedelta(hours=1))
    records = _written(lost, [PLAIN_CLICK] * 5)
    await pipe.take(records[0], records[4])
    await JournalStore(pipe.pool).retire(lost.journal, "the disk is gone", force=False)
    assert await _held_back_by(pipe) == []
    found = Pen(lost.partition, lost.journal, last_seq=5, first_capture=datetime.now(UTC) + timedelta(minutes=10))
    await pipe.take(*records, *_written(found, [PLAIN_CLICK]))
    (known,) = (await JournalStore(pipe.pool).page(BEFORE_THE_FIRST, 10)).rows
    assert (known.state, known.known.missing_seqs) == (JournalState.LIVE, 0)
    assert {seq for _, _, seq in await pipe.raw()} == {1, 2, 3, 4, 5, 6}
    assert await fetch(pipe.dsn, "SELECT FROM hole") == []
    assert await pipe.drift() == []


async def test_a_silent_journal_holds_it_back_and_is_named(pipe: Pipe) -> None:
    """Beside it a live one, a sealed one and a retired one, which do not; the further behind comes first."""
    now = datetime.now(UTC)
    live, sealed, retired, silent, holed = (Pen(first_capture=now - timedelta(hours=away)) for away in (0, 5, 4, 3, 2))
    await pipe.take(live.write(Heartbeat()), sealed.write(Sealed()), retired.write(Heartbeat()))
    await JournalStore(pipe.pool).retire(retired.journal, "a test", force=False)
    before, _missing, after = _written(holed, [Heartbeat()] * 3)
    await pipe.take(silent.write(Heartbeat()), before, after)
    named = await _held_back_by(pipe)
    assert [(one.journal, one.state, one.since, one.why) for one in named] == [
        (silent.journal, JournalState.SILENT, silent.captured_at, HeldBackBy.SILENT),
        (holed.journal, JournalState.SILENT, holed.first_capture, HeldBackBy.HOLE),
    ]
    assert await _complete_through(pipe) == silent.captured_at


async def test_a_closed_hole_does_not_hold_it_back(pipe: Pipe) -> None:
    """An open one does, and names its journal, though that is live."""
    pen = Pen(first_capture=datetime.now(UTC) - timedelta(minutes=2))
    first, *_, last = _written(pen, [Heartbeat()] * 121)
    await pipe.take(first, last)
    (held,) = await _held_back_by(pipe)
    assert (held.journal, held.state, held.why) == (pen.journal, JournalState.LIVE, HeldBackBy.HOLE)
    assert await _complete_through(pipe) == pen.first_capture
    await HoleStore(pipe.pool).close(Origin(pen.journal, pen.stream, pen.partition, Seq(2)), "a test")
    assert await _held_back_by(pipe) == []
    assert await _complete_through(pipe) == pen.captured_at


async def test_the_first_known_instant_never_changes(pipe: Pipe) -> None:
    """Whatever batches follow."""
    pen = Pen()
    await pipe.take(*_written(pen, HEARD))
    await pipe.take(*_written(pen, HEARD))
    assert await fetch(pipe.dsn, "SELECT first_captured_at, seq FROM watermark") == [(FIRST_CAPTURE, 6)]
