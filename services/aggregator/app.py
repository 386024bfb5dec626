"""Builds the aggregator from its settings, and takes it down again in order.

One task a partition applies events; the stats API reads what they commit. A stop cuts a batch short before its commit
or lets it finish: either is right.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from aggregator.applying.consumer import PartitionConsumer, Parts
from aggregator.applying.dead_letter_limit import DeadLetterLimit
from aggregator.applying.store import SESSIONS, ApplyingStore, StandingReader
from aggregator.attributing.running import keep_attributing
from aggregator.attributing.store import AttributingStore
from aggregator.attributing.sweeping import keep_sweeping
from aggregator.changes.store import ChangesStore
from aggregator.checking.running import ROWS_LOGGED_MAX, Checking, Share
from aggregator.checking.store import COMPARING_TIMEOUT, ComparingStore
from aggregator.clicks.store import ClickStore
from aggregator.counts.store import CountsStore
from aggregator.dead_letters.relaying import keep_relaying
from aggregator.dead_letters.store import RelayStore
from aggregator.explaining.store import ConversionStore
from aggregator.journals.measuring import JournalMeasure
from aggregator.journals.states import SILENT_AFTER
from aggregator.journals.store import JournalStore
from aggregator.judge import PLAIN_RULES, Context, load_named_agents
from aggregator.leases.keeper import LeaseKeeper
from aggregator.leases.store import LeaseStore
from aggregator.maintenance import House, Retention, keep_house
from aggregator.measuring import Measuring
from aggregator.metrics import AggregatorMetrics
from aggregator.programme.store import ProgrammeStore
from aggregator.rates.store import RateStore
from aggregator.raw_days.store import RawDayStore
from aggregator.routes import changes, clicks, conversions, counts, journals, keys, programme, rates
from aggregator.settings import AggregatorSettings
from database.keys import KeyStore
from database.pool import Pool, connected, open_pool
from event_log.contract import EventLog
from event_log.opening import dead_letter_topic, open_event_log
from event_log.postgres import PostgresEventLog
from http_api.access import Access
from http_api.bodies import BoundedBodies
from http_api.both_ports import serve_both
from http_api.management import Readiness
from http_api.openapi import DescribedApi
from http_api.problems import answer_with_problems
from http_api.serving import Binding, Failures, cancel_all
from http_api.stop_signals import StopSignals
from link_events.streams import Partition, Stream

APPLYING_CONNECTIONS_MAX = 4
"""One of them is housekeeping's; the consumers of all partitions take turns at the others."""

UPKEEP_CONNECTIONS_MAX = 2
"""One for the lease, which must never wait, and one for relaying dead letters."""

CHECKING_CONNECTIONS_MAX = 1
"""Of its own: comparing counts holds up nothing else."""

ATTRIBUTING_CONNECTIONS_MAX = 2
"""One for the attributor and one for its sweep: a thousand conversions that are looked at hold up no batch."""

READING_CONNECTIONS_MAX = 8
LOG_CONNECTIONS_MAX = 4

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Service:
    """A running aggregator."""

    public: FastAPI
    metrics: AggregatorMetrics
    keeper: LeaseKeeper
    measuring: Measuring
    stopping: bool = False

    @property
    def registry(self) -> CollectorRegistry:
        """The metrics."""
        return self.metrics.registry

    async def readiness(self) -> Readiness:
        """Ready while Postgres answers: what is stored is served, also while nothing more can be applied."""
        applying = all(consumer.applying for consumer in self.keeper.consumers)
        needed = {"running": not self.stopping, "leased": self.keeper.is_leased}
        return Readiness(needed=needed, known={"applying": applying})

    async def refresh_metrics(self) -> None:
        """Bring the gauges up to date, as far as Postgres answers."""
        await self.measuring.refresh()


async def run_aggregator(settings: AggregatorSettings) -> None:
    """Serve until a stop signal."""
    failures, stop = Failures(), StopSignals()
    async with running(settings, failures) as service:
        await serve_both(
            service, Binding(service.public, settings.public_address), settings.management_address, failures, stop
        )
    failures.raise_first()


