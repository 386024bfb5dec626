"""`advolink rebuild` makes counts what stored clicks add up to, whatever became of them, while events keep arriving.

Whatever kills it, and wherever: nothing has changed then, and the next one works at once.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from itertools import count

import pytest
from click.testing import CliRunner, Result
from prometheus_client import CollectorRegistry

from advolink.__main__ import main
from aggregator.attributing.running import attribute_all, keep_attributing
from aggregator.attributing.store import AttributingStore
from aggregator.checking.commands import ROWS_SHOWN_MAX
from aggregator.counts.tables import CountsTable
from aggregator.metrics import AttributingMetrics
from http_api.serving import cancel_all
from link_events.events import EventData, NamedTouch
from link_events.identity import AdvocateId, LinkId
from link_events.periods import ONE_DAY
from link_events.streams import Partition, Stream
from stage.clicked import SEASON, stock
from stage.credited import Earned, Sale, credit
from stage.events import PLAIN_CLICK, PLAIN_CONVERSION, PLAIN_REVERSAL
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.sql import execute, fetch, fetch_value, session
from stage.waiting import eventually_async

TABLES = [table.value for table in CountsTable]
CORRECTED = "SELECT counts, key, start::text, before, after FROM counts_correction ORDER BY counts, key, start"
EVERYTHING = """
    SELECT 'advocate_day', advocate_day::text FROM advocate_day
    UNION ALL SELECT 'advocate_quarter', advocate_quarter::text FROM advocate_quarter
    UNION ALL SELECT 'link_day', link_day::text FROM link_day
    UNION ALL SELECT 'counter', counts_change_counter::text FROM counts_change_counter
    UNION ALL SELECT 'rebuild', counts_rebuild::text FROM counts_rebuild
    UNION ALL SELECT 'correction', counts_correction::text FROM counts_correction
    ORDER BY 1, 2
"""
NUMBERS = """
    SELECT partition, change FROM advocate_day UNION ALL SELECT partition, change FROM advocate_quarter
    UNION ALL SELECT partition, change FROM link_day ORDER BY partition, change
