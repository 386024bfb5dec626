"""`advolink migrate` brings Postgres up to date; `advolink topics` looks at Kafka's topics and makes them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import click
from pydantic import ValidationError

from database.commands import chosen_dsn, dsn_option, run_with_database
from database.migrations import MigrationError
from database.migrations import migrate as migrate_schema
from database.refused_settings import told
from event_log.contract import EventLogAwayError, EventLogError, PartitionCountError
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.topics import TopicChange, TopicState, apply_topics, plan_topics
from event_log.postgres import create_streams
from event_log.settings import KafkaSettings
from link_events.streams import PARTITIONS_DEFAULT, PARTITIONS_MAX

TOPICS_SECONDS_MAX: Final = 60
"""A cluster that has not answered by then is away."""

BOOTSTRAP_UNREADABLE: Final = "ADVOLINK_KAFKA_BOOTSTRAP cannot be read; it looks like host:9092,host:9092"
"""What is read instead is not repeated: people put passwords there."""

STATES: Final = {
    TopicState.MISSING: "missing",
    TopicState.AS_WANTED: "as wanted",
    TopicState.DIFFERS: "differs, and is left as it is",
    TopicState.REFUSED: "refused",
}

Result = TypeVar("Result")

partitions_option: Final = click.option(
    "--partitions",
    type=click.IntRange(1, PARTITIONS_MAX),
    default=PARTITIONS_DEFAULT,
    show_default=True,
    help="Partitions of each stream; they can be chosen once.",
)

replicas_option: Final = click.option(
    "--replication-factor",
    type=click.IntRange(1),
    help="Replicas of each partition, of which all but one must be in sync; as in schemas/topics unless given.",
)


@click.command()
@partitions_option
@dsn_option
def migrate(partitions: int, postgres_dsn: str | None) -> None:
    """Apply pending migrations, and make the partitions of the Postgres event log."""
    dsn = chosen_dsn(postgres_dsn)
    try:
        applied = run_with_database(lambda: migrate_schema(dsn))
        run_with_database(lambda: create_streams(dsn, partitions))
    except (MigrationError, PartitionCountError) as error:
        raise click.ClickException(f"{error}.") from error
    for migration in applied:
        click.echo(f"applied {migration.version:04} {migration.name}")
    click.echo("The database is up to date.")


@click.group("topics")
def topics_group() -> None:
    """Kafka's topics, as schemas/topics says they are made."""


@topics_group.command("plan")
@partitions_option
@replicas_option
def plan(partitions: int, replication_factor: int | None) -> None:
    """Say what Kafka has of each topic, and change nothing. Exit status 1 where a topic cannot be used as it is."""
    changes = _run_with_kafka(
        lambda connection: plan_topics(connection, partitions=partitions, replication_factor=replication_factor)
    )
    for change in changes:
        _say(change)
    if any(change.state is TopicState.REFUSED for change in changes):
        raise click.ClickException("The number of a topic's partitions cannot be changed: its events would lie apart.")


@topics_group.command("apply")
@partitions_option
@replicas_option
def apply(partitions: int, replication_factor: int | None) -> None:
    """Make the topics that are missing. What is there is left as it is."""
    changes = _run_with_kafka(
        lambda connection: apply_topics(connection, partitions=partitions, replication_factor=replication_factor)
    )
    for change in changes:
        spec = change.spec
        if change.state is TopicState.MISSING:
            click.echo(f"created {spec.topic}: {spec.partitions} partitions, {spec.replication_factor} replicas")
        else:
            _say(change)


def _say(change: TopicChange) -> None:
    click.echo(f"{change.spec.topic}: {STATES[change.state]}")
    for difference in change.differences:
        click.echo(f"  {difference}")


def _run_with_kafka(job: Callable[[KafkaConnection], Coroutine[Any, Any, Result]]) -> Result:
    """Run `job`; whatever keeps it from its end becomes one sentence.

    Raises:
        click.ClickException: Kafka is not named, cannot be reached, or will not.
    """

    async def run(connection: KafkaConnection) -> Result:
        async with asyncio.timeout(TOPICS_SECONDS_MAX):
            return await job(connection)

    try:
        return asyncio.run(run(KafkaConnection.of(KafkaSettings())))
    except ValidationError as error:
        raise click.ClickException(told(error, KafkaSettings)) from error
    except TimeoutError as error:
        raise click.ClickException(f"Kafka did not answer within {TOPICS_SECONDS_MAX} s.") from error
    except EventLogAwayError as error:
        raise click.ClickException(f"Kafka is away: {error}.") from error
    except EventLogError as error:
        raise click.ClickException(f"Kafka cannot be used: {error}.") from error
    except ValueError as error:  # aiokafka's, of an address that is none
        raise click.ClickException(f"{BOOTSTRAP_UNREADABLE}.") from error
