"""What a person may ask of `advolink up`."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from link_events.streams import PARTITIONS_DEFAULT
from local.data_directory import DEFAULT_DIRECTORY
from local.errors import LocalError
from local.ports import AskedPorts
from local.settings import PostgresChoice


class LogKind(StrEnum):
    """What carries events between the services."""

    POSTGRES = "postgres"
    KAFKA = "kafka"


@dataclass(frozen=True, slots=True)
class Options:
    """One `up`, as asked for."""

    data_directory: Path = DEFAULT_DIRECTORY
    log: LogKind = LogKind.POSTGRES
    ports: AskedPorts = field(default_factory=AskedPorts)
    workers: int = 1
    postgres: PostgresChoice = PostgresChoice.AUTO
    postgres_dsn: str | None = None
    public_url: str | None = None
    private_hosts: tuple[str, ...] = ()
    partitions: int = PARTITIONS_DEFAULT


def refuse_what_is_to_come(options: Options) -> None:
    """Say plainly what this version cannot do yet.

    Raises:
        LocalError: it was asked for.
    """
    if options.log is LogKind.KAFKA:
        raise LocalError("Events through Kafka come with a later version of advolink; use --log postgres.")
    if options.workers > 1:
        raise LocalError("More than one worker comes with a later version of advolink; use --workers 1.")
