"""A whole stack under chaos: one redirector, two aggregators, a load, and proxies before Postgres and Kafka.

Services reach Postgres and Kafka only through the proxies. Whoever looks at the outcome goes to Postgres directly.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx2
import orjson

from database.keys import Scope, create_key
from database.pool import DatabaseAwayError, translated_outage
from event_log.kafka.topics import apply_topics
from link_events.streams import PARTITIONS_DEFAULT, partition_of
from redirector.workers.parent import PIDS_FILE
from stage.chaos.children import Child, started
from stage.chaos.failpoints import Failpoints
from stage.chaos.fates import FateReader
from stage.chaos.guards import Guard, switch_off_in_database
from stage.chaos.load import Load
from stage.kafka import Broker
from stage.ports import reserved_port
from stage.postgres import Server
from stage.proxy import CHUNK_BYTES, HOST, Proxy, opened_proxy, proxied
from stage.slices import EVERY_SLICE
from stage.sql import fetch
from stage.topics import untouched_topics
from stage.waiting import eventually_async

LEASE_SECONDS: Final = 2
HEARTBEAT_SECONDS: Final = 1
SEGMENT_BYTES: Final = 2**20
"""The smallest there are: one is full after a few seconds."""

JOURNAL_BYTES_MAX: Final = 256 * 2**20
WELL_SECONDS_MAX: Final = 90
ADVOCATES_PER_PARTITION: Final = 2

JOURNALS: Final = "journals"

OWNERS: Final = (
    "SELECT stream || '/' || partition, owner, owner_epoch"
    " FROM aggregator_lease LEFT JOIN partition_offset USING (owner) WHERE expires_at > now()"
)
"""Of every aggregator that is alive, also where it holds nothing."""
SESSIONS: Final = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'advolink %'"
    " ORDER BY state_change DESC, pid"
)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a stack stands on: a server, an empty migrated database in it, and a broker where there is a Kafka."""

    server: Server
    dsn: str
    broker: Broker | None = None


