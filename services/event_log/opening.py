"""The event log that the settings choose, opened."""

from database.pool import open_pool
from event_log.contract import EventLog
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.dead_letters import KafkaDeadLetterTopic
from event_log.kafka.log import KafkaEventLog
from event_log.postgres import PostgresEventLog
from event_log.settings import EventLogKind, EventLogSettings


async def open_event_log(
    settings: EventLogSettings, postgres_dsn: str, *, connections_max: int, application: str
) -> EventLog:
    """The log, which connects when it is first asked.

    `connections_max` and `application` are for the Postgres form: how many connections it may have, and the name that
    they show there.

    Raises:
        EventLogError: the settings cannot be used.
    """
    if settings.event_log is EventLogKind.KAFKA:
        return KafkaEventLog(KafkaConnection.of(settings))
    return PostgresEventLog(await open_pool(postgres_dsn, connections_max=connections_max, application=application))


def dead_letter_topic(settings: EventLogSettings) -> KafkaDeadLetterTopic | None:
    """Where dead letters are relayed to; the Postgres form has no such place, for there they are in a table already.

    Raises:
        EventLogError: the settings cannot be used.
    """
    return KafkaDeadLetterTopic(KafkaConnection.of(settings)) if settings.event_log is EventLogKind.KAFKA else None