"""
TRUNCATE = "TRUNCATE advocate_day, advocate_quarter, link_day"
NO_BATCH_RUNS = "SELECT FROM programme FOR UPDATE; SELECT FROM partition_offset ORDER BY stream, partition FOR UPDATE"
"""And no attribution. Emptying tables locks one after the other, either of these all of them: they are not to meet
half-way."""

DAMAGES = {
    "altered": "UPDATE advocate_day SET raw_clicks = 9, counted_clicks = 9, not_counted_clicks = 0;"
    " UPDATE advocate_quarter SET raw_clicks = 99, counted_clicks = 0, not_counted_clicks = 99;"
    " UPDATE link_day SET raw_clicks = 9, counted_clicks = 8, not_counted_clicks = 0, review_clicks = 1",
    "deleted": "DELETE FROM advocate_day WHERE advocate_id = 'ada'; DELETE FROM advocate_quarter; DELETE FROM link_day",
    "invented": "INSERT INTO advocate_day VALUES ('eve', '2021-12-29', 3, 2, 1, 0, 5, 1);"
    " INSERT INTO advocate_quarter VALUES ('eve', '2021-10-01', 3, 2, 1, 0, 5, 2);"
    " INSERT INTO link_day VALUES (99, '2019-12-29', 3, 2, 1, 0, 200, 3)",
    "where the calendar ends": "INSERT INTO advocate_day VALUES ('eve', 'infinity', 3, 2, 1, 0, 5, 91);"
    " INSERT INTO link_day VALUES (99, '-infinity', 3, 2, 1, 0, 5, 92), (99, '1990-01-01', 3, 2, 1, 0, 5, 93);"
    " INSERT INTO advocate_quarter VALUES ('eve', '9999-10-01', 3, 2, 1, 0, 5, 94)",
    "moved": "UPDATE advocate_day SET day = day + 1000; UPDATE advocate_quarter SET quarter_start = quarter_start + 7",
    "misplaced": "UPDATE advocate_day SET partition = 7 + partition;"
    " UPDATE link_day SET partition = 200 WHERE link_id = 1",
    "emptied": TRUNCATE,
    "of raw": "UPDATE click SET verdict = 'review' WHERE link_id = 3",
    "of results": "UPDATE advocate_day SET credited_millionths = 7, shares = 9; UPDATE link_day SET value_minor = 5;"
    " UPDATE advocate_quarter SET by_click_millionths = 0, by_click_value_minor = 1, engagements = 3",
    "of credits": "UPDATE credit SET value_minor = value_minor + 1; UPDATE conversion SET credited_value_minor ="
    " (SELECT sum(value_minor) FROM credit WHERE credit.conversion_id = conversion.conversion_id);"
    " UPDATE credit SET click_day = click_day + 1",
}
SALES = [
    Sale(1, date(2022, 1, 10), 101, [Earned("ada", 1, date(2021, 12, 27)), Earned("dora", 9, date(2022, 1, 9))]),
    Sale(2, date(2022, 7, 1), 9, [Earned("bo", 3, date(2022, 1, 1))]),
]


@pytest.fixture
async def stocked(pipe: Pipe) -> Pipe:
    """After a season of clicks, two of which led to sales."""
    await stock(pipe)
    await credit(pipe, *SALES)
    return pipe


def _rebuild(dsn: str) -> Result:
    return CliRunner().invoke(main, ["rebuild", "--postgres-dsn", dsn], catch_exceptions=False)


def _check(dsn: str) -> Result:
    return CliRunner().invoke(main, ["check", "--postgres-dsn", dsn], catch_exceptions=False)


@contextmanager
def _rebuilding(dsn: str) -> Iterator["subprocess.Popen[str]"]:
    """The command as a process, which can be killed."""
    command = [sys.executable, "-m", "advolink", "rebuild", "--postgres-dsn", dsn]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
async def test_counts_are_made_what_clicks_add_up_to(stocked: Pipe, damage: str) -> None:
    """Altered, deleted, invented, moved or all gone: afterwards each row is right, and a check agrees."""
    await execute(stocked.dsn, damage)
    assert (await asyncio.to_thread(_check, stocked.dsn)).exit_code == 1
    rebuilt = await asyncio.to_thread(_rebuild, stocked.dsn)
    assert rebuilt.exit_code == 0
    checked = await asyncio.to_thread(_check, stocked.dsn)
    assert (checked.exit_code, "all agree" in checked.stdout) == (0, True)
    assert await stocked.drift() == []


async def test_where_nothing_differs_nothing_changes(stocked: Pipe) -> None:
    """But for the note that it was done."""
    before = await fetch(stocked.dsn, EVERYTHING)
    rebuilt = await asyncio.to_thread(_rebuild, stocked.dsn)
    assert f"Rebuild 1 compared {len(SEASON):,} clicks and" in rebuilt.stdout
    assert rebuilt.stdout.endswith(" and corrected 0.\n")
    after = await fetch(stocked.dsn, EVERYTHING)
    assert [row for row in after if row[0] != "rebuild"] == before
    noted = "SELECT clicks, rows_corrected, kept_from::text FROM counts_rebuild"
    assert await fetch(stocked.dsn, noted) == [(len(SEASON), 0, "2000-01-01")]


async def test_what_it_corrects_is_kept_and_shown(pipe: Pipe) -> None:
    """As it was and as it is; a row without clicks is zero, never gone, so that the feed of changes tells of it."""
    pen = Pen()
    await pipe.take(*(pen.write(PLAIN_CLICK) for _ in range(3)))
    ada, day = PLAIN_CLICK.advocate_id, "2022-02-14"
    await execute(
        pipe.dsn,
        "UPDATE advocate_day SET raw_clicks = 5, counted_clicks = 1, review_clicks = 4; DELETE FROM advocate_quarter;"
        "INSERT INTO link_day VALUES (99, '2022-02-14', 1, 1, 0, 0, 3, 1)",
    )
    rebuilt = await asyncio.to_thread(_rebuild, pipe.dsn)
    assert await fetch(pipe.dsn, CORRECTED) == [
        ("advocate_day", ada, day, [5, 1, 0, 4, *[0] * 8], [3, 3, *[0] * 10]),
        ("advocate_quarter", ada, "2022-01-01", None, [3, 3, *[0] * 10]),
        ("link_day", "99", day, [1, 1, *[0] * 7], [0] * 9),
    ]
    for words in ("5/1/0/4/0", "3/3/0/0/0", "no row", "1/1/0/0/0", "and corrected 3."):
        assert words in rebuilt.stdout
    assert await fetch(pipe.dsn, "SELECT raw_clicks, partition FROM link_day WHERE link_id = 99") == [(0, 3)]


async def test_every_correction_takes_the_next_number_of_its_partition(pipe: Pipe) -> None:
    """As every change of a counts row does: a reader of the feed gets each, and numbers have no gap."""
    for partition in (0, 5):
        pen = Pen(Partition(partition))
        click = replace(PLAIN_CLICK, advocate_id=AdvocateId(f"a{partition}"), link_id=LinkId(partition + 1))
        await pipe.take(pen.write(click), partition=partition)
    await execute(pipe.dsn, TRUNCATE)
    await execute(pipe.dsn, "INSERT INTO link_day VALUES (99, '2022-02-14', 1, 1, 0, 0, 8, 1)")
    await asyncio.to_thread(_rebuild, pipe.dsn)
    counters = await fetch(pipe.dsn, "SELECT partition, last_change FROM counts_change_counter ORDER BY partition")
    assert counters == [(0, 6), (5, 6), (8, 1)]
    assert await fetch(pipe.dsn, NUMBERS) == [(0, 4), (0, 5), (0, 6), (5, 4), (5, 5), (5, 6), (8, 1)]


async def test_more_than_fits_on_a_screen_is_only_counted(stocked: Pipe) -> None:
    """The table has all of it."""
    invented = (
        "INSERT INTO link_day SELECT 1000 + n, '2020-01-01', 1, 1, 0, 0, 8, n FROM generate_series(1, $1::int) AS n"
    )
    await fetch(stocked.dsn, invented, ROWS_SHOWN_MAX + 20)
    assert "20 more rows are in the table counts_correction." in (await asyncio.to_thread(_rebuild, stocked.dsn)).stdout


async def test_days_beyond_the_horizon_are_left_as_they_are(stocked: Pipe) -> None:
    """Nothing is known of them but their counts: a quarter still becomes the sum of its days."""
    await execute(stocked.dsn, "DELETE FROM click WHERE local_day < '2022-01-01'")
    await execute(stocked.dsn, "UPDATE raw_horizon SET kept_from = '2022-01-01'; DELETE FROM advocate_quarter")
    kept = "SELECT advocate_id, day, raw_clicks FROM advocate_day WHERE day < '2022-01-01' ORDER BY 1, 2"
    before = await fetch(stocked.dsn, kept)
    rebuilt = await asyncio.to_thread(_rebuild, stocked.dsn)
    assert "Raw clicks of before 2022-01-01 (UTC) were let go, and counts stay as they are." in rebuilt.stdout
    assert (await fetch(stocked.dsn, kept), len(before) > 0) == (before, True)
    assert await fetch_value(stocked.dsn, "SELECT sum(raw_clicks) FROM advocate_quarter") == len(SEASON)


@pytest.mark.parametrize("damage", ["altered", "emptied"])
async def test_events_arrive_meanwhile_and_none_is_lost(stocked: Pipe, damage: str) -> None:
    """Rebuilt again and again under load, attributor included, with more damage each time: afterwards all is exact."""
    sent = count()
    async with _load(stocked, sent):
        for _ in range(3):
            await execute(stocked.dsn, f"{NO_BATCH_RUNS}; {DAMAGES[damage]}")
            before = await fetch_value(stocked.dsn, "SELECT count(*) FROM click")
            assert (await asyncio.to_thread(_rebuild, stocked.dsn)).exit_code == 0
            await eventually_async(partial(_more_clicks, stocked, before), what="clicks are applied")
            assert (await asyncio.to_thread(_check, stocked.dsn)).exit_code == 0
    await stocked.apply(stocked.consumer(), stocked.consumer(stream=Stream.CONVERSIONS))
    await _attributed(stocked)
    assert await fetch_value(stocked.dsn, "SELECT count(*) FROM click") == len(SEASON) + next(sent)
    became = set(await fetch(stocked.dsn, "SELECT DISTINCT state FROM conversion WHERE external_id LIKE 'load-%'"))
    assert became == {("credited",), ("not_counted_click",), ("reversed",)}
    assert await stocked.drift() == []


async def test_a_batch_in_flight_is_waited_for_and_counted(pipe: Pipe) -> None:
    """It holds its partition's counter; what it adds is added to what is corrected."""
    pen = Pen()
    await pipe.take(*(pen.write(PLAIN_CLICK) for _ in range(3)))
    await execute(pipe.dsn, TRUNCATE)
    async with session(pipe.dsn) as batch:
        transaction = batch.transaction()
        await transaction.start()
        await batch.execute("UPDATE counts_change_counter SET last_change = last_change + 1")
        await batch.execute(
            "INSERT INTO advocate_day VALUES ($1, '2022-02-14', 1, 1, 0, 0, 0, 4)", PLAIN_CLICK.advocate_id
        )
        rebuilding = asyncio.create_task(asyncio.to_thread(_rebuild, pipe.dsn))
        await eventually_async(partial(_waits_for_a_counter, pipe.dsn), what="the rebuild waits for the batch")
        await transaction.commit()
    assert (await rebuilding).exit_code == 0
    assert await fetch(pipe.dsn, "SELECT raw_clicks FROM advocate_day") == [(4,)]


