"""Builds the redirector from its settings, and takes it down again in order.

Up: journal first (it must hold before anybody is redirected), then memory and links, then shipping in the background;
neither Postgres nor the event log has to be there. Down: no more requests, journal synced, the log given a last chance.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from database.customer_keys import CustomerKeyStore
from database.keys import KeyStore
from database.pool import Pool, open_pool
from database.signing_keys import SigningKeyStore
from event_log.contract import EventLog
from event_log.opening import open_event_log
from http_api.access import Access
from http_api.bodies import BoundedBodies
from http_api.both_ports import serve_both
from http_api.connections import ConnectionLimits, Connections
from http_api.descriptors import connections_that_fit
from http_api.forwarding import Forwarded
from http_api.indexing import NeverIndexed
from http_api.management import Readiness
from http_api.openapi import DescribedApi
from http_api.problems import answer_with_problems
from http_api.serving import Binding, Failures, cancel_all
from http_api.stop_signals import StopSignals
from redirector.advocates.store import AdvocateStore
from redirector.conversions.intake import Intake
from redirector.customers.following import KEPT_NAME as CUSTOMER_KEY_NAME
from redirector.customers.following import FollowedCustomerKey
from redirector.destinations import DestinationPolicy, compared_host
from redirector.fast_lane.connection import LaneConnection, keep_swept
from redirector.fast_lane.lane import FastLane
from redirector.fast_lane.prepared import Preparing
from redirector.finding import LinkFinder
from redirector.following import look_first
from redirector.heartbeats import keep_beating
from redirector.imports.importing import Importer, ImportPlace
from redirector.imports.store import PlanStore
from redirector.journal.adoption import adopt_all, take_journal
from redirector.journal.journal import Limits
from redirector.kept import KeptFile
from redirector.left_behind import end_left_behind
from redirector.links.memory import LinkMemory
from redirector.links.resolving import LinkResolver
from redirector.links.store import LinkStore
from redirector.metrics import RedirectorMetrics
from redirector.network_limits import LimitPolicy, NetworkLimits
from redirector.programme.following import FollowedProgramme
from redirector.programme.store import ProgrammeStore
from redirector.recalling import Place, keep_recalling
from redirector.recording import Recorder
from redirector.redirecting import Redirector
from redirector.routes import advocates, browsers, conversions, imports, links, redirects, self_clicks
from redirector.self_clicks.own_clicks import OwnClicks
from redirector.settings import RedirectorSettings
from redirector.shipments import Shipment, Shipments
from redirector.signing.checking import ClickIdCheck
from redirector.signing.click_ids import ClickIds
from redirector.signing.following import KEPT_NAME, FollowedKeys
from redirector.tidying import keep_tidy
from redirector.visitors.addresses import Networks
from redirector.visitors.clients import Clients
from redirector.visitors.keeping import SaltKeeper, kept_salts
from redirector.visitors.store import SaltStore

LINK_CONNECTIONS_MAX = 8
LOG_CONNECTIONS_MAX = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Desks:
    """What the API's endpoints on the public port work with, a desk for each module of routes."""

    advocates: advocates.AdvocateDesk
    links: links.LinkDesk
    imports: imports.ImportDesk
    self_clicks: self_clicks.SelfDesk
    conversions: conversions.ConversionDesk
    browsers: browsers.BrowserDesk


@dataclass(slots=True)
class Service:
    """A running redirector."""

    settings: RedirectorSettings
    public: ASGIApp
    metrics: RedirectorMetrics
    memory: LinkMemory
    resolver: LinkResolver
    network_limits: NetworkLimits
    programme: FollowedProgramme
    keys: FollowedKeys
    customer_key: FollowedCustomerKey
    salts: SaltKeeper
    shipments: Shipments
    own: Shipment
    connections: Connections
    lane: FastLane
    stopping: bool = False

    @property
    def registry(self) -> CollectorRegistry:
        """The metrics."""
        return self.metrics.registry

    async def readiness(self) -> Readiness:
        """Ready to redirect: neither Postgres nor the event log is needed for that."""
        return Readiness(
            needed={"running": not self.stopping, "journal": not self.own.journal.full},
            known={
                "postgres": not self.resolver.database_away,
                "event_log": self.own.shipper.connected,
                "signing_key": self.keys.ring is not None,
                "customer_key": self.customer_key.known,
            },
        )

    async def refresh_metrics(self) -> None:
        """Bring the gauges up to date."""
        journals = [shipment.journal for shipment in self.shipments]
        gauges = self.metrics.journal
        gauges.bytes.set(sum(journal.size_bytes() for journal in journals))
        gauges.fill_ratio.set(self.shipments.held_ratio())
        gauges.unacked_events.set(self.shipments.unacked_events())
        gauges.sync_failures.set(sum(journal.sync_failures for journal in journals))
        gauges.full.set(self.own.journal.full)
        self.metrics.connections.open.set(len(self.connections))
        self.metrics.redirect.links_in_memory.set(len(self.memory))
        self.metrics.redirect.known_codes.set(self.resolver.codes.count)
        self.metrics.redirect.networks_limited.set(self.network_limits.limited(time.monotonic()))
        self.metrics.visitors.salt_days_ahead.set(self.salts.days_ahead)
        self.metrics.visitors.salt_local.set(self.salts.today_is_local)
        self.metrics.shipping.connected.set(all(shipment.shipper.connected for shipment in self.shipments))


