"""What aiokafka raises, in the words of the contract."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiokafka import errors

from event_log.contract import EventLogAwayError, EventLogRefusedError, OffsetExpiredError

REFUSALS: Final = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.RecordTooLargeError,
    errors.TopicAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.InvalidTopicError,
    errors.UnsupportedVersionError,
)
"""Kafka answered, and asking again would be answered alike. Everything else may pass: a topic is unknown for a moment
while a broker starts, and some errors are called final that are not (aiokafka has no `retriable` for half of them)."""


def no_topic(topic: str) -> EventLogAwayError:
    """What to say where `topic` is unknown: somebody may be making it."""
    return EventLogAwayError(f"Kafka has no topic {topic}; `advolink topics apply` makes it")


@contextmanager
def translated_failures() -> Iterator[None]:
    """Let the block's failures out as the contract names them.

    Raises:
        OffsetExpiredError: the offset that was asked for is not in the log.
        EventLogRefusedError: Kafka answered, and will not.
        EventLogAwayError: anything else that Kafka, its client or the way to it came up with.
    """
    try:
        yield
    except errors.OffsetOutOfRangeError as error:
        raise OffsetExpiredError(f"Kafka does not hold {_offsets(error)}") from error
    except REFUSALS as error:
        raise EventLogRefusedError(_named(error)) from error
    except errors.KafkaConnectionError as error:
        raise EventLogAwayError("no broker can be reached, or one has hung up") from error
    except (TimeoutError, errors.KafkaError, errors.ConsumerStoppedError, OSError) as error:
        raise EventLogAwayError(_named(error)) from error


def _named(error: BaseException) -> str:
    """The error's name too: many of them say nothing."""
    said = str(error)
    name = type(error).__name__
    return said if name in said else f"{name}: {said}" if said else name


def _offsets(error: errors.OffsetOutOfRangeError) -> str:
    offsets = error.args[0] if error.args else {}
    return ", ".join(f"{place.topic}/{place.partition} at {offset}" for place, offset in offsets.items())