async def test_conversions_with_other_credits_than_their_state_says_are_attributed_anew(stocked: Pipe) -> None:
    """It marks them. Counts are made to agree with credits; whoever attributes changes both by the same."""
    await execute(stocked.dsn, "UPDATE conversion SET state = 'reversed' WHERE external_id = 'A-1'")
    rebuilt = await asyncio.to_thread(_rebuild, stocked.dsn)
    assert "1 conversions are attributed anew.\n" in rebuilt.stdout
    marked = "SELECT external_id, captured_at FROM conversion_mark JOIN conversion USING (conversion_id)"
    assert await fetch(stocked.dsn, marked) == [("A-1", None)]
    assert (await asyncio.to_thread(_check, stocked.dsn)).exit_code == 0


async def test_killed_while_it_compares_it_has_changed_nothing(stocked: Pipe) -> None:
    """By kill -9. The next one works at once."""
    await execute(stocked.dsn, DAMAGES["altered"])
    before = await fetch(stocked.dsn, EVERYTHING)
    async with session(stocked.dsn) as test:
        transaction = test.transaction()
        await transaction.start()
        await test.execute("LOCK TABLE click IN ACCESS EXCLUSIVE MODE")
        with _rebuilding(stocked.dsn) as process:
            await eventually_async(partial(_session_waits, stocked.dsn), what="it is about to compare")
            process.kill()
        await transaction.rollback()
    assert await fetch(stocked.dsn, EVERYTHING) == before
    assert (await asyncio.to_thread(_rebuild, stocked.dsn)).exit_code == 0
    assert await stocked.drift() == []


