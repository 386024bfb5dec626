"""`advolink holes` shows what is missing and gives it up with a reason; what comes after all is still counted."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from click.testing import CliRunner, Result

from advolink.__main__ import main
from aggregator.applying.store import StandingReader
from aggregator.holes.store import HoleStore
from event_log.contract import Record
from http_api.serving import cancel_all
from link_events.identity import Origin, Seq
from link_events.streams import Partition, Stream
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe, opened_pipe
from stage.sql import fetch, session, waiting_for_locks
from stage.waiting import eventually_async

WHY = "the disk is gone"
HOLES = "SELECT seq_from, seq_to, kind, closed_why FROM hole ORDER BY seq_from"


def _call(dsn: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["holes", *arguments, "--postgres-dsn", dsn], catch_exceptions=False)


def _rows(dsn: str, *arguments: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(_call(dsn, "list", "--json", *arguments).output)["rows"]
    return rows


def _take(dsn: str, *records: Record) -> None:
    async def job() -> None:
        async with opened_pipe(dsn) as pipe:
            await pipe.take(*records)

    asyncio.run(job())


def _written(pen: Pen) -> list[Record]:
    """Nine clicks and, as the fifth, a dead letter, of which 2 to 4 and 7 to 8 are held back by the caller."""
    return [pen.scribble() if seq == 5 else pen.write(PLAIN_CLICK) for seq in range(1, 11)]


def _without(records: Sequence[Record], *seqs: int) -> list[Record]:
    return [record for record in records if record.seq not in seqs]


def _event(pen: Pen, seq: int) -> str:
    return Origin(pen.journal, pen.stream, pen.partition, Seq(seq)).event_id


def _stock(dsn: str) -> tuple[Pen, list[Record]]:
    """A hole of three, a dead letter and a hole of two."""
    pen = Pen()
    records = _written(pen)
    _take(dsn, *_without(records, 2, 3, 4, 7, 8))
    return pen, records


def test_it_lists_what_is_missing_and_names_it_by_its_first_event(database_dsn: str) -> None:
    """For people and for machines."""
    pen, _ = _stock(database_dsn)
    rows = _rows(database_dsn)
    assert [(row["event_id"], row["seq_to"], row["kind"], row["state"]) for row in rows] == [
        (_event(pen, 2), 4, "missing", "open"),
        (_event(pen, 5), 5, "dead_letter", "open"),
        (_event(pen, 7), 8, "missing", "open"),
    ]
    assert (rows[0]["closed_at"], rows[0]["closed_why"]) == (None, None)
    shown = _call(database_dsn, "list", "--limit", "1").output
    assert _event(pen, 2) in shown
    assert "1 holes, and 2 more: --limit shows them." in shown


def test_a_hole_is_closed_by_any_event_in_it(database_dsn: str) -> None:
    """It stays to be seen, with why, and no metric counts it any more."""
    pen, _ = _stock(database_dsn)
    closed = _call(database_dsn, "close", _event(pen, 3), "--why", WHY)
    assert (closed.exit_code, closed.output) == (0, f"{_event(pen, 3)}: closed, 3 missing from {_event(pen, 2)} on\n")
    again = _call(database_dsn, "close", _event(pen, 2), "--why", "another reason")
    assert again.exit_code == 0
    assert (
        f"nothing to do: it was closed {_rows(database_dsn, '--state', 'closed')[0]['closed_at'][:4]}" in again.output
    )
    assert [row["event_id"] for row in _rows(database_dsn)] == [_event(pen, 5), _event(pen, 7)]
    assert [row["closed_why"] for row in _rows(database_dsn, "--state", "all")] == [WHY, None, None]

    async def open_holes() -> Any:
        async with opened_pipe(database_dsn) as pipe:
            return await StandingReader(pipe.pool).open_holes()

    assert asyncio.run(open_holes()) == {"missing": 2, "dead_letter": 1}
    offsets = CliRunner().invoke(main, ["offsets", "show", "--json", "--postgres-dsn", database_dsn])
    (standing,) = json.loads(offsets.output)["rows"]
    assert (standing["missing_seqs"], standing["dead_letter_seqs"]) == (2, 1)


def test_what_comes_into_a_closed_hole_is_counted_and_the_rest_stays_closed(database_dsn: str) -> None:
    """Nothing is ever lost: its parts are filled one after another, until it is gone."""
    pen, records = _stock(database_dsn)
    opened = asyncio.run(fetch(database_dsn, "SELECT opened_at, captured_after FROM hole WHERE seq_from = 2"))
    assert _call(database_dsn, "close", _event(pen, 2), _event(pen, 7), "--why", WHY).exit_code == 0
    _take(database_dsn, records[2])
    assert asyncio.run(fetch(database_dsn, HOLES)) == [
        (2, 2, "missing", WHY),
        (4, 4, "missing", WHY),
        (5, 5, "dead_letter", None),
        (7, 8, "missing", WHY),
    ]
    since = "SELECT DISTINCT opened_at, captured_after FROM hole WHERE seq_from IN (2, 4)"
    assert asyncio.run(fetch(database_dsn, since)) == opened
    _take(database_dsn, *records)
    assert asyncio.run(fetch(database_dsn, HOLES)) == [(5, 5, "dead_letter", None)]

    async def end() -> tuple[int, list[tuple[object, ...]]]:
        async with opened_pipe(database_dsn) as pipe:
            return len(await pipe.raw()), await pipe.drift()

    assert asyncio.run(end()) == (9, [])


def test_what_no_hole_of_missing_events_holds_is_not_closed(database_dsn: str) -> None:
    """Each says why, the others are closed all the same, and the exit status is 1."""
    pen, _ = _stock(database_dsn)
    said = _call(database_dsn, "close", *(_event(pen, seq) for seq in (1, 5, 7, 99)), "--why", WHY)
    assert said.exit_code == 1
    assert f"{_event(pen, 1)}: no hole holds it: it was applied, or has yet to come" in said.output
    assert f"{_event(pen, 5)}: is a dead letter's: close it with `advolink dead-letters" in said.output
    assert f"{_event(pen, 7)}: closed, 2 missing" in said.output
    assert f"{_event(pen, 99)}: no hole holds it" in said.output
    assert [row[3] for row in asyncio.run(fetch(database_dsn, HOLES))] == [None, None, WHY]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--why", WHY], "Say which"),
        (["nonsense", "--why", WHY], "'nonsense' is no event id"),
        (["00c0ffee00c0ffee-c7-42"], "--why"),
        (["00c0ffee00c0ffee-c7-42", "--why", " "], "say something"),
    ],
)
def test_what_is_not_said_well_is_refused(module_dsn: str, arguments: list[str], says: str) -> None:
    """Before anything is asked of the database."""
    refused = _call(module_dsn, "close", *arguments)
    assert (refused.exit_code, says in refused.output) == (2, True)


async def test_a_hole_that_is_being_closed_keeps_batches_waiting(pipe: Pipe) -> None:
    """So none fills it meanwhile; the batch that waited finds it closed, and fills it."""
    pen = Pen()
    records = [pen.write(PLAIN_CLICK) for _ in range(5)]
    await pipe.take(*_without(records, 3))
    await pipe.append(records[2])
    async with session(pipe.dsn) as other:
        async with other.transaction():
            await other.execute("LOCK TABLE hole IN ACCESS EXCLUSIVE MODE")
            origin = Origin(pen.journal, Stream.CLICKS, Partition(0), Seq(3))
            closing = asyncio.create_task(HoleStore(pipe.pool).close(origin, WHY))
            await eventually_async(lambda: _waiting(pipe, 1))
            applying = asyncio.create_task(pipe.consumer(owner="another").run())
            await eventually_async(lambda: _waiting(pipe, 2))
        closed = await closing
    assert closed is not None
    try:
        await eventually_async(lambda: pipe.is_applied([applying]))
    finally:
        await cancel_all([applying])
    assert await fetch(pipe.dsn, HOLES) == []
    assert len(await pipe.raw()) == 5


async def _waiting(pipe: Pipe, sessions: int) -> bool:
    return await waiting_for_locks(pipe.dsn) == sessions
