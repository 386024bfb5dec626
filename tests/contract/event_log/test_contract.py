"""What every form of the event log promises (DESIGN §7; guarantee 3). Only the contract is used here."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from event_log.contract import (
    EventLog,
    EventLogAwayError,
    LogRewoundError,
    OffsetExpiredError,
    PartitionCountError,
    Record,
)
from link_events.identity import Seq
from link_events.streams import PARTITIONS_DEFAULT, Offset, Partition, Stream
from stage.following import NO_WAIT, followed, only_logged, read_now
from stage.journaling import new_journal, plain_records
from stage.log_forms import LogForm

CLICKS = Stream.CLICKS
P0, P1, P2 = (Partition(number) for number in range(3))
EMPTY = dict.fromkeys(range(PARTITIONS_DEFAULT), 0)

SOON_SECONDS = 5.0
"""A wake-up takes tens of milliseconds, more on a machine that tests share; a reader that slept on takes LONG_WAIT."""

LONG_WAIT = timedelta(minutes=2)


async def test_an_empty_log_ends_at_zero_everywhere(log: EventLog) -> None:
    """Every partition is named, also the ones that hold nothing."""
    assert await log.end_offsets(CLICKS) == EMPTY
    assert await read_now(log) == []


async def test_records_come_out_in_the_order_in_which_they_were_appended(log: EventLog) -> None:
    """Within an append, and from append to append; offsets are dense from 0."""
    records = plain_records(7)
    await log.append(CLICKS, P0, records[:4])
    await log.append(CLICKS, P0, records[4:])
    logged = await read_now(log)
    assert [one.record for one in logged] == records
    assert [one.offset for one in logged] == list(range(7))


async def test_partitions_know_nothing_of_each_other(log: EventLog) -> None:
    """Each counts its own offsets."""
    records = plain_records(5)
    await log.append(CLICKS, P1, records[:2])
    await log.append(CLICKS, P2, records[2:])
    assert await log.end_offsets(CLICKS) == EMPTY | {P1: 2, P2: 3}
    assert [one.record for one in await read_now(log, P1)] == records[:2]
    assert [one.record for one in await read_now(log, P2)] == records[2:]


async def test_appending_nothing_changes_nothing(log: EventLog) -> None:
    """A shipper may have an empty share."""
    await log.append(CLICKS, P0, [])
    assert (await log.end_offsets(CLICKS))[P0] == 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.binary(max_size=3_000), min_size=1, max_size=8))
async def test_values_and_origins_come_out_as_they_went_in(log: EventLog, values: Sequence[bytes]) -> None:
    """Byte for byte, whatever the bytes are: nothing, zeros, no UTF-8."""
    journal = new_journal()
    records = [Record(journal, Seq(seq), value) for seq, value in enumerate(values, 1)]
    before = (await log.end_offsets(CLICKS))[P0]
    await log.append(CLICKS, P0, records)
    assert [one.record for one in await read_now(log, P0, before)] == records


async def test_a_value_of_a_megabyte_less_a_little_goes_through(log: EventLog) -> None:
    """Far more than any event; Kafka's own bound is 1 048 588 bytes for a batch."""
    record = Record(new_journal(), Seq(1), bytes(1_000_000))
    await log.append(CLICKS, P0, [record])
    assert [one.record for one in await read_now(log)] == [record]


async def test_a_record_says_when_it_was_logged(log: EventLog) -> None:
    """In aware UTC, and about now."""
    await log.append(CLICKS, P0, plain_records(1))
    (logged,) = await read_now(log)
    assert logged.logged_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - logged.logged_at) < timedelta(minutes=1)


async def test_reading_again_gives_the_same_again(log: EventLog, other_log: EventLog) -> None:
    """From every offset, in pages of every size, through another client."""
    await log.append(CLICKS, P0, plain_records(6))
    everything = await read_now(log)
    for start in range(7):
        for size in (1, 2, 5, 6, 7):
            assert await read_now(other_log, P0, start, records_max=size) == everything[start : start + size]


async def test_offsets_are_dense_across_appenders(log: EventLog, other_log: EventLog) -> None:
    """Two clients append side by side: no offset is left out or given twice, and each one's order holds."""
    clients = [log, other_log, log, other_log]
    journals = [new_journal() for _ in clients]

    async def append_all(client: EventLog, records: Sequence[Record]) -> None:
        for start in range(0, len(records), 5):
            await client.append(CLICKS, P0, records[start : start + 5])

    shares = [plain_records(60, journal=journal) for journal in journals]
    await asyncio.gather(*map(append_all, clients, shares))
    logged = await read_now(log)
    assert [one.offset for one in logged] == list(range(240))
    for journal, share in zip(journals, shares, strict=True):
        assert [one.record for one in logged if one.record.journal == journal] == share


