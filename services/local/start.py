"""The order in which a local stack starts: ports, Kafka where asked for, Postgres, database, first key, services.

Each step ends before the next begins, so that what is in the way is named by the step it stops.
"""

from functools import partial
from typing import Final

import httpx2

from event_log.settings import EventLogKind
from local.carrier import refuse_another, remember
from local.data_directory import DataDirectory
from local.first_use import admin_key, prepare_database
from local.launch import Launch
from local.ports import Ports, choose_ports
from local.postgres.cluster import FIRST_DATABASE, Cluster, prepared
from local.postgres.sessions import check_given, is_serving, make_database
from local.settings import inherited_environment, without_kafka
from local.stack import Services, base_url, postgres_program
from local.start_kafka import start_kafka
from local.supervisor import Supervisor
from local.up_file import Addresses

READY_SECONDS_MAX: Final = 60
PROBE_SECONDS_MAX: Final = 2

POSTGRES_DEATHS_MAX: Final = 5
"""Right after a kill, the shared memory of the old server is still held by its last sessions. Postgres then ends at
once, and is started again until they are gone: some seconds."""


async def start(launch: Launch) -> Addresses:
    """Start everything and wait until it answers.

    Raises:
        LocalError: something is in the way.
    """
    options, directory, terminal = launch.options, launch.directory, launch.terminal
    refuse_another(directory, options.carrier)
    ports = choose_ports(options.ports)
    bootstrap = await start_kafka(launch, ports) if options.log is EventLogKind.KAFKA else None
    dsn = await _find_postgres(launch, ports)
    applied = await prepare_database(dsn, options.partitions)
    terminal.step(f"database ready, {applied} {'migration' if applied == 1 else 'migrations'} applied")
    remember(directory, options.carrier)
    key = await admin_key(dsn, directory.admin_key)
    terminal.step("redirector and aggregator")
    await _start_services(_services(launch, ports, dsn, bootstrap), launch.supervisor)
    return _addresses(ports, key, dsn, bootstrap)


async def _find_postgres(launch: Launch, ports: Ports) -> str:
    """The DSN of the one that was given, which is checked, or of our own, which is started."""
    options, directory, terminal = launch.options, launch.directory, launch.terminal
    if options.postgres_dsn:
        terminal.step(f"Postgres {await check_given(options.postgres_dsn)}, as given")
        return options.postgres_dsn
    # No service runs yet: that this blocks delays at most the answer to a stop signal.
    cluster = launch.held.enter_context(prepared(directory.postgres, choice=options.postgres, ports_taken=ports.taken))
    terminal.step(f"{cluster.binaries}, port {cluster.port}")
    await _start_postgres(cluster, directory, launch.supervisor)
    return cluster.dsn()


async def _start_postgres(cluster: Cluster, directory: DataDirectory, supervisor: Supervisor) -> None:
    child = supervisor.start(postgres_program(cluster, directory))
    dsn = cluster.dsn(FIRST_DATABASE)
    await supervisor.until_ready(
        child, partial(is_serving, dsn), seconds_max=READY_SECONDS_MAX, deaths_max=POSTGRES_DEATHS_MAX
    )
    await make_database(dsn)


def _services(launch: Launch, ports: Ports, dsn: str, bootstrap: str | None) -> Services:
    options, inherited = launch.options, inherited_environment()
    return Services(
        directory=launch.directory,
        ports=ports,
        postgres_dsn=dsn,
        partitions=options.partitions,
        public_url=options.public_url or base_url(ports.redirector),
        private_hosts=options.private_hosts,
        inherited=without_kafka(inherited) if options.kafka is None else inherited,
        workers=options.workers,
        kafka_bootstrap=bootstrap,
    )


async def _start_services(services: Services, supervisor: Supervisor) -> None:
    # The redirector is started last, so that it is stopped first: what it still ships is still applied.
    aggregator = supervisor.start(services.aggregator())
    redirector = supervisor.start(services.redirector())
    waits = {aggregator: services.ports.aggregator_management, redirector: services.ports.redirector_management}
    async with httpx2.AsyncClient(timeout=PROBE_SECONDS_MAX, trust_env=False) as http:
        for child, port in waits.items():
            answers = partial(_answers_ready, http, f"{base_url(port)}/readyz")
            await supervisor.until_ready(child, answers, seconds_max=READY_SECONDS_MAX)


async def _answers_ready(http: httpx2.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).is_success
    except httpx2.TransportError:
        return False


def _addresses(ports: Ports, key: str, dsn: str, bootstrap: str | None) -> Addresses:
    return Addresses(
        redirector=base_url(ports.redirector),
        aggregator=base_url(ports.aggregator),
        redirector_management=base_url(ports.redirector_management),
        aggregator_management=base_url(ports.aggregator_management),
        api_key=key,
        postgres_dsn=dsn,
        kafka_bootstrap=bootstrap,
    )
