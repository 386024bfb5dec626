"""What is reported is kept once a key, whoever reports it, in whichever order and however often."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

import pytest

from aggregator.conversions.bodies import Body, state_beside
from aggregator.errors import ZoneInUseError
from aggregator.offsets.store import OffsetStore
from aggregator.programme.store import Programme, ProgrammeStore
from link_events.events import Conversion, stream_of
from link_events.identity import CustomerHash, ReversalId
from link_events.reasons import ConversionState, Via
from link_events.streams import Offset, Partition, Stream
from stage.dead import broken_decoder, dead_letters, replayed
from stage.events import PLAIN_ACTIVITY, PLAIN_CONVERSION, PLAIN_REVERSAL
from stage.journaling import FIRST_CAPTURE, Pen
from stage.pipe import Pipe
from stage.sql import execute, fetch, session, waiting_for_locks
from stage.waiting import eventually_async

CONVERSIONS: Final = Stream.CONVERSIONS
HOLDERS: Final = (
    "SELECT source, kind, external_id, journal, seq, value_minor, state FROM conversion ORDER BY conversion_id"
)
EVENTS: Final = "SELECT journal, seq FROM conversion_event ORDER BY log_offset"
MARKED: Final = (
    "SELECT external_id, count(*) FROM conversion_mark JOIN conversion USING (conversion_id) GROUP BY 1 ORDER BY 1"
)

TAKEN: Final = """
    INSERT INTO conversion (
        source, kind, external_id, partition, journal, seq, log_offset, via, occurred_at, local_day, logged_at,
        names_clicks, test
    ) VALUES ('shop', 'sale', 'A-1001', 7, '\\x01', 1, 5, 'api', now(), current_date, now(), false, false)
"""
"""The plain conversion's key, by an event of another partition that stands further back in its log."""
ADA, BO = CustomerHash(b"ada, 16 bytes..."), CustomerHash(b"bo, 16 bytes too")


def worth(value_minor: int, **others: object) -> Conversion:
    """The plain conversion with another value."""
    return replace(PLAIN_CONVERSION, value_minor=value_minor, **others)  # type: ignore[arg-type]


async def test_a_new_conversion_is_kept_with_the_clicks_it_names_and_marked(pipe: Pipe) -> None:
    pen = Pen(stream=CONVERSIONS)
    await pipe.take(pen.write(PLAIN_CONVERSION), stream=CONVERSIONS)
    assert await fetch(pipe.dsn, HOLDERS) == [("shop", "sale", "A-1001", pen.journal, 1, 12_999, "received")]
    assert await fetch(pipe.dsn, EVENTS) == [(pen.journal, 1)]
    [touch] = PLAIN_CONVERSION.touches
    named = "SELECT click_journal, click_partition, click_seq, click_on, clicked_at FROM conversion_touch"
    assert await fetch(pipe.dsn, named) == [
        (touch.origin.journal, touch.origin.partition, touch.origin.seq, touch.utc_day, None)
    ]
    assert await fetch(pipe.dsn, MARKED) == [("A-1001", 1)]
    assert pipe.metric("facts_applied_total", kind="conversion") == 1
    assert pipe.metric("facts_repeated_total", kind="conversion") == 0


async def test_copies_and_conflicts_are_kept_and_the_first_holds_the_key(pipe: Pipe) -> None:
    """Within a batch and across batches, from several journals, at once and a year later."""
    one, other = Pen(stream=CONVERSIONS), Pen(stream=CONVERSIONS)
    late = Pen(stream=CONVERSIONS, first_capture=FIRST_CAPTURE + timedelta(days=365))
    await pipe.take(*(pen.write(worth(100)) for pen in (one, other) * 25), stream=CONVERSIONS)
    await pipe.take(late.write(worth(100)), late.write(worth(200)), stream=CONVERSIONS)
    assert await fetch(pipe.dsn, HOLDERS) == [("shop", "sale", "A-1001", one.journal, 1, 100, "received")]
    assert await fetch(pipe.dsn, MARKED) == [("A-1001", 1)]
    assert pipe.metric("facts_repeated_total", kind="conversion") == 51
    said = await fetch(pipe.dsn, "SELECT via, body FROM conversion_event ORDER BY log_offset")
    holder, *others = [Body(Via(via), bytes(body)) for via, body in said]
    expected = [ConversionState.DUPLICATE] * 50 + [ConversionState.CONFLICT]
    assert [state_beside(holder, other) for other in others] == expected


async def test_what_a_server_says_takes_over_from_what_a_browser_said(pipe: Pipe) -> None:
    """Whenever it comes; and a browser never from a server."""
    browser, server = Pen(stream=CONVERSIONS), Pen(stream=CONVERSIONS)
    await pipe.take(browser.write(worth(1, via=Via.PIXEL)), stream=CONVERSIONS)
    await pipe.take(server.write(worth(100)), browser.write(worth(2, via=Via.SCRIPT)), stream=CONVERSIONS)
    assert await fetch(pipe.dsn, HOLDERS) == [("shop", "sale", "A-1001", server.journal, 1, 100, "received")]
    assert await fetch(pipe.dsn, MARKED) == [("A-1001", 2)]