async def test_readers_see_gap_free_prefixes_while_others_append(log: EventLog, other_log: EventLog) -> None:
    """Nothing becomes visible behind a reader's back: who reads on from where they stand reads everything."""
    readers = [asyncio.create_task(followed(other_log, 200, records_max=size)) for size in (1, 7, 1_000)]

    async def append_some() -> None:
        journal = new_journal()
        for first in range(1, 51, 2):
            await log.append(CLICKS, P0, plain_records(2, journal=journal, first_seq=first))

    await asyncio.gather(*(append_some() for _ in range(4)))
    for offsets in await asyncio.gather(*readers):
        assert offsets == list(range(200))


async def test_an_append_that_is_broken_off_leaves_all_of_it_or_nothing(log: EventLog, other_log: EventLog) -> None:
    """Wherever it is broken off; what was acknowledged is there."""
    batches = [plain_records(400) for _ in range(12)]
    acknowledged = []
    for number, batch in enumerate(batches):
        try:
            async with asyncio.timeout(number * 0.002):
                await log.append(CLICKS, P0, batch)
            acknowledged.append(batch)
        except TimeoutError:
            pass
    await log.append(CLICKS, P0, plain_records(1))
    logged = await read_now(other_log)
    assert [one.offset for one in logged] == list(range(len(logged)))
    for batch in batches:
        found = [one.record for one in logged if one.record.journal == batch[0].journal]
        assert found == batch or (found == [] and batch not in acknowledged)


async def test_a_reader_that_waits_wakes_up_soon_when_something_arrives(log: EventLog, other_log: EventLog) -> None:
    """Also through another client, and only for its own partition."""
    await log.append(CLICKS, P0, plain_records(3))
    waiting = asyncio.create_task(other_log.read(CLICKS, P0, Offset(3), records_max=10, wait=LONG_WAIT))
    elsewhere = asyncio.create_task(other_log.read(CLICKS, P1, Offset(0), records_max=10, wait=LONG_WAIT))
    await log.append(CLICKS, P0, records := plain_records(2))
    async with asyncio.timeout(SOON_SECONDS):
        assert [one.record for one in only_logged(await waiting)] == records
    assert not elsewhere.done()
    await log.append(CLICKS, P1, records)
    async with asyncio.timeout(SOON_SECONDS):
        assert [one.record for one in only_logged(await elsewhere)] == records


async def test_a_read_gives_nothing_where_nothing_arrives_in_time(log: EventLog) -> None:
    """It waits as long as it was told, and not much longer."""
    wait = timedelta(seconds=0.3)
    started = time.monotonic()
    assert list(await log.read(CLICKS, P0, Offset(0), records_max=10, wait=wait)) == []
    assert wait.total_seconds() <= time.monotonic() - started < SOON_SECONDS


async def test_what_arrives_between_two_reads_is_given_by_the_second(log: EventLog, other_log: EventLog) -> None:
    """Whether it would have waited for a moment or for long, and though those before found nothing."""
    moment = timedelta(milliseconds=1)
    for offset, wait in enumerate((moment, LONG_WAIT)):
        for _ in range(2):
            assert list(await log.read(CLICKS, P0, Offset(offset), records_max=10, wait=moment)) == []
        await other_log.append(CLICKS, P0, records := plain_records(1))
        async with asyncio.timeout(SOON_SECONDS):
            found = await log.read(CLICKS, P0, Offset(offset), records_max=10, wait=wait)
        assert [one.record for one in only_logged(found)] == records


async def test_many_readers_may_wait_at_once(log: EventLog) -> None:
    """As an aggregator's do: one for each partition, and more than there are connections."""
    partitions = [P0, P1, P2]
    waiting = [
        asyncio.create_task(log.read(CLICKS, partition, Offset(0), records_max=1, wait=LONG_WAIT))
        for partition in partitions * 10
    ]
    for partition in partitions:
        await log.append(CLICKS, partition, plain_records(1))
    async with asyncio.timeout(SOON_SECONDS):
        assert all(await asyncio.gather(*waiting))


@pytest.mark.parametrize("offset", [3, 1_000_000])
async def test_an_offset_that_was_never_handed_out_is_refused(log: EventLog, offset: int) -> None:
    """A reader ahead of the log reads another log than it thinks: a person decides."""
    await log.append(CLICKS, P0, plain_records(2))
    assert await read_now(log, P0, 2) == []
    with pytest.raises(OffsetExpiredError):
        await read_now(log, P0, offset)