@dataclass(slots=True)
class Cluster:
    """Everything that runs, and how it is made well again."""

    directory: Path
    ground: Ground
    postgres_proxy: Proxy
    kafka_proxy: Proxy | None
    failpoints: Failpoints
    redirector: Child
    aggregators: Sequence[Child]
    fates: FateReader
    topic_prefix: str = ""
    frozen_backends: set[int] = field(default_factory=set)
    ended_by_themselves: list[str] = field(default_factory=list)
    _load: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """The database, past the proxy."""
        return self.ground.dsn

    @property
    def workers(self) -> Sequence[int]:
        """The pids of the redirector's workers as their parent tells them; none where it is one process."""
        try:
            pids: dict[str, int] = orjson.loads((self.directory / JOURNALS / PIDS_FILE).read_bytes())
        except FileNotFoundError:
            return ()
        return list(pids.values())

    @property
    def workers_ended_by_themselves(self) -> Sequence[str]:
        """What the redirector's log says of workers that ended though nobody had killed them."""
        said = (self.directory / f"{self.redirector.name}.log").read_text(encoding="utf-8", errors="replace")
        return [line for line in said.splitlines() if ") exited with status " in line]

    @property
    def children(self) -> Sequence[Child]:
        """Every service."""
        return [self.redirector, *self.aggregators]

    def total(self, metric: str) -> int:
        """What a counter came to in all services and all their lives."""
        return sum(child.tally.total(metric) for child in self.children)

    async def owners(self) -> Mapping[str, tuple[str, int]]:
        """Who holds which partition, and in which epoch."""
        rows = await fetch(self.dsn, OWNERS)
        return {partition: (owner, epoch) for partition, owner, epoch in rows if partition is not None}

    async def sessions(self) -> Sequence[int]:
        """The pids of the backends that serve the services; those that were at work last first."""
        return [pid for (pid,) in await fetch(self.dsn, SESSIONS)]

    async def scrape(self) -> None:
        """Note the counters of every service that answers."""
        await asyncio.gather(*(child.scrape() for child in self.children if child.status is None))

    def start_load(self, load: Load) -> None:
        """Begin to send requests."""
        self._load = started(load.command(), self.directory / "load.log")

    def stop_load(self) -> None:
        """End it, when every request under way has its fate."""
        if self._load is not None:
            self._load.send_signal(signal.SIGTERM)
            if self._load.wait(timeout=60):
                raise RuntimeError(f"the load has failed; see {self.directory}/load.log")
            self._load = None

    async def heal(self) -> None:
        """Take every fault back, and start again what has died."""
        self.failpoints.disarm()
        for proxy in filter(None, (self.postgres_proxy, self.kafka_proxy)):
            proxy.delay_s, proxy.slice_bytes = 0.0, CHUNK_BYTES
            await proxy.open()
        for pid in self.frozen_backends:
            send_signal(pid, signal.SIGCONT)
        self.frozen_backends.clear()
        for child in self.children:
            child.send(signal.SIGCONT)
        for pid in self.workers:
            send_signal(pid, signal.SIGCONT)
        self.restart()
        servers = [server for server in (self.ground.server, self.ground.broker) if server is not None]
        for server in servers:
            server.thaw()
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers if not server.is_running))

    def restart(self, children: Sequence[Child] = ()) -> None:
        """Start again what has died of `children`, or of all, as what supervises them does."""
        for child in children or self.children:
            if child.status is not None:
                if child.status != -signal.SIGKILL:
                    self.ended_by_themselves.append(f"{child.name} has ended with status {child.status}")
                child.start(self.directory)

    async def until_well(self) -> None:
        """Wait until every service works again, and every partition is held by one of two aggregators.

        Raises:
            AssertionError: it takes longer than WELL_SECONDS_MAX; the message says who is not well.
        """
        complaints = [""]

        async def is_well() -> bool:
            self.restart()
            complaints[0] = await self._complaint()
            return not complaints[0]

        try:
            await eventually_async(is_well, seconds_max=WELL_SECONDS_MAX, what="all is well")
        except AssertionError as error:
            raise AssertionError(f"{error}: {complaints[0]}") from error

    async def close(self) -> None:
        """End every process, whatever its state."""
        if self._load is not None:
            self._load.kill()
            self._load.wait(timeout=30)
        for pid in self.frozen_backends:
            send_signal(pid, signal.SIGCONT)
        for child in self.children:
            await child.close()

    async def _complaint(self) -> str:
        """What is not well; nothing where all is."""
        for child in self.children:
            readiness = await child.readiness()
            if not (readiness.get("ready") and all(readiness["known"].values())):
                return f"{child.name} says {readiness or 'nothing'}"
        try:
            async with translated_outage():
                rows = await fetch(self.dsn, OWNERS)
        except DatabaseAwayError as error:
            return f"Postgres is away: {error}"
        shares = Counter(owner for partition, owner, _ in rows if partition is not None)
        is_shared = shares.keys() == {owner for _, owner, _ in rows} and len(shares) == len(self.aggregators)
        return "" if is_shared and shares.total() == len(EVERY_SLICE) else f"partitions are held so: {rows}"


