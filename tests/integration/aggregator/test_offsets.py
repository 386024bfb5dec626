"""`advolink offsets` shows where partitions stand, and moves one: nothing counts twice by it, all of it is noted."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from advolink.__main__ import main
from aggregator.applying.store import OvertakenError
from aggregator.offsets.store import OffsetStore
from http_api.serving import cancel_all
from link_events.reasons import StopReason
from link_events.streams import Offset, Partition, Stream
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe, opened_pipe
from stage.sql import execute, fetch, fetch_value
from stage.waiting import eventually_async

PLACE = (Stream.CLICKS, Partition(0))
STOP = (
    "UPDATE partition_offset SET stopped = 'offset_out_of_range', stopped_detail = 'offset 7 is not kept',"
    " stopped_at = '2022-02-14T09:30:00Z' WHERE partition = 0"
)
RESETS = "SELECT stream, partition, from_offset, to_offset, stopped, why FROM offset_reset ORDER BY reset_id"


def _call(dsn: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["offsets", *arguments, "--postgres-dsn", dsn], catch_exceptions=False)


def _in_pipe(dsn: str, job: Callable[[Pipe], Awaitable[Any]]) -> Any:
    """What `job` comes to with a pipe on the database."""

    async def run() -> Any:
        async with opened_pipe(dsn) as pipe:
            return await job(pipe)

    return asyncio.run(run())


async def _stock(pipe: Pipe) -> None:
    """Partition 0 at offset 4, with a missing click and a dead letter; partition 1 at 0."""
    pen = Pen()
    records = [pen.write(PLAIN_CLICK), pen.write(PLAIN_CLICK), pen.scribble(), pen.write(PLAIN_CLICK)]
    await pipe.take(records[0], *records[2:], records[0])
    await pipe.store().claim(Stream.CLICKS, Partition(1))


def test_it_shows_where_every_partition_stands(database_dsn: str) -> None:
    """How far, whose, what is missing, and why it stands still."""
    _in_pipe(database_dsn, _stock)
    asyncio.run(execute(database_dsn, STOP))
    rows = json.loads(_call(database_dsn, "show", "--json").output)["rows"]
    first, second = rows[:2]
    assert (first["stream"], first["partition"], first["next_offset"]) == ("clicks", 0, 4)
    assert (first["missing_seqs"], first["dead_letter_seqs"]) == (1, 1)
    assert (first["stopped"], first["stopped_detail"]) == ("offset_out_of_range", "offset 7 is not kept")
    assert first["stopped_at"] == "2022-02-14T09:30:00Z"
    assert (second["partition"], second["next_offset"], second["stopped"]) == (1, 0, None)
    shown = _call(database_dsn, "show").output
    for words in ("clicks/0", "offset_out_of_range", "offset 7 is not kept", "2022-02-14 09:30:00Z"):
        assert words in shown


@pytest.mark.parametrize(("expires", "live"), [("1 minute", True), ("-1 minute", False)])
def test_it_shows_whose_lease_is_live(database_dsn: str, expires: str, live: bool) -> None:  # noqa: FBT001
    """An owner that went away keeps its name in the row until another comes."""
    owned = "INSERT INTO partition_offset (stream, partition, owner) VALUES ('clicks', 0, 'ann'), ('clicks', 1, 'bo')"
    asyncio.run(execute(database_dsn, owned))
    leased = "INSERT INTO aggregator_lease VALUES ('ann', now() + $1::text::interval)"
    asyncio.run(fetch(database_dsn, leased, expires))
    rows = json.loads(_call(database_dsn, "show", "--json").output)["rows"]
    assert [(row["owner"], row["lease_is_live"]) for row in rows] == [("ann", live), ("bo", False)]


def test_backwards_everything_is_read_again_and_nothing_counts_twice(database_dsn: str) -> None:
    """The watermark knows what was applied; who moved it and why is kept."""
    _in_pipe(database_dsn, _stock)
    moved = _call(database_dsn, "reset", "clicks", "0", "--to", "0", "--why", "a test")
    assert moved.exit_code == 0
    assert "clicks/0 went from 4 to 0.\nBackwards by 4: " in moved.output
    assert asyncio.run(fetch(database_dsn, RESETS)) == [("clicks", 0, 4, 0, None, "a test")]
    counted = "SELECT raw_clicks FROM advocate_day"
    assert asyncio.run(fetch(database_dsn, counted)) == [(2,)]

    async def goes_on(pipe: Pipe) -> list[tuple[object, ...]]:
        await pipe.apply(pipe.consumer(0), pipe.consumer(1))
        return await pipe.drift()

    assert _in_pipe(database_dsn, goes_on) == []
    assert asyncio.run(fetch(database_dsn, counted)) == [(2,)]
    assert asyncio.run(fetch_value(database_dsn, "SELECT count(*) FROM dead_letter")) == 1


def test_forwards_what_is_left_out_is_missing(database_dsn: str) -> None:
    """It shows as a hole once a later record of the journal comes."""
    pen = Pen()

    async def stock(pipe: Pipe) -> None:
        await pipe.take(pen.write(PLAIN_CLICK))
        await pipe.append(*(pen.write(PLAIN_CLICK) for _ in range(3)))

    _in_pipe(database_dsn, stock)
    moved = _call(database_dsn, "reset", "clicks", "0", "--to", "3", "--why", "they cannot be read")
    assert "Forwards by 2: these records are not applied." in moved.output
    _in_pipe(database_dsn, lambda pipe: pipe.apply())
    holes = "SELECT seq_from, seq_to, kind FROM hole"
    assert asyncio.run(fetch(database_dsn, holes)) == [(2, 3, "missing")]


BEGIN_LOST = "UPDATE log_partition SET first_offset = 2 WHERE stream = 'clicks' AND partition = 0"


@pytest.mark.parametrize(("to", "offset"), [("earliest", 2), ("latest", 4), ("2", 2)])
def test_it_goes_to_where_the_log_begins_or_ends(database_dsn: str, to: str, offset: int) -> None:
    """And is not stopped any more."""
    _in_pipe(database_dsn, _stock)
    asyncio.run(execute(database_dsn, STOP))
    asyncio.run(execute(database_dsn, BEGIN_LOST))
    moved = _call(database_dsn, "reset", "clicks", "0", "--to", to, "--why", "the log lost its beginning")
    assert moved.exit_code == 0
    assert "It was stopped (offset_out_of_range) and is not any more." in moved.output
    row = "SELECT next_offset, stopped, stopped_detail, stopped_at FROM partition_offset WHERE partition = 0"
    assert asyncio.run(fetch(database_dsn, row)) == [(offset, None, None, None)]
    assert asyncio.run(fetch(database_dsn, RESETS)) == [
        ("clicks", 0, 4, offset, StopReason.OFFSET_OUT_OF_RANGE, "the log lost its beginning")
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["clicks", "0", "--to", "0", "--why", " "], 2, "say something"),
        (["clicks", "0", "--to", "0"], 2, "--why"),
        (["clicks", "0", "--why", "x"], 2, "--to"),
        (["clicks", "0", "--to", "-1", "--why", "x"], 2, "neither earliest, latest nor an offset"),
        (["clicks", "0", "--to", str(2**63), "--why", "x"], 2, "neither earliest, latest nor an offset"),
        (["nothing", "0", "--to", "0", "--why", "x"], 2, "nothing"),
        (["clicks", "7", "--to", "0", "--why", "x"], 1, "no aggregator ever had clicks/7"),
        (["clicks", "99", "--to", "latest", "--why", "x"], 1, "clicks/99"),
    ],
)
def test_what_cannot_be_moved_is_refused(module_dsn: str, arguments: list[str], status: int, says: str) -> None:
    """And nothing is noted."""
    refused = _call(module_dsn, "reset", *arguments)
    assert (refused.exit_code, says in refused.output) == (status, True)
    assert asyncio.run(fetch(module_dsn, RESETS)) == []


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            {"SECURITY": "hunter2"},
            "The variable ADVOLINK_KAFKA_SECURITY cannot be used: Input should be 'PLAINTEXT', 'SSL', ",
        ),
        (
            {"SECURITY": "SASL_SSL", "SASL_PASSWORD": "hunter2"},
            "The variables cannot be used: SASL_SSL needs ADVOLINK_KAFKA_SASL_USERNAME and ",
        ),
        (
            {"BOOTSTRAP": "ada:hunter2@here"},
            "Nothing was changed: ADVOLINK_KAFKA_BOOTSTRAP cannot be read; it looks like ",
        ),
        ({"CA_FILE": "/no/such/file"}, "Nothing was changed: "),
    ],
)
def test_a_kafka_that_cannot_be_asked_is_one_sentence(
    module_dsn: str, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], says: str
) -> None:
    """Without what may be a password, and nothing is noted."""
    monkeypatch.setenv("ADVOLINK_EVENT_LOG", "kafka")
    known = {"BOOTSTRAP": "127.0.0.1:1", "SECURITY": "SSL" if "CA_FILE" in variables else "PLAINTEXT"}
    for name, value in {**known, **variables}.items():
        monkeypatch.setenv(f"ADVOLINK_KAFKA_{name}", value)
    refused = _call(module_dsn, "reset", "clicks", "0", "--to", "earliest", "--why", "x")
    assert (refused.exit_code, refused.output.count("\n")) == (1, 1)
    assert refused.output.startswith(f"Error: {says}")
    assert "hunter2" not in refused.output
    assert asyncio.run(fetch(module_dsn, RESETS)) == []


async def test_a_reset_fences_the_batch_that_runs(pipe: Pipe) -> None:
    """Its next compare-and-set moves nothing, wherever the offset was put."""
    await pipe.append(Pen().write(PLAIN_CLICK))
    store = pipe.store()
    claim = await store.claim(*PLACE)
    await OffsetStore(pipe.pool).reset(*PLACE, claim.next_offset, "a test")
    with pytest.raises(OvertakenError):
        async with store.batch(claim, Offset(1)):
            pass
    assert await fetch_value(pipe.dsn, "SELECT next_offset FROM partition_offset") == 0


async def test_whoever_applies_the_partition_goes_on_from_there(pipe: Pipe) -> None:
    """Without being restarted."""
    pen = Pen()
    await pipe.append(*(pen.write(PLAIN_CLICK) for _ in range(5)))
    running = asyncio.create_task(pipe.consumer().run())
    try:
        await eventually_async(lambda: pipe.is_applied([running]))
        await OffsetStore(pipe.pool).reset(*PLACE, Offset(1), "a test")
        await pipe.append(pen.write(PLAIN_CLICK))
        await eventually_async(lambda: pipe.is_applied([running]))
    finally:
        await cancel_all([running])
    assert pipe.metric("duplicates_skipped_total", stream="clicks") == 4
    assert [seq for _, _, seq in await pipe.raw()] == list(range(1, 7))
    assert await pipe.drift() == []
