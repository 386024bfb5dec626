"""What a local stack is made of: the programs to run, and the environment that configures them."""

import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import orjson

from event_log.settings import EventLogKind
from local.data_directory import DataDirectory
from local.kafka.broker import Broker
from local.kafka.kit import ENVIRONMENT
from local.ports import HOST, Ports
from local.postgres.cluster import SERVER_ENVIRONMENT, Cluster
from processes.programs import Program

REDIRECTOR: Final = "redirector"
AGGREGATOR: Final = "aggregator"
POSTGRES: Final = "postgres"
KAFKA: Final = "kafka"

# Together under the 30 s in which a stack stops, the last resort included. The services first let requests finish
# (http_api.serving.STOP_DEADLINE_S), then the redirector drains (ADVOLINK_REDIRECTOR_DRAIN_SECONDS).
REDIRECTOR_STOP: Final = timedelta(seconds=12)
AGGREGATOR_STOP: Final = timedelta(seconds=7)
# These two at the same time.
POSTGRES_STOP: Final = timedelta(seconds=8)
KAFKA_STOP: Final = timedelta(seconds=8)


@dataclass(frozen=True, slots=True)
class Services:
    """What the two services are told."""

    directory: DataDirectory
    ports: Ports
    postgres_dsn: str
    partitions: int
    public_url: str
    private_hosts: Sequence[str]
    inherited: Mapping[str, str]
    workers: int = 1
    kafka_bootstrap: str | None = None
    """Where the events travel through Kafka."""

    def redirector(self) -> Program:
        """The redirector, and where it journals."""
        environment = self._environment(REDIRECTOR, self.ports.redirector, self.ports.redirector_management)
        environment["ADVOLINK_REDIRECTOR_JOURNAL_DIR"] = str(self.directory.journals)
        environment["ADVOLINK_REDIRECTOR_WORKERS"] = str(self.workers)
        environment["ADVOLINK_REDIRECTOR_PUBLIC_URL"] = self.public_url
        environment["ADVOLINK_REDIRECTOR_STOP_DELAY_SECONDS"] = "0"  # no load balancer has to notice, and 30 s are all
        if self.private_hosts:
            environment["ADVOLINK_REDIRECTOR_PRIVATE_HOSTS"] = orjson.dumps(list(self.private_hosts)).decode()
        return self._program(REDIRECTOR, environment, REDIRECTOR_STOP)

    def aggregator(self) -> Program:
        """The aggregator."""
        environment = self._environment(AGGREGATOR, self.ports.aggregator, self.ports.aggregator_management)
        return self._program(AGGREGATOR, environment, AGGREGATOR_STOP)

    def _environment(self, name: str, port: int, management_port: int) -> dict[str, str]:
        prefix = f"ADVOLINK_{name.upper()}"
        return {
            **self.inherited,
            "PYTHONUNBUFFERED": "1",  # what a dying child said last is in its log
            "ADVOLINK_POSTGRES_DSN": self.postgres_dsn,
            "ADVOLINK_PARTITIONS": str(self.partitions),
            **self._event_log(),
            f"{prefix}_HOST": HOST,
            f"{prefix}_PORT": str(port),
            f"{prefix}_MANAGEMENT_PORT": str(management_port),
        }

    def _event_log(self) -> dict[str, str]:
        if self.kafka_bootstrap is None:
            return {"ADVOLINK_EVENT_LOG": EventLogKind.POSTGRES}
        return {"ADVOLINK_EVENT_LOG": EventLogKind.KAFKA, "ADVOLINK_KAFKA_BOOTSTRAP": self.kafka_bootstrap}

    def _program(self, name: str, environment: Mapping[str, str], stop_deadline: timedelta) -> Program:
        # -P: a directory `redirector` where the person stands is not the module.
        command = [sys.executable, "-P", "-m", name]
        return Program(name, command, environment, self.directory.log(name), stop_deadline)


def postgres_program(cluster: Cluster, directory: DataDirectory) -> Program:
    """The launched Postgres. SIGINT is its fast shutdown, also when `up` is killed."""
    return Program(
        POSTGRES,
        cluster.command(),
        SERVER_ENVIRONMENT,
        directory.log(POSTGRES),
        POSTGRES_STOP,
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGINT,
        account=cluster.home.account,
        working_directory=cluster.home.place,
        is_foundation=True,
    )


def kafka_program(broker: Broker, directory: DataDirectory) -> Program:
    """The launched Kafka. With `up` it is killed: a clean end takes longer than to start again after a kill."""
    return Program(
        KAFKA,
        broker.command(),
        ENVIRONMENT,
        directory.log(KAFKA),
        KAFKA_STOP,
        working_directory=broker.home,
        is_foundation=True,
    )


def base_url(port: int) -> str:
    """The address of what listens on `port`."""
    return f"http://{HOST}:{port}"
