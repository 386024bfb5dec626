"""`complete_through` promises nothing of a journal before every partition has heard of it."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from aggregator.freshness.store import snapshot
from event_log.contract import Record
from link_events.events import EventData, Heartbeat, Sealed
from link_events.identity import JournalId
from link_events.streams import PARTITIONS_DEFAULT, Partition, Stream
from stage.events import PLAIN_CLICK
from stage.journaling import FIRST_CAPTURE, Pen, new_journal
from stage.pipe import Pipe
from stage.requirements import REPOSITORY
from stage.sql import execute, fetch

LAST = PARTITIONS_DEFAULT - 1
MANUAL = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
GIVE_UP = "".join(re.findall(r"^INSERT INTO watermark [^;]+;", MANUAL, re.MULTILINE))
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


async def test_a_lost_journal_is_given_up_as_the_manual_says(pipe: Pipe) -> None:
    """Also where a partition never heard of it."""
    await _claimed(pipe)
    journal = new_journal()
    await _take(pipe, _pens(journal)[:LAST], HEARD)
    await execute(pipe.dsn, GIVE_UP.replace("00c0ffee00c0ffee", journal.hex()))
    assert await fetch(pipe.dsn, "SELECT count(*), bool_and(sealed) FROM watermark") == [(PARTITIONS_DEFAULT, True)]
    complete = await _complete_through(pipe)
    assert complete is not None
    assert datetime.now(UTC) - complete < timedelta(minutes=1)


async def test_the_first_known_instant_never_changes(pipe: Pipe) -> None:
    """Whatever batches follow."""
    pen = Pen()
    await pipe.take(*_written(pen, HEARD))
    await pipe.take(*_written(pen, HEARD))
    assert await fetch(pipe.dsn, "SELECT first_captured_at, seq FROM watermark") == [(FIRST_CAPTURE, 6)]