async def run_redirector(settings: RedirectorSettings) -> None:
    """Serve until a stop signal."""
    failures, stop = Failures(), StopSignals(settings.stop_delay_seconds)
    async with running(settings, failures) as service:
        protocol = partial(LaneConnection, service.lane)
        public = Binding(service.public, settings.redirect_address, service.connections, protocol)
        also = None if settings.worker is None else (imports.PATH, service.public)  # for other workers
        await serve_both(service, public, settings.place, failures, stop, also=also)
    failures.raise_first()


@asynccontextmanager
async def running(settings: RedirectorSettings, failures: Failures) -> AsyncIterator[Service]:
    """A redirector with everything that runs beside its requests."""
    dsn = settings.postgres_dsn
    pool = await open_pool(dsn, connections_max=LINK_CONNECTIONS_MAX, application="advolink redirector links")
    event_log = await open_event_log(
        settings, dsn, connections_max=LOG_CONNECTIONS_MAX, application="advolink redirector log"
    )
    metrics = RedirectorMetrics()
    shipments = Shipments(event_log, settings.journal_retention, metrics.shipping, failures)
    own = await _start_journals(settings, shipments)
    service = _assemble(settings, pool, metrics, shipments, own)
    known = not service.salts.today_is_local and service.keys.ring is not None and service.customer_key.known
    if not known:  # the first clicks are as all others
        looks = (service.programme.look, service.keys.look, service.salts.look, service.customer_key.look)
        await look_first(*looks)
    jobs: dict[str, Coroutine[Any, Any, None]] = {
        "sweeping connections": keep_swept(service.connections, settings.idle_seconds),
        "heartbeats": keep_beating(own.journal, settings.heartbeat_interval),
        "following links": service.resolver.follow_changes(),
        "following the programme": service.programme.follow(),
        "following the signing keys": service.keys.follow(),
        "following the customer key": service.customer_key.follow(),
        "keeping salts": service.salts.follow(),
    }
    if settings.does_chores:
        jobs |= _chores(settings, event_log, shipments, own)
    tasks = [asyncio.create_task(job, name=name) for name, job in jobs.items()]
    for task in tasks:
        failures.watch(task)
    try:
        yield service
    finally:
        pool.terminate()  # before what uses it is cancelled: a Postgres that hangs holds up no stop
        await cancel_all(tasks)
        if isinstance(service.public, Forwarded):
            await service.public.close()
        await shipments.drain(timedelta(seconds=settings.drain_seconds))
        await event_log.close()  # before the shipments, which may hang in it
        await shipments.stop()


async def _start_journals(settings: RedirectorSettings, shipments: Shipments) -> Shipment:
    """Go on in a journal that an earlier worker left, or in a new one; imports that were left are shipped too."""
    limits = _limits(settings)
    own = shipments.start(take_journal(settings.journal_dir / "live", settings.partitions, limits))
    own.journal.level = settings.journal_level
    log.info("writing to journal %s", own.journal.journal_id.hex())
    if settings.does_chores:
        for unfinished in adopt_all(settings.journal_dir / "imports", settings.partitions, limits):
            shipments.start(unfinished, is_import=True)
    return own


def _chores(
    settings: RedirectorSettings, event_log: EventLog, shipments: Shipments, own: Shipment
) -> dict[str, Coroutine[Any, Any, None]]:
    """What one process of all in a journal directory does."""
    place = Place(settings.journal_dir, settings.partitions, _limits(settings))
    return {
        "ending what was left behind": end_left_behind(place, settings.workers, shipments, own),
        "tidying": keep_tidy(settings.journal_dir, settings.journal_retention, settings.journal_bytes_max),
        "recalling": keep_recalling(place, event_log, shipments),
    }


def _limits(settings: RedirectorSettings) -> Limits:
    return Limits(settings.journal_segment_bytes, settings.journal_bytes_max)


