"""What is reported is kept once a key, whoever reports it, in whichever order and however often."""

from dataclasses import replace
from typing import Final

from link_events.events import Conversion
from link_events.identity import ReversalId
from link_events.reasons import Via
from link_events.streams import Stream
from stage.events import PLAIN_ACTIVITY, PLAIN_CONVERSION, PLAIN_REVERSAL
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.sql import fetch

CONVERSIONS: Final = Stream.CONVERSIONS
HOLDERS: Final = (
    "SELECT source, kind, external_id, journal, seq, value_minor, state FROM conversion ORDER BY conversion_id"
)
EVENTS: Final = "SELECT journal, seq FROM conversion_event ORDER BY log_offset"
MARKED: Final = (
    "SELECT external_id, count(*) FROM conversion_mark JOIN conversion USING (conversion_id) GROUP BY 1 ORDER BY 1"
)


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
    """Within a batch and across batches, from two journals."""
    one, other = Pen(stream=CONVERSIONS), Pen(stream=CONVERSIONS)
    await pipe.take(*(pen.write(worth(100)) for pen in (one, other) * 25), stream=CONVERSIONS)
    await pipe.take(other.write(worth(200)), stream=CONVERSIONS)
    assert await fetch(pipe.dsn, HOLDERS) == [("shop", "sale", "A-1001", one.journal, 1, 100, "received")]
    assert len(await fetch(pipe.dsn, EVENTS)) == 51
    assert await fetch(pipe.dsn, MARKED) == [("A-1001", 1)]
    assert pipe.metric("facts_repeated_total", kind="conversion") == 50


async def test_what_a_server_says_takes_over_from_what_a_browser_said(pipe: Pipe) -> None:
    """Whenever it comes; and a browser never from a server."""
    browser, server = Pen(stream=CONVERSIONS), Pen(stream=CONVERSIONS)
    await pipe.take(browser.write(worth(1, via=Via.PIXEL)), stream=CONVERSIONS)
    await pipe.take(server.write(worth(100)), browser.write(worth(2, via=Via.SCRIPT)), stream=CONVERSIONS)
    assert await fetch(pipe.dsn, HOLDERS) == [("shop", "sale", "A-1001", server.journal, 1, 100, "received")]
    assert await fetch(pipe.dsn, MARKED) == [("A-1001", 2)]


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