def send_signal(pid: int, number: signal.Signals) -> bool:
    """Send a signal to a process that is none of our children; whether it was there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


@asynccontextmanager
async def opened_cluster(
    directory: Path, ground: Ground, off: Collection[Guard] = (), workers: int = 1
) -> AsyncIterator[Cluster]:
    """A stack that is well, with some guards switched off, and so many workers of its redirector."""
    async with AsyncExitStack() as held:
        postgres_proxy, proxied_dsn = await held.enter_async_context(proxied(ground.dsn))
        environment = {"ADVOLINK_POSTGRES_DSN": proxied_dsn}
        kafka_proxy, topic_prefix = None, ""
        if (broker := ground.broker) is not None:
            behind = (HOST, broker.proxied_port)
            kafka_proxy = await held.enter_async_context(opened_proxy(behind, broker.proxy_port))
            topic_prefix = await _made_topics(broker)
            environment |= {
                "ADVOLINK_EVENT_LOG": "kafka",
                "ADVOLINK_KAFKA_BOOTSTRAP": broker.bootstrap_through_proxy,
                "ADVOLINK_KAFKA_TOPIC_PREFIX": topic_prefix,
            }
        for guard in off:
            await switch_off_in_database(guard, ground.dsn)
        failpoints, fates = Failpoints(directory / "failpoints"), FateReader(directory / "fates")
        failpoints.directory.mkdir()
        fates.directory.mkdir()

        def child(name: str, service: str, settings: Mapping[str, str]) -> Child:
            command = [sys.executable, "-m", "stage.chaos.process", service, str(failpoints.directory), *off]
            ports = (held.enter_context(reserved_port()), held.enter_context(reserved_port()))
            own = {"PORT": str(ports[0]), "MANAGEMENT_PORT": str(ports[1]), **settings}
            prefix = f"ADVOLINK_{service.upper()}_"
            return Child(name, command, {**environment, **{f"{prefix}{key}": own[key] for key in own}}, ports)

        cluster = Cluster(
            directory,
            *(ground, postgres_proxy, kafka_proxy, failpoints),
            child("redirector", "redirector", {**_redirector(directory), "WORKERS": str(workers)}),
            [child(f"aggregator-{number}", "aggregator", {"LEASE": str(LEASE_SECONDS)}) for number in (1, 2)],
            *(fates, topic_prefix),
        )
        held.push_async_callback(cluster.close)
        for one in cluster.children:
            one.start(directory)
        await cluster.until_well()
        yield cluster


async def made_key(cluster: Cluster) -> str:
    """A key that may do everything."""
    return await create_key(cluster.dsn, name="chaos", scopes=[Scope.ADMIN])


async def issued_codes(cluster: Cluster, key: str) -> Sequence[str]:
    """Links of several advocates in every partition, and one more for every other advocate."""
    headers = {"Authorization": f"Bearer {key}"}
    codes = []
    async with httpx2.AsyncClient(base_url=f"http://{HOST}:{cluster.redirector.port}", headers=headers) as client:
        for number, advocate in enumerate(_advocates()):
            (await client.put(f"/v1/advocates/{advocate}", json={})).raise_for_status()
            for alias in (f"{advocate}-a", f"{advocate}-b")[: 1 + number % 2]:
                body = {"advocate_id": advocate, "destination": f"https://example.com/{alias}", "alias": alias}
                (await client.post("/v1/links", json=body)).raise_for_status()
                codes.append(alias)
    return codes


def _advocates() -> Sequence[str]:
    """Names such that every partition has as many."""
    chosen: dict[int, list[str]] = {partition: [] for partition in range(PARTITIONS_DEFAULT)}
    number = 0
    while any(len(names) < ADVOCATES_PER_PARTITION for names in chosen.values()):
        number += 1
        names = chosen[partition_of(f"advocate-{number}", PARTITIONS_DEFAULT)]
        if len(names) < ADVOCATES_PER_PARTITION:
            names.append(f"advocate-{number}")
    return [name for names in chosen.values() for name in names]


def _redirector(directory: Path) -> Mapping[str, str]:
    return {
        "JOURNAL_DIR": str(directory / JOURNALS),
        "JOURNAL_SEGMENT_BYTES": str(SEGMENT_BYTES),
        "JOURNAL_BYTES_MAX": str(JOURNAL_BYTES_MAX),
        "JOURNAL_FULL_POLICY": "refuse",
        "HEARTBEAT_INTERVAL": str(HEARTBEAT_SECONDS),
        "PUBLIC_URL": "https://go.example.com",
    }


async def _made_topics(broker: Broker) -> str:
    """The prefix of fresh topics, made without the proxy."""
    connection = untouched_topics(broker.bootstrap)
    await apply_topics(connection, partitions=PARTITIONS_DEFAULT, replication_factor=1)
    return connection.topic_prefix
