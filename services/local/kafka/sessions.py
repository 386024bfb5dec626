"""What `up` asks a Kafka itself: does it serve, and has it the topics. What goes wrong becomes one sentence."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from event_log.contract import EventLogAwayError, EventLogError
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.connection import is_serving as answers
from event_log.kafka.topics import TopicChange, apply_topics
from event_log.settings import KafkaSettings
from local.errors import KafkaError

TOPICS_SECONDS_MAX: Final = 60

ONE_BROKER: Final = 1
"""The replication factor of what our own broker holds."""


async def is_serving(bootstrap: str) -> bool:
    """Whether a client of our own broker gets answers now. False while it starts, recovers or is away."""
    return await answers(KafkaConnection(bootstrap))


def given_connection(settings: KafkaSettings) -> KafkaConnection:
    """How the Kafka that somebody named is reached.

    Raises:
        KafkaError: its certificates cannot be used.
    """
    try:
        return KafkaConnection.of(settings)
    except EventLogError as error:
        raise KafkaError(f"The Kafka at {settings.kafka_bootstrap} cannot be used: {error}.") from error


async def make_topics(
    connection: KafkaConnection, partitions: int, *, replication_factor: int | None = None
) -> Sequence[TopicChange]:
    """Make the topics that are missing, and say what was there before.

    Raises:
        KafkaError: it is away, refuses, or has a topic with another number of partitions.
    """
    with _plain_words(connection):
        async with asyncio.timeout(TOPICS_SECONDS_MAX):
            return await apply_topics(connection, partitions=partitions, replication_factor=replication_factor)


@contextmanager
def _plain_words(connection: KafkaConnection) -> Iterator[None]:
    bootstrap = connection.bootstrap
    try:
        yield
    except TimeoutError as error:
        raise KafkaError(f"The Kafka at {bootstrap} did not answer within {TOPICS_SECONDS_MAX} s.") from error
    except EventLogAwayError as error:
        said = str(error).rstrip(".")
        raise KafkaError(f"The Kafka at {bootstrap} cannot be reached over {connection.security}: {said}.") from error
    except EventLogError as error:
        raise KafkaError(f"The Kafka at {bootstrap} cannot be used: {str(error).rstrip('.')}.") from error
    except ValueError as error:  # the client says so of an address that is none
        raise KafkaError("ADVOLINK_KAFKA_BOOTSTRAP cannot be read; it looks like host:9092,host:9092.") from error