async def test_an_offset_that_is_no_longer_kept_is_refused(log: EventLog, form: LogForm) -> None:
    """What is kept is read as before, at the offsets it had."""
    await log.append(CLICKS, P0, records := plain_records(5))
    await form.expire(CLICKS, P0, Offset(3))
    for gone in (0, 2):
        with pytest.raises(OffsetExpiredError):
            await read_now(log, P0, gone)
    assert [(one.offset, one.record) for one in await read_now(log, P0, 3)] == [(3, records[3]), (4, records[4])]


async def test_a_log_that_has_let_go_of_everything_goes_on_counting(log: EventLog, form: LogForm) -> None:
    """Offsets are never given twice."""
    await log.append(CLICKS, P0, plain_records(5))
    await form.expire(CLICKS, P0, Offset(5))
    assert (await log.end_offsets(CLICKS))[P0] == 5
    await log.append(CLICKS, P0, records := plain_records(1))
    assert [(one.offset, one.record) for one in await read_now(log, P0, 5)] == [(5, records[0])]


async def test_a_log_with_another_number_of_partitions_is_refused(log: EventLog) -> None:
    """Resent events would land elsewhere: it is refused, never repaired."""
    await log.check(CLICKS, PARTITIONS_DEFAULT)
    for wrong in (PARTITIONS_DEFAULT - 1, PARTITIONS_DEFAULT + 1):
        with pytest.raises(PartitionCountError):
            await log.check(CLICKS, wrong)
    assert set(await log.end_offsets(CLICKS)) == set(EMPTY)


async def test_the_log_tells_how_far_it_has_a_journal_or_that_it_cannot_know(log: EventLog) -> None:
    """A shipper that reconnects goes on behind it; seqs that are sent again do not take it back."""
    journal = new_journal()
    assert await log.last_seq(journal, CLICKS, P0) in (0, None)
    await log.append(CLICKS, P0, plain_records(5, journal=journal))
    await log.append(CLICKS, P0, plain_records(2, journal=journal, first_seq=2))
    assert await log.last_seq(journal, CLICKS, P0) in (5, None)
    assert await log.last_seq(journal, CLICKS, P1) in (0, None)
    assert await log.last_seq(new_journal(), CLICKS, P0) in (0, None)


async def test_an_append_behind_what_was_acked_is_taken(log: EventLog) -> None:
    """The first of a journal, the next, and one that begins before it: whatever was taken is still there."""
    records = plain_records(6)
    await log.append(CLICKS, P0, records[:3], acked=Seq(0))
    await log.append(CLICKS, P0, records[3:5], acked=Seq(3))
    await log.append(CLICKS, P0, records[2:], acked=Seq(4))
    assert [one.record for one in await read_now(log)] == [*records[:5], *records[2:]]


async def test_a_log_that_can_know_refuses_what_would_leave_a_gap_behind_it(log: EventLog) -> None:
    """It was restored and holds less than it had acked: nothing is appended, and the sender goes back to `last_seq`."""
    records = plain_records(9)
    await log.append(CLICKS, P0, records[:3])
    before = await read_now(log)
    held = await log.last_seq(records[0].journal, CLICKS, P0)
    if held is None:
        await log.append(CLICKS, P0, records[5:], acked=Seq(5))
        return
    for missed, acked in ((records[5:], Seq(5)), (records[4:], Seq(4)), (plain_records(2), Seq(1))):
        with pytest.raises(LogRewoundError):
            await log.append(CLICKS, P0, missed, acked=acked)
    assert await read_now(log) == before
    assert await log.last_seq(records[0].journal, CLICKS, P0) == held
    await log.append(CLICKS, P0, records[held:], acked=held)
    assert [one.record for one in await read_now(log)] == records


async def test_closing_ends_what_still_waits(form: LogForm) -> None:
    """Within a bounded time, and twice if asked; a reader is told that the log is away, not that it was cancelled."""
    async with form.open_log() as log:
        waiting = asyncio.create_task(log.read(CLICKS, P0, Offset(0), records_max=1, wait=LONG_WAIT))
        assert list(await log.read(CLICKS, P1, Offset(0), records_max=1, wait=NO_WAIT)) == []
        async with asyncio.timeout(SOON_SECONDS):
            await log.close()
            await log.close()
            with pytest.raises(EventLogAwayError):
                await waiting