@pytest.mark.parametrize("how", ["command", "session"])
async def test_killed_in_its_last_step_it_has_changed_nothing(stocked: Pipe, how: str) -> None:
    """Whether kill -9 takes the command or Postgres ends its session. The next one works at once."""
    await execute(stocked.dsn, TRUNCATE)
    before = await fetch(stocked.dsn, EVERYTHING)
    async with session(stocked.dsn) as test:
        transaction = test.transaction()
        await transaction.start()
        await test.execute("LOCK TABLE advocate_quarter IN SHARE MODE")  # the last table that it writes
        with _rebuilding(stocked.dsn) as process:
            await eventually_async(partial(_session_waits, stocked.dsn), what="it has written all but quarters")
            if how == "command":
                os.kill(process.pid, signal.SIGKILL)
            else:
                await test.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'advolink rebuild' AND datname = current_database()"
                )
            said, _ = await asyncio.to_thread(process.communicate)
            assert process.returncode == (-signal.SIGKILL if how == "command" else 1), said
        await eventually_async(partial(_is_gone, stocked.dsn), what="its session ends")
        await transaction.rollback()
    assert await fetch(stocked.dsn, EVERYTHING) == before
    assert (await asyncio.to_thread(_rebuild, stocked.dsn)).exit_code == 0
    assert await stocked.drift() == []


async def test_a_frozen_one_lets_go(stocked: Pipe) -> None:
    """Frozen between two statements of its last step it would hold up batches; Postgres ends it within seconds."""
    await execute(stocked.dsn, TRUNCATE)
    async with session(stocked.dsn) as test:
        transaction = test.transaction()
        await transaction.start()
        await test.execute("LOCK TABLE link_day IN SHARE MODE")
        with _rebuilding(stocked.dsn) as process:
            await eventually_async(partial(_session_waits, stocked.dsn), what="it holds the counters")
            os.kill(process.pid, signal.SIGSTOP)
            await transaction.rollback()
            pen = Pen()
            await stocked.append(pen.write(PLAIN_CLICK))
            await stocked.apply()
    assert (await asyncio.to_thread(_rebuild, stocked.dsn)).exit_code == 0
    assert await stocked.drift() == []


async def test_two_at_once_are_one(stocked: Pipe) -> None:
    """The second says so and changes nothing."""
    async with session(stocked.dsn) as test:
        transaction = test.transaction()
        await transaction.start()
        await test.execute("LOCK TABLE click IN ACCESS EXCLUSIVE MODE")
        first = asyncio.create_task(asyncio.to_thread(_rebuild, stocked.dsn))
        await eventually_async(partial(_session_waits, stocked.dsn))
        second = await asyncio.to_thread(_rebuild, stocked.dsn)
        await transaction.rollback()
    assert second.exit_code == 1
    assert second.output == "Error: Nothing was changed: another rebuild is at work in this database.\n"
    assert (await first).exit_code == 0
    assert await fetch_value(stocked.dsn, "SELECT count(*) FROM counts_rebuild") == 1


