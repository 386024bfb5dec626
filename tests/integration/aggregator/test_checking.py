"""A running aggregator compares its counts all the time and shows what differs until it does not any more."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from advolink.__main__ import main
from aggregator.app import running
from aggregator.checking.running import Checking, Pace, Share
from aggregator.checking.store import ComparingStore
from aggregator.counts.tables import CountsTable
from aggregator.metrics import CheckingMetrics
from aggregator.settings import AggregatorSettings
from database.pool import connected
from http_api.serving import Failures, cancel_all
from link_events.identity import AdvocateId
from link_events.periods import ONE_DAY
from link_events.streams import PARTITIONS_DEFAULT, Partition
from stage.credited import Earned, Sale, credit
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe, opened_pipe
from stage.postgres import Server
from stage.sql import execute, fetch
from stage.waiting import eventually_async

AT_ONCE = Pace(pause_factor=0, pause_s_min=0, pause_s_max=0, round_pause_s=0.01)
SOON_SECONDS = 60
INVENTED = """
    INSERT INTO advocate_quarter
    SELECT 'eve', start, 1, 1, 0, 0, 3, number FROM unnest($1::date[]) WITH ORDINALITY AS quarter (start, number)
"""
QUARTERS = [date(2021, 10, 1), date(2022, 1, 1), date(2022, 4, 1)]

DAMAGES = {
    CountsTable.ADVOCATE_DAY: "UPDATE advocate_day SET raw_clicks = 9, counted_clicks = 9 WHERE advocate_id = 'ada'",
    CountsTable.ADVOCATE_QUARTER: "DELETE FROM advocate_quarter WHERE advocate_id = 'bo'",
    CountsTable.LINK_DAY: "INSERT INTO link_day VALUES (99, '2022-01-01', 1, 1, 0, 0, 3, 1)",
}


class Watched:
    """A check that runs, and what its metrics say."""

    def __init__(self, pipe: Pipe, held: Collection[int] = range(PARTITIONS_DEFAULT)) -> None:
        self._registry = CollectorRegistry()
        share = Share(lambda: {Partition(number) for number in held}, PARTITIONS_DEFAULT)
        store = ComparingStore(lambda: connected(pipe.pool), workers=0, rows_max=20)
        self.checking = Checking(store, share, CheckingMetrics(self._registry), AT_ONCE)

    def value(self, name: str, **labels: str) -> float:
        """What a metric says now."""
        return self._registry.get_sample_value(f"advolink_counts_{name}", labels) or 0.0

    @property
    def drift(self) -> dict[CountsTable, float]:
        """Rows that differ, by table."""
        return {table: self.value("drift_rows", counts=table) for table in CountsTable}

    @property
    def conversions(self) -> float:
        """Those that have other credits than their state says."""
        return self._registry.get_sample_value("advolink_conversions_drift") or 0.0

    async def round_ends(self) -> bool:
        """Wait for the end of a round that begins from now on."""
        for _ in range(2):
            before = self.value("checked_at_seconds")
            await eventually_async(partial(self._is_later, before), what="a round ends")
        return True

    async def _is_later(self, than: float) -> bool:
        return self.value("checked_at_seconds") > than


@asynccontextmanager
async def _watched(*all_watched: Watched) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(watched.checking.run()) for watched in all_watched]
    try:
        yield
        for task in tasks:
            assert not task.done()
    finally:
        await cancel_all(tasks)


async def test_a_running_aggregator_finds_rows_that_were_altered_by_hand(pipe: Pipe) -> None:
    """In each table, as it runs in earnest: within seconds here; its metrics fall again when counts are rebuilt."""
    await _stock(pipe)
    settings = AggregatorSettings(ADVOLINK_POSTGRES_DSN=pipe.dsn)
    async with running(settings, Failures()) as service:

        async def drifts(rows: int) -> bool:
            samples = [
                service.registry.get_sample_value("advolink_counts_drift_rows", {"counts": table})
                for table in CountsTable
            ]
            return samples == [rows] * len(CountsTable)

        await eventually_async(partial(drifts, 0), seconds_max=SOON_SECONDS)
        await execute(pipe.dsn, ";".join(DAMAGES.values()))
        await eventually_async(partial(drifts, 1), seconds_max=SOON_SECONDS)
        rebuilt = await asyncio.to_thread(CliRunner().invoke, main, ["rebuild", "--postgres-dsn", pipe.dsn])
        assert rebuilt.exit_code == 0
        await eventually_async(partial(drifts, 0), seconds_max=SOON_SECONDS)


async def test_what_differs_is_shown_by_table_and_logged_once(pipe: Pipe, caplog: pytest.LogCaptureFixture) -> None:
    """With its numbers, as an error; mended, it leaves the metric."""
    await _stock(pipe)
    watched = Watched(pipe)
    async with _watched(watched):
        await watched.round_ends()
        assert watched.drift == dict.fromkeys(CountsTable, 0)
        for damage in DAMAGES.values():
            await execute(pipe.dsn, damage)
        await watched.round_ends()
        await watched.round_ends()
        assert watched.drift == dict.fromkeys(CountsTable, 1)
        told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert len(told) == 3
        assert any("advocate_day ada 2021-12-27: 9/" in line for line in told)
        assert any("advocate_quarter bo 2022-01-01: no row is stored" in line for line in told)
        link = "link_day 99 2022-01-01: 1/1/0/0/0 is stored, 0/0/0/0/0 is what its clicks and results add up to"
        assert any(link in line for line in told)
        await execute(pipe.dsn, "DELETE FROM link_day WHERE link_id = 99")
        await watched.round_ends()
        assert watched.drift[CountsTable.LINK_DAY] == 0
        assert watched.drift[CountsTable.ADVOCATE_DAY] == 1
    assert watched.value("days_checked_total") > 0


async def test_conversions_that_are_credited_wrongly_are_shown(pipe: Pipe, caplog: pytest.LogCaptureFixture) -> None:
    """Their counts may be right and agree with what is wrong; mended, they leave the metric."""
    await _stock(pipe)
    await credit(pipe, Sale(1, date(2022, 1, 2), 99, [Earned("ada", 1, date(2021, 12, 27))]))
    watched = Watched(pipe)
    async with _watched(watched):
        await watched.round_ends()
        assert watched.conversions == 0
        await execute(pipe.dsn, "UPDATE conversion SET state = 'self'")
        await watched.round_ends()
        assert (watched.conversions, watched.drift) == (1, dict.fromkeys(CountsTable, 0))
        told = "1 conversions of 2022-01-02 have other credits than their state says"
        assert told in [record.getMessage() for record in caplog.records]
        await execute(pipe.dsn, "UPDATE conversion SET state = 'credited'")
        await watched.round_ends()
        assert watched.conversions == 0


async def test_aggregators_share_the_quarters_and_their_metrics_add_up(pipe: Pipe) -> None:
    """Each by the partitions that it holds; what it loses it forgets."""
    await _stock(pipe)
    held = {number for number in range(PARTITIONS_DEFAULT) if number % 2}
    one, other = Watched(pipe, held), Watched(pipe, set(range(PARTITIONS_DEFAULT)) - held)
    await fetch(pipe.dsn, INVENTED, QUARTERS)
    async with _watched(one, other):
        await asyncio.gather(one.round_ends(), other.round_ends())
        rows = [watched.drift[CountsTable.ADVOCATE_QUARTER] for watched in (one, other)]
        assert sorted(rows) == [1, 2]
        held.clear()
        await eventually_async(lambda: _is_clean(one))


async def test_days_beyond_the_horizon_are_told_of(pipe: Pipe) -> None:
    """They are no drift."""
    await _stock(pipe)
    await execute(pipe.dsn, "UPDATE raw_horizon SET kept_from = '2022-01-02'")
    watched = Watched(pipe)
    async with _watched(watched):
        await watched.round_ends()
    assert watched.value("days_beyond_horizon") > 0
    assert watched.drift == dict.fromkeys(CountsTable, 0)


async def test_it_goes_on_after_an_outage(frail_server: Server, frail_dsn: str) -> None:
    """And finds what was altered meanwhile."""
    async with opened_pipe(frail_dsn) as pipe:
        await _stock(pipe)
        watched = Watched(pipe)
        async with _watched(watched):
            await watched.round_ends()
            await asyncio.to_thread(frail_server.kill)
            await asyncio.to_thread(frail_server.start)
            await execute(frail_dsn, DAMAGES[CountsTable.LINK_DAY])
            await eventually_async(lambda: _drifts(watched, CountsTable.LINK_DAY), seconds_max=SOON_SECONDS)


async def _stock(pipe: Pipe) -> None:
    """Two clicks of ada in one quarter, two of bo in the next."""
    pen = Pen()
    for name, day in (("ada", 27), ("ada", 27), ("bo", 32), ("bo", 33)):
        instant = datetime(2021, 12, 1, 12, tzinfo=UTC) + (day - 1) * ONE_DAY
        await pipe.append(pen.write(replace(PLAIN_CLICK, advocate_id=AdvocateId(name), occurred_at=instant)))
    await pipe.apply()


async def _drifts(watched: Watched, table: CountsTable) -> bool:
    return watched.drift[table] > 0


async def _is_clean(watched: Watched) -> bool:
    return not any(watched.drift.values())
