"""An aggregator as it runs: ready while it applies every partition, honest in its metrics, tidy, and over at a bug."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from aggregator.app import Service, running
from aggregator.errors import UnknownZoneError
from aggregator.maintenance import House, Retention, keep_house
from aggregator.raw_days.store import RawDayStore
from aggregator.settings import AggregatorSettings
from database.keys import KeyStore, Scope
from http_api.management import management_app
from http_api.serving import Failures, cancel_all
from link_events.streams import PARTITIONS_DEFAULT, Partition
from stage.asking import asked
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe, opened_pipe
from stage.postgres import Server
from stage.sql import execute, fetch, fetch_value
from stage.waiting import eventually_async

SOON_SECONDS = 60


def _settings(dsn: str, **options: object) -> AggregatorSettings:
    return AggregatorSettings.model_validate({"ADVOLINK_POSTGRES_DSN": dsn, **options})


@asynccontextmanager
async def _run(dsn: str, failures: Failures | None = None, **options: object) -> AsyncIterator[Service]:
    """An aggregator for the length of the block, without a server in front of it."""
    async with running(_settings(dsn, **options), failures or Failures()) as service:
        yield service


@asynccontextmanager
async def _management(service: Service) -> AsyncIterator[httpx2.AsyncClient]:
    app = management_app(service.registry, service.readiness, service.refresh_metrics)
    async with asked(app) as client:
        yield client


async def _is_ready(management: httpx2.AsyncClient, *, ready: bool) -> bool:
    answer = await management.get("/readyz")
    assert answer.status_code == (200 if answer.json()["ready"] else 503)
    return bool(answer.json()["ready"]) is ready


async def _metric(management: httpx2.AsyncClient, name: str) -> float | None:
    """What a series says, named as Prometheus names it."""
    text = (await management.get("/metrics")).text
    found = re.search(rf"^advolink_{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


async def test_it_is_ready_while_postgres_answers(frail_server: Server, frail_dsn: str) -> None:
    """Not before Postgres was ever there, not while it is away, and again when it is back; alive all the time."""
    await asyncio.to_thread(frail_server.stop)
    async with _run(frail_dsn) as service, _management(service) as management:
        assert await _is_ready(management, ready=False)
        for _ in range(2):
            await asyncio.to_thread(frail_server.start)
            await eventually_async(lambda: _is_ready(management, ready=True), seconds_max=SOON_SECONDS)
            assert await _metric(management, "database_connected") == 1
            await asyncio.to_thread(frail_server.kill)
            await eventually_async(lambda: _is_ready(management, ready=False), seconds_max=SOON_SECONDS)
            assert await _metric(management, "database_connected") == 0
            assert (await management.get("/healthz")).status_code == 200


async def test_what_was_logged_during_an_outage_is_applied_after_it(frail_server: Server, frail_dsn: str) -> None:
    """And what was acknowledged before it is there."""
    pen = Pen(Partition(5))
    async with opened_pipe(frail_dsn) as pipe, _run(frail_dsn), asyncio.timeout(SOON_SECONDS):
        for _ in range(2):
            await pipe.append(*(pen.write(PLAIN_CLICK) for _ in range(10)), partition=5)
            await asyncio.to_thread(frail_server.kill)
            await asyncio.to_thread(frail_server.start)
            await pipe.append(*(pen.write(PLAIN_CLICK) for _ in range(10)), partition=5)
            await eventually_async(pipe.is_applied)
        assert [seq for _, _, seq in await pipe.raw()] == list(range(1, 41))
        assert await pipe.drift() == []


async def test_it_is_not_ready_once_it_is_told_to_stop(pipe: Pipe) -> None:
    """Before anything is taken down, so that nobody is sent there any more."""
    async with _run(pipe.dsn) as service, _management(service) as management:
        await eventually_async(lambda: _is_ready(management, ready=True))
        service.stopping = True
        answer = await management.get("/readyz")
        assert answer.json()["needed"] == {"running": False, "leased": True}
        assert not answer.json()["ready"]


async def test_its_metrics_tell_what_became_of_records(pipe: Pipe) -> None:
    """Applied, skipped, dead; verdicts by reason; lag and holes as Postgres has them."""
    pen = Pen(Partition(2))
    first, *_, last = [pen.write(PLAIN_CLICK) for _ in range(5)]
    await pipe.append(first, first, pen.scribble(), last, partition=2)
    async with _run(pipe.dsn) as service, _management(service) as management:
        await eventually_async(pipe.is_applied)
        expected = {
            'applied_events_total{stream="clicks"}': 4,
            'duplicates_skipped_total{stream="clicks"}': 1,
            'dead_letters_total{reason="not_json"}': 1,
            'verdicts_total{reason="",verdict="counted"}': 2,
            'lag_events{partition="2",stream="clicks"}': 0,
            'lag_events{partition="0",stream="clicks"}': 0,
            'open_hole_seqs{kind="missing"}': 3,
            'open_hole_seqs{kind="dead_letter"}': 1,
            "click_visible_after_seconds_count": 2,
            "database_connected": 1,
        }
        await eventually_async(lambda: _metric(management, 'applied_events_total{stream="clicks"}'))
        assert {name: await _metric(management, name) for name in expected} == expected


async def test_lag_is_what_is_logged_and_not_applied(pipe: Pipe) -> None:
    """Here nothing is: another log was expected."""
    await pipe.append(*(Pen().write(PLAIN_CLICK) for _ in range(3)))
    async with _run(pipe.dsn, ADVOLINK_PARTITIONS=6) as service, _management(service) as management:
        assert await _metric(management, 'lag_events{partition="0",stream="clicks"}') == 3


@pytest.mark.parametrize("partitions", [6, 24])
async def test_a_log_with_other_partitions_than_expected_is_not_applied(pipe: Pipe, partitions: int) -> None:
    """Half of the clicks would never count and nobody would know: it waits for a person, who is told."""
    await pipe.append(Pen().write(PLAIN_CLICK))
    async with _run(pipe.dsn, ADVOLINK_PARTITIONS=partitions) as service, _management(service) as management:
        stopped = 'partition_stopped{partition="0",reason="partition_count",stream="clicks"}'
        await eventually_async(lambda: _metric(management, stopped))
        written = "SELECT stopped FROM partition_offset WHERE partition = 0"
        await eventually_async(lambda: _says(pipe, written, "partition_count"))
        assert (await management.get("/readyz")).json()["known"] == {"applying": False}
        assert await pipe.raw() == []


async def test_raw_partitions_are_made_ahead(pipe: Pipe) -> None:
    """From yesterday on, so that the first click of a day finds its own."""
    today = datetime.now(UTC).date()
    names = {f"click_{today + timedelta(days=days):%Y%m%d}" for days in (-1, 0, 1, 2, 3)}
    query = "SELECT array_agg(relid::regclass::text) FROM pg_partition_tree('click') WHERE isleaf AND level = 1"
    async with _run(pipe.dsn):
        await eventually_async(lambda: _are_there(pipe, query, names))


async def test_applied_records_are_let_go_after_their_retention_and_others_never(pipe: Pipe) -> None:
    """However old they are."""
    pens = [Pen(Partition(number)) for number in range(2)]
    for pen in pens:
        await pipe.append(*(pen.write(PLAIN_CLICK) for _ in range(6)), partition=pen.partition)
    await pipe.apply(pipe.consumer(0), pipe.consumer(1))
    await pipe.append(*(pens[1].write(PLAIN_CLICK) for _ in range(4)), partition=1)
    await execute(pipe.dsn, "UPDATE log_record SET logged_at = now() - interval '8 days'")
    await execute(pipe.dsn, "UPDATE log_record SET logged_at = now() WHERE partition = 0 AND log_offset = 4")
    house = House(pipe.store(), RawDayStore(pipe.pool), pipe.log, Retention(log=timedelta(days=7)))
    housekeeping = asyncio.create_task(keep_house(house))
    await eventually_async(lambda: _firsts(pipe, [(0, 4), (1, 6)]))
    await cancel_all([housekeeping])
    kept = "SELECT partition, log_offset FROM log_record ORDER BY partition, log_offset"
    assert await fetch(pipe.dsn, kept) == [(0, 4), (0, 5), (1, 6), (1, 7), (1, 8), (1, 9)]


async def test_the_next_aggregator_goes_on_where_the_last_one_stood(pipe: Pipe) -> None:
    """At once: one that stops in order lets go of its partitions."""
    pens = [Pen(Partition(number)) for number in range(PARTITIONS_DEFAULT)]
    for _ in range(3):
        for pen in pens:
            await pipe.append(pen.write(PLAIN_CLICK), pen.write(PLAIN_CLICK), partition=pen.partition)
        async with _run(pipe.dsn, ADVOLINK_AGGREGATOR_LEASE=600):
            await eventually_async(pipe.is_applied)
    assert len(await pipe.raw()) == 6 * PARTITIONS_DEFAULT
    assert await pipe.drift() == []


async def test_a_bug_ends_the_process_with_its_error(pipe: Pipe) -> None:
    """It is not retried for ever: a task that fails is told to whoever serves."""
    await execute(pipe.dsn, "UPDATE programme SET timezone = 'Middle/Earth'")
    await pipe.append(Pen().write(PLAIN_CLICK))
    failures = Failures()
    async with _run(pipe.dsn, failures), asyncio.timeout(SOON_SECONDS):
        await failures.wait()
    with pytest.raises(UnknownZoneError):
        failures.raise_first()


async def test_stats_are_served_while_partitions_are_applied(pipe: Pipe) -> None:
    """A click is counted a moment after it was logged; while Postgres answers nothing is 503."""
    key = await KeyStore(pipe.pool).create("stats", [Scope.STATS_READ])
    pen = Pen()
    async with _run(pipe.dsn) as service, asked(service.public, key) as stats:
        for count in (1, 2, 3):
            await pipe.append(pen.write(PLAIN_CLICK))
            await eventually_async(lambda count=count: _counted(stats, count))  # type: ignore[misc]


async def test_an_outage_is_503_and_says_when_to_ask_again(frail_server: Server, frail_dsn: str) -> None:
    """For a key that was known before it; then the numbers are there again."""
    async with opened_pipe(frail_dsn) as pipe, _run(frail_dsn) as service:
        key = await KeyStore(pipe.pool).create("stats", [Scope.STATS_READ])
        async with asked(service.public, key) as stats:
            await pipe.append(Pen().write(PLAIN_CLICK))
            await eventually_async(lambda: _counted(stats, 1))
            await asyncio.to_thread(frail_server.kill)
            away = await stats.get("/v1/counts?group_by=advocate")
            assert (away.status_code, away.headers["retry-after"]) == (503, "2")
            assert away.json()["type"] == "urn:advolink:problem:unavailable"
            await asyncio.to_thread(frail_server.start)
            await eventually_async(lambda: _counted(stats, 1))


async def _counted(stats: httpx2.AsyncClient, count: int) -> bool:
    answer = await stats.get("/v1/counts?group_by=advocate")
    return answer.status_code == 200 and sum(row["raw_clicks"] for row in answer.json()["rows"]) == count


async def _says(pipe: Pipe, query: str, word: str) -> bool:
    return bool(await fetch_value(pipe.dsn, query) == word)


async def _are_there(pipe: Pipe, query: str, names: set[str]) -> bool:
    return names <= set(await fetch_value(pipe.dsn, query) or ())


async def _firsts(pipe: Pipe, firsts: list[tuple[int, int]]) -> bool:
    query = "SELECT partition, first_offset FROM log_partition WHERE first_offset > 0 ORDER BY partition"
    return await fetch(pipe.dsn, query) == firsts
