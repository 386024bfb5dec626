"""Two batches that write everything a batch can, and what must be there after both, whatever happened on the way."""

from dataclasses import replace

from event_log.contract import Record
from link_events.events import Heartbeat
from link_events.identity import AdvocateId
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.sql import fetch


def two_batches() -> tuple[list[Record], list[Record]]:
    """The second fills a hole of the first, and has a repeat of one of its clicks."""
    pen = Pen()
    records = [pen.write(replace(PLAIN_CLICK, visitor=f"v{number}")) for number in range(8)]
    bo = replace(PLAIN_CLICK, advocate_id=AdvocateId("bo"), method="HEAD")
    records += [pen.scribble(), pen.write(bo), pen.write(Heartbeat())]
    first = [*records[:2], *records[5:], pen.scribble()]
    return first, [records[3], records[3], records[0], pen.write(replace(PLAIN_CLICK, visitor="v0")), pen.scribble()]


async def check_both_are_there_once(pipe: Pipe) -> None:
    """What the two batches come to when nothing goes wrong."""
    assert [seq for _, _, seq in await pipe.raw()] == [1, 2, 6, 7, 8, 10, 4, 13]
    assert await fetch(pipe.dsn, "SELECT seq_from, seq_to, kind FROM hole ORDER BY seq_from") == [
        (3, 3, "missing"),
        (5, 5, "missing"),
        (9, 9, "dead_letter"),
        (12, 12, "dead_letter"),
        (14, 14, "dead_letter"),
    ]
    assert [seq for (seq,) in await fetch(pipe.dsn, "SELECT seq FROM dead_letter ORDER BY seq")] == [9, 12, 14]
    assert await fetch(pipe.dsn, "SELECT seq, sealed FROM watermark") == [(14, False)]
    days = "SELECT advocate_id, raw_clicks, counted_clicks, visitors FROM advocate_day ORDER BY advocate_id"
    assert await fetch(pipe.dsn, days) == [("ada.lovelace", 7, 6, 6), ("bo", 1, 0, 0)]
    assert await pipe.drift() == []
