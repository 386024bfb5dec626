"""What a person may ask of `advolink up`."""

from dataclasses import dataclass, field
from pathlib import Path

from event_log.settings import EventLogKind, KafkaSettings
from link_events.streams import PARTITIONS_DEFAULT
from local.carrier import Carrier
from local.data_directory import DEFAULT_DIRECTORY
from local.ports import AskedPorts
from local.settings import PostgresChoice


@dataclass(frozen=True, slots=True)
class Options:
    """One `up`, as asked for."""

    data_directory: Path = DEFAULT_DIRECTORY
    log: EventLogKind = EventLogKind.POSTGRES
    ports: AskedPorts = field(default_factory=AskedPorts)
    workers: int = 1
    postgres: PostgresChoice = PostgresChoice.AUTO
    postgres_dsn: str | None = None
    kafka: KafkaSettings | None = None
    """A Kafka that runs already; none is launched then."""
    public_url: str | None = None
    private_hosts: tuple[str, ...] = ()
    partitions: int = PARTITIONS_DEFAULT

    @property
    def carrier(self) -> Carrier:
        """Which log is to carry the events."""
        if self.log is EventLogKind.POSTGRES:
            return Carrier.POSTGRES
        return Carrier.OWN_KAFKA if self.kafka is None else Carrier.GIVEN_KAFKA
