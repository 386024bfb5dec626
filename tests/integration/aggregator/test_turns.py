"""Partitions that catch up side by side wait for their turn, not for a connection: that is no outage."""

from datetime import timedelta

import pytest

from aggregator.app import APPLYING_CONNECTIONS_MAX, Service, running
from aggregator.applying.store import SESSIONS
from aggregator.settings import AggregatorSettings
from http_api.serving import Failures
from link_events.streams import PARTITIONS_DEFAULT, Partition
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.pipe import Pipe
from stage.slices import EVERY_SLICE
from stage.sql import fetch_value, session, waiting_for_locks
from stage.waiting import eventually_async

SHORT = timedelta(seconds=1)
"""How long a connection is waited for here."""

TURNS = APPLYING_CONNECTIONS_MAX - 1

WAITED_LONG = "SELECT now() - min(query_start) > $1::interval FROM pg_stat_activity "
WAITED_LONG += "WHERE datname = current_database() AND wait_event_type = 'Lock'"
BATCHES_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
BATCHES_WAITING += "AND wait_event_type = 'Lock' AND starts_with(application_name, $1)"
"""Whoever compares counts at that moment waits as well, on a connection of its own."""


def _metric(service: Service, name: str, **labels: str) -> float:
    return service.registry.get_sample_value(f"advolink_{name}", labels) or 0.0


async def _applying(service: Service) -> bool:
    consumers = service.keeper.consumers
    return len(consumers) == len(EVERY_SLICE) and all(consumer.applying for consumer in consumers)


async def _are_waiting(dsn: str) -> bool:
    return await waiting_for_locks(dsn) >= TURNS


async def test_slow_batches_let_the_others_wait_and_metrics_through(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a batch takes: nobody calls Postgres away, and everything is applied in the end."""
    monkeypatch.setattr("database.pool.CONNECT_TIMEOUT", SHORT)
    settings = AggregatorSettings.model_validate({"ADVOLINK_POSTGRES_DSN": pipe.dsn})
    async with running(settings, Failures()) as service:
        await eventually_async(lambda: _applying(service))
        await pipe.store().ensure_days([PLAIN_CLICK.occurred_at.date()])
        away = _metric(service, "applying_interruptions_total", cause="away")
        async with session(pipe.dsn) as other, other.transaction():
            await other.execute("LOCK TABLE link_day IN ACCESS EXCLUSIVE MODE")
            for number in range(PARTITIONS_DEFAULT):
                await pipe.append(Pen(Partition(number)).write(PLAIN_CLICK), partition=number)
            await eventually_async(lambda: _are_waiting(pipe.dsn))
            await service.refresh_metrics()
            assert _metric(service, "database_connected") == 1
            await eventually_async(lambda: fetch_value(pipe.dsn, WAITED_LONG, 3 * SHORT))
            assert await fetch_value(pipe.dsn, BATCHES_WAITING, SESSIONS) == TURNS
        await eventually_async(pipe.is_applied)
        assert _metric(service, "applying_interruptions_total", cause="away") == away
    assert len(await pipe.raw()) == PARTITIONS_DEFAULT