def _assemble(
    settings: RedirectorSettings, pool: Pool, metrics: RedirectorMetrics, shipments: Shipments, own: Shipment
) -> Service:
    store = LinkStore(pool)
    memory = LinkMemory(settings.links_in_memory_max)
    resolver = LinkResolver(memory, store)
    access = Access(KeyStore(pool))
    own_host = compared_host(urlsplit(settings.public_url).hostname or "")
    network_limits = NetworkLimits(settings.unknown_codes_per_minute, settings.unknown_codes_burst)
    policy = DestinationPolicy({own_host}, frozenset(map(compared_host, settings.private_hosts)))
    place = ImportPlace(settings.journal_dir / "imports", _limits(settings), settings.partitions)
    importer = Importer(PlanStore(pool), shipments, place, policy)
    programme = FollowedProgramme(ProgrammeStore(pool), KeptFile(settings.journal_dir, "programme"))
    keys = FollowedKeys(SigningKeyStore(pool), KeptFile(settings.journal_dir, KEPT_NAME))
    journal = own.journal
    missing = metrics.redirect.click_ids_missing
    click_ids = ClickIds(keys, programme, journal.journal_id, journal.partitions, missing)
    own_clicks = OwnClicks(keys)
    customer_key = FollowedCustomerKey(CustomerKeyStore(pool), KeptFile(settings.journal_dir, CUSTOMER_KEY_NAME))
    clients, salts = _tell_clients_apart(settings, pool, programme, metrics)
    finder = LinkFinder(resolver, network_limits, clients.network_key, metrics.redirect)
    recorder, check = Recorder(journal), ClickIdCheck(keys)
    reports = _browser_limits(settings)
    redirector = Redirector(
        finder,
        recorder,
        identify=clients.identify,
        click_ids=click_ids,
        own_clicks=own_clicks,
        full_policy=settings.journal_full_policy,
        metrics=metrics.redirect,
    )
    desks = Desks(
        advocates.AdvocateDesk(AdvocateStore(pool), programme, access),
        links.LinkDesk(store, resolver, access, policy, settings.public_url),
        imports.ImportDesk(importer, access, settings.journal_dir / "uploads", settings.import_bytes_max),
        self_clicks.SelfDesk(store, access, own_clicks, settings.public_url),
        conversions.ConversionDesk(Intake(recorder, check, customer_key, metrics.intake), access),
        browsers.BrowserDesk(programme, reports, clients.network_key, check, recorder, metrics.browsers),
    )
    public: ASGIApp = build_public_app(desks, redirector, metrics)
    if settings.chores_socket is not None:
        public = Forwarded(public, imports.PATH, settings.chores_socket, "the worker that imports")
    connections_max = connections_that_fit(settings.connections_max)
    limits = ConnectionLimits(connections_max, settings.idle_seconds, metrics.connections.refused.inc)
    lane = FastLane(
        memory,
        finder,
        Preparing(journal, programme, click_ids),
        journal,
        clients=clients,
        click_ids=click_ids,
        full_policy=settings.journal_full_policy,
        metrics=metrics.redirect,
    )
    serving = (Connections(limits), lane)
    following = (programme, keys, customer_key, salts)
    return Service(settings, public, metrics, memory, resolver, network_limits, *following, shipments, own, *serving)


def _browser_limits(settings: RedirectorSettings) -> NetworkLimits:
    per_minute, burst = settings.browser_conversions_per_minute, settings.browser_conversions_burst
    return NetworkLimits(per_minute, burst, policy=LimitPolicy.BROWSER_CONVERSIONS)


def _tell_clients_apart(
    settings: RedirectorSettings, pool: Pool, programme: FollowedProgramme, metrics: RedirectorMetrics
) -> tuple[Clients, SaltKeeper]:
    kept = KeptFile(settings.journal_dir, "salts")
    salts = kept_salts(kept)
    clients = Clients(
        salts,
        lambda: programme.zone,
        Networks(settings.trusted_proxies),
        Networks(settings.internal_networks),
        unresolved=metrics.visitors.unresolved.inc,
        forwarded_by_strangers=metrics.visitors.forwarded_by_strangers.inc,
    )
    return clients, SaltKeeper(SaltStore(pool), kept, salts, clients, zone=lambda: programme.zone)


def build_public_app(desks: Desks, redirector: Redirector, metrics: RedirectorMetrics) -> FastAPI:
    """The public port's app. Redirects come last: a code is any path that is nothing else."""
    app = DescribedApi(
        title="advolink redirector",
        description="Issues per-advocate short links and redirects the people who click.",
    )
    app.add_middleware(BoundedBodies, unbounded=frozenset({imports.PATH}))
    app.add_middleware(NeverIndexed)
    answer_with_problems(app)
    app.include_router(advocates.advocate_routes(desks.advocates))
    app.include_router(links.link_routes(desks.links))
    app.include_router(imports.import_routes(desks.imports))
    app.include_router(self_clicks.self_routes(desks.self_clicks))
    app.include_router(conversions.conversion_routes(desks.conversions))
    app.include_router(browsers.browser_routes(desks.browsers))
    app.include_router(redirects.redirect_routes(redirector, metrics.redirect))
    return app