async def test_what_takes_over_marks_whom_it_leaves(pipe: Pipe) -> None:
    """A dead letter that is replayed stands where it stood: who followed the customer before may follow another."""
    pen = Pen(stream=CONVERSIONS)
    with broken_decoder(lambda event: event.origin.seq == 1):
        await pipe.take(pen.write(worth(1, customer=ADA)), pen.write(worth(2, customer=BO)), stream=CONVERSIONS)
    assert await fetch(pipe.dsn, HOLDERS) == [("shop", "sale", "A-1001", pen.journal, 2, 2, "received")]
    [dead] = await dead_letters(pipe.pool)
    await replayed(pipe.pool, dead.dead_letter_id)
    assert await fetch(pipe.dsn, HOLDERS) == [("shop", "sale", "A-1001", pen.journal, 1, 1, "received")]
    assert await fetch(pipe.dsn, "SELECT customer FROM conversion") == [(ADA,)]
    left = "SELECT captured_at, left_customer FROM conversion_mark ORDER BY mark_id"
    assert await fetch(pipe.dsn, left) == [(FIRST_CAPTURE + timedelta(seconds=1), None), (FIRST_CAPTURE, BO)]


async def test_a_log_that_is_read_again_changes_nothing(pipe: Pipe) -> None:
    pen = Pen(stream=CONVERSIONS)
    await pipe.take(pen.write(PLAIN_CONVERSION), pen.write(PLAIN_REVERSAL), stream=CONVERSIONS)
    await OffsetStore(pipe.pool).reset(CONVERSIONS, Partition(0), Offset(0), "once more")
    await pipe.apply(pipe.consumer(stream=CONVERSIONS))
    assert await fetch(pipe.dsn, EVENTS) == [(pen.journal, 1)]
    assert await fetch(pipe.dsn, MARKED) == [("A-1001", 2)]  # by the conversion and by its reversal
    assert pipe.metric("duplicates_skipped_total", stream="conversions") == 2


async def test_a_key_that_is_taken_in_another_partition_meanwhile_is_looked_at_again(pipe: Pipe) -> None:
    """Somebody writes to the log who does not keep to its keys: still no key has two rows."""
    pen = Pen(stream=CONVERSIONS)
    async with session(pipe.dsn) as other:
        async with other.transaction():
            await other.execute(TAKEN)
            await pipe.append(pen.write(PLAIN_CONVERSION), stream=CONVERSIONS)
            applying = asyncio.create_task(pipe.apply(pipe.consumer(stream=CONVERSIONS)))
            await eventually_async(lambda: waiting_for_locks(pipe.dsn))
        await applying
    assert await fetch(pipe.dsn, HOLDERS) == [("shop", "sale", "A-1001", pen.journal, 1, 12_999, "received")]
    assert pipe.metric("applying_interruptions_total", cause="overtaken") == 1


async def test_the_zone_stays_once_a_fact_is_stored(pipe: Pipe) -> None:
    """Its local day would be wrong in another one."""
    for plain in (PLAIN_CONVERSION, PLAIN_ACTIVITY):
        stream = stream_of(plain)
        await pipe.take(Pen(stream=stream).write(plain), stream=stream)
        with pytest.raises(ZoneInUseError):
            await ProgrammeStore(pipe.pool).change(Programme("Asia/Tokyo"))
        await execute(pipe.dsn, "TRUNCATE conversion_event")


async def test_local_days_are_those_of_the_programmes_zone(pipe: Pipe) -> None:
    await ProgrammeStore(pipe.pool).change(Programme("Asia/Tokyo"))
    evening = datetime(2022, 3, 31, 20, tzinfo=UTC)
    pen = Pen(stream=CONVERSIONS)
    await pipe.take(pen.write(worth(1, occurred_at=evening)), stream=CONVERSIONS)
    days = "SELECT conversion.local_day, conversion_event.local_day FROM conversion, conversion_event"
    assert await fetch(pipe.dsn, days) == [(date(2022, 4, 1), date(2022, 4, 1))]


async def test_a_reversal_may_come_before_its_conversion(pipe: Pipe) -> None:
    """It is there when the conversion comes; one that comes after marks it again, once."""
    pen = Pen(stream=CONVERSIONS)
    await pipe.take(pen.write(PLAIN_REVERSAL), stream=CONVERSIONS)
    assert await fetch(pipe.dsn, MARKED) == []
    await pipe.take(pen.write(PLAIN_CONVERSION), stream=CONVERSIONS)
    assert await fetch(pipe.dsn, MARKED) == [("A-1001", 1)]
    part = replace(PLAIN_REVERSAL, reversal_id=ReversalId("R-2"), value_minor=5)
    await pipe.take(pen.write(part), pen.write(part), pen.write(PLAIN_REVERSAL), stream=CONVERSIONS)
    assert await fetch(pipe.dsn, MARKED) == [("A-1001", 2)]
    kept = "SELECT reversal_id, seq, value_minor FROM reversal ORDER BY reversal_id"
    assert await fetch(pipe.dsn, kept) == [("R-1", 1, None), ("R-2", 3, 5)]
    assert pipe.metric("facts_applied_total", kind="reversal") == 4
    assert pipe.metric("facts_repeated_total", kind="reversal") == 2


async def test_an_activity_is_kept_and_counted_once(pipe: Pipe) -> None:
    pen = Pen(stream=Stream.ACTIVITIES)
    await pipe.take(pen.write(PLAIN_ACTIVITY), pen.write(PLAIN_ACTIVITY), stream=Stream.ACTIVITIES)
    assert await fetch(pipe.dsn, "SELECT source, external_id, seq FROM activity") == [("board", "s-77", 1)]
    assert await fetch(pipe.dsn, "SELECT shares FROM advocate_day") == [(1,)]
    assert pipe.metric("facts_repeated_total", kind="activity") == 1
