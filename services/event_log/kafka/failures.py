"""What aiokafka raises, in the words of the contract."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiokafka import errors

from event_log.contract import EventLogAwayError, EventLogRefusedError, OffsetExpiredError
from event_log.kafka.explaining import explained_since, named

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

CAUSES_MAX: Final = 3
"""How much is said of what an error came of."""


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
    began_s = time.monotonic()
    try:
        yield
    except errors.OffsetOutOfRangeError as error:
        raise OffsetExpiredError(f"Kafka does not hold {_offsets(error)}") from error
    except REFUSALS as error:
        raise EventLogRefusedError(named(error)) from error
    except errors.KafkaConnectionError as error:
        why = explained_since(began_s) or _with_causes(error)
        raise EventLogAwayError(f"no broker can be reached, or one has hung up ({why})") from error
    except (TimeoutError, errors.KafkaError, errors.ConsumerStoppedError, OSError) as error:
        why = explained_since(began_s)
        said = _with_causes(error)
        raise EventLogAwayError(f"{said} ({why})" if why and why not in said else said) from error


def _with_causes(error: BaseException) -> str:
    """What `error` says, and what it came of."""
    said: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(said) < CAUSES_MAX:
        said.append(named(cause))
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return ", for ".join(dict.fromkeys(said))


def _offsets(error: errors.OffsetOutOfRangeError) -> str:
    offsets = error.args[0] if error.args else {}
    return ", ".join(f"{place.topic}/{place.partition} at {offset}" for place, offset in offsets.items())