async def test_rows_altered_under_it_are_never_made_less_than_nothing(pipe: Pipe) -> None:
    """It gives up, and says that it is to be begun again."""
    await pipe.take(Pen().write(PLAIN_CLICK))
    await execute(pipe.dsn, "UPDATE advocate_day SET raw_clicks = 5, counted_clicks = 5")
    async with session(pipe.dsn) as test:
        transaction = test.transaction()
        await transaction.start()
        await test.execute("UPDATE counts_change_counter SET last_change = last_change")
        rebuilding = asyncio.create_task(asyncio.to_thread(_rebuild, pipe.dsn))
        await eventually_async(partial(_waits_for_a_counter, pipe.dsn))
        await test.execute("UPDATE advocate_day SET raw_clicks = 1, counted_clicks = 1")
        await transaction.commit()
    refused = await rebuilding
    assert (refused.exit_code, "altered by hand after they had been compared" in refused.output) == (1, True)
    assert await pipe.drift() == []


@asynccontextmanager
async def _load(pipe: Pipe, sent: "count[int]") -> AsyncIterator[None]:
    """Clicks and sales are appended, applied and attributed until the block ends.

    Of advocates old and new, on days old and new; a sale names a click, and some are taken back.
    """
    clicked, told = Pen(), Pen(stream=Stream.CONVERSIONS)

    async def send() -> None:
        while True:
            number = next(sent)
            click = replace(
                PLAIN_CLICK,
                advocate_id=AdvocateId(("ada", "bo", "new")[number % 3]),
                link_id=LinkId(number % 7 + 1),
                occurred_at=datetime(2021, 12, 27, 12, tzinfo=UTC) + number % 11 * ONE_DAY,
                method="GET" if number % 4 else "HEAD",
            )
            await asyncio.shield(pipe.append(clicked.write(click)))
            if number % 5 == 0:
                touch = NamedTouch(clicked.last, click.occurred_at.date())
                records = [told.write(data) for data in _sale(number, touch, click.occurred_at + ONE_DAY)]
                await asyncio.shield(pipe.append(*records, stream=Stream.CONVERSIONS))

    works = (
        send(),
        pipe.consumer().run(),
        pipe.consumer(stream=Stream.CONVERSIONS).run(),
        keep_attributing(AttributingStore(pipe.pool), AttributingMetrics(CollectorRegistry())),
    )
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        await cancel_all(tasks)


def _sale(number: int, touch: NamedTouch, sold_at: datetime) -> list[EventData]:
    """A sale, and every third time its reversal."""
    key = PLAIN_CONVERSION.key._replace(external_id=f"load-{number}")
    sale = replace(PLAIN_CONVERSION, key=key, occurred_at=sold_at, touches=(touch,))
    return [sale] if number % 3 else [sale, replace(PLAIN_REVERSAL, key=key, occurred_at=sold_at)]


async def _attributed(pipe: Pipe) -> None:
    """Attribute what is left, also what came before its click."""
    store = AttributingStore(pipe.pool)
    while await attribute_all(store) or await store.sweep(given_up=False):
        pass


async def _more_clicks(pipe: Pipe, than: int) -> bool:
    return bool(await fetch_value(pipe.dsn, "SELECT count(*) FROM click") > than)


async def _waits_for_a_counter(dsn: str) -> bool:
    query = """
        SELECT EXISTS (
            SELECT FROM pg_stat_activity WHERE application_name = 'advolink rebuild' AND wait_event_type = 'Lock'
                AND datname = current_database() AND query LIKE '%counts_change_counter%'
        )
    """
    return bool(await fetch_value(dsn, query))


async def _session_waits(dsn: str) -> bool:
    query = """
        SELECT EXISTS (
            SELECT FROM pg_stat_activity WHERE application_name = 'advolink rebuild' AND wait_event_type = 'Lock'
                AND datname = current_database()
        )
    """
    return bool(await fetch_value(dsn, query))


async def _is_gone(dsn: str) -> bool:
    query = "SELECT FROM pg_stat_activity WHERE application_name = 'advolink rebuild' AND datname = current_database()"
    return not await fetch(dsn, query)