@asynccontextmanager
async def running(settings: AggregatorSettings, failures: Failures) -> AsyncIterator[Service]:
    """An aggregator with everything that runs beside its requests."""
    owner = secrets.token_hex(8)
    sizes = {
        f"{SESSIONS}{owner}": APPLYING_CONNECTIONS_MAX,
        "advolink aggregator upkeep": UPKEEP_CONNECTIONS_MAX,
        "advolink aggregator attributing": ATTRIBUTING_CONNECTIONS_MAX,
        "advolink aggregator reading": READING_CONNECTIONS_MAX,
    }
    applying, upkeep, attributing, reading = pools = [
        await open_pool(settings.postgres_dsn, connections_max=size, application=name) for name, size in sizes.items()
    ]
    comparing = await open_pool(
        settings.postgres_dsn,
        connections_max=CHECKING_CONNECTIONS_MAX,
        command_timeout=COMPARING_TIMEOUT,
        application="advolink aggregator checking",
    )
    pools.append(comparing)
    metrics = AggregatorMetrics()
    dsn = settings.postgres_dsn
    event_log = await open_event_log(
        settings, dsn, connections_max=LOG_CONNECTIONS_MAX, application="advolink aggregator log"
    )
    store = ApplyingStore(applying, owner)
    turns = asyncio.Semaphore(APPLYING_CONNECTIONS_MAX - 1)
    judged_by = (Context(load_named_agents()), PLAIN_RULES)
    limit = DeadLetterLimit(settings.dead_letter_ratio_max)
    parts = Parts(event_log, settings.partitions, store, *judged_by, metrics.applying, turns, limit)
    slices = [(stream, Partition(number)) for stream in Stream for number in range(settings.partitions)]
    leases = LeaseStore(upkeep, owner, settings.lease)
    keeper = LeaseKeeper(leases, slices, lambda slice_: PartitionConsumer(*slice_, parts), failures)
    measuring = _measuring(reading, event_log, metrics, settings)
    service = Service(build_public_app(reading, settings.silent_after), metrics, keeper, measuring)
    expiring = event_log if isinstance(event_log, PostgresEventLog) else None
    comparisons = ComparingStore(lambda: connected(comparing), workers=0, rows_max=ROWS_LOGGED_MAX)
    share = Share(
        lambda: {partition for stream, partition in keeper.held if stream is Stream.CLICKS}, settings.partitions
    )
    retention = Retention(settings.raw_retention, settings.log_retention)
    attributor = AttributingStore(attributing)
    house = House(store, RawDayStore(applying), expiring, retention)
    tasks = [
        asyncio.create_task(keeper.run(), name="keeping the lease"),
        asyncio.create_task(Checking(comparisons, share, metrics.checking).run(), name="checking counts"),
        asyncio.create_task(keep_house(house), name="housekeeping"),
        asyncio.create_task(keep_attributing(attributor, metrics.attributing), name="attributing conversions"),
        asyncio.create_task(keep_sweeping(attributor), name="sweeping conversions that wait"),
    ]
    topic = dead_letter_topic(settings)
    if topic is not None:
        relaying = keep_relaying(RelayStore(upkeep), topic)
        tasks.append(asyncio.create_task(relaying, name="relaying dead letters"))
    for task in tasks:
        failures.watch(task)
    try:
        yield service
    finally:
        await cancel_all(tasks)
        await keeper.stop()
        if topic is not None:
            await topic.close()
        await event_log.close()
        for pool in pools:
            pool.terminate()


def _measuring(
    reading: Pool, event_log: EventLog, metrics: AggregatorMetrics, settings: AggregatorSettings
) -> Measuring:
    """What brings the gauges up to date."""
    against = (settings.silent_after, settings.redirectors_expected)
    journal_measure = JournalMeasure(JournalStore(reading), metrics.journals, *against)
    stores = (StandingReader(reading), RawDayStore(reading), journal_measure, ConversionStore(reading))
    return Measuring(*stores, event_log, metrics.standing, metrics.conversions)


def build_public_app(pool: Pool, silent_after: timedelta = SILENT_AFTER) -> FastAPI:
    """The stats API."""
    app = DescribedApi(
        title="advolink aggregator",
        description="Counts per advocate, link, day and quarter, and the clicks behind each number.",
    )
    app.add_middleware(BoundedBodies)
    answer_with_problems(app)
    key_store = KeyStore(pool)
    access = Access(key_store)
    app.include_router(counts.counts_routes(counts.CountsDesk(CountsStore(pool, silent_after), access)))
    app.include_router(clicks.clicks_routes(clicks.ClicksDesk(ClickStore(pool, silent_after), access)))
    app.include_router(changes.changes_routes(changes.ChangesDesk(ChangesStore(pool, silent_after), access)))
    app.include_router(journals.journals_routes(journals.JournalsDesk(JournalStore(pool, silent_after), access)))
    app.include_router(programme.programme_routes(programme.ProgrammeDesk(ProgrammeStore(pool), access)))
    app.include_router(
        conversions.conversions_routes(conversions.ConversionsDesk(ConversionStore(pool, silent_after), access))
    )
    app.include_router(rates.rates_routes(rates.RatesDesk(RateStore(pool), access)))
    app.include_router(keys.keys_routes(keys.KeysDesk(key_store, access)))
    return app
