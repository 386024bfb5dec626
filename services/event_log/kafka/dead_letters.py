"""Dead letters on their topic, under the headers that Kafka Connect gives its own (KIP-298).

Each is sent when the one before it is acknowledged: they are few, and so they stand in one order. With its headers a
dead letter is larger than the record was. One that the topic will not take for its size goes there without value and
key, under a header that says so: what cannot be relayed whole must not be in the way of all that come after it, and
Postgres keeps every byte.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError, UnknownTopicOrPartitionError

from event_log.contract import DeadLetterMessage, EventLogRefusedError
from event_log.kafka.appending import delivered
from event_log.kafka.clients import Renewed
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.endings import end_producer
from event_log.kafka.failures import no_topic, translated_failures
from event_log.kafka.headers import written_headers
from link_events.codec import key_of
from link_events.reasons import DeadLetterReason

TOPIC: Final = "advolink.dead-letters.v1"

CONNECTOR: Final = "advolink-aggregator"
"""What stands where Connect names a connector; a tool finds ours by it."""

LEFT_OUT_HEADER: Final = "advolink-value-left-out"
"""There where the value is not, with the number of bytes that it has."""

REQUEST_BYTES_MAX: Final = 64 * 1024 * 1024
"""What the client still hands to a broker: far more than topics take, so that the topic decides, and less than the
100 MiB at which a broker hangs up without an answer."""

_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)

_STAGES: Final[Mapping[DeadLetterReason, str]] = {
    DeadLetterReason.NO_ORIGIN: "HEADER_CONVERTER",
    DeadLetterReason.TIME_OUT_OF_RANGE: "TASK_PUT",
}
"""Where in Connect's pipeline each would have failed; what is not named here, in VALUE_CONVERTER."""

log = logging.getLogger(__name__)


class KafkaDeadLetterTopic:
    """The dead-letter topic (event_log.contract.DeadLetterTopic)."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._topic = connection.topic_prefix + TOPIC
        self._producers: Renewed[AIOKafkaProducer] = Renewed(
            self._made, AIOKafkaProducer.start, end_producer, connection.patience
        )

    async def publish(self, dead_letters: Sequence[DeadLetterMessage]) -> None:
        """Write all of `dead_letters` in order; returns when the topic has them. After an error all are sent again.

        Raises:
            EventLogAwayError: there is no such topic, or it could not be reached; it may hold any of them.
            EventLogRefusedError: Kafka will not take one of them, not even without its value; it may hold the others.
        """
        producer = await self._producers.get()
        try:
            with translated_failures():
                for dead in dead_letters:
                    await self._deliver(producer, dead)
        except BaseException:  # cancelled too: one may still be on its way
            self._producers.throw_away(producer)
            raise

    async def close(self) -> None:
        """End the producer, within a bounded time."""
        await self._producers.close()

    async def _deliver(self, producer: AIOKafkaProducer, dead: DeadLetterMessage) -> None:
        """Wait until the topic has `dead`, whole or without its value."""
        headers = _headers(self._connection, dead)
        try:
            await self._send(producer, dead.value, key_of(dead.value), headers)
        except _TOO_LARGE:
            size = len(dead.value)
            log.warning(
                "%s/%d@%d is relayed without its value of %d bytes: %s takes none so large; Postgres keeps it",
                *(dead.stream, dead.partition, dead.offset, size, self._topic),
            )
            try:
                await self._send(producer, b"", None, [*headers, (LEFT_OUT_HEADER, b"%d" % size)])
            except _TOO_LARGE as error:
                raise EventLogRefusedError(
                    f"{self._topic} takes no dead letter even without its value; its max.message.bytes must be raised"
                ) from error

    async def _send(
        self, producer: AIOKafkaProducer, value: bytes, key: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        try:
            await delivered(await producer.send(self._topic, value, key, headers=headers))
        except UnknownTopicOrPartitionError as error:
            raise no_topic(self._topic) from error

    def _made(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **self._connection.client_options(),
            acks="all",
            enable_idempotence=False,
            max_request_size=REQUEST_BYTES_MAX,
        )


def _headers(connection: KafkaConnection, dead: DeadLetterMessage) -> list[tuple[str, bytes]]:
    errors = {
        "topic": connection.topic(dead.stream),
        "partition": str(dead.partition),
        "offset": str(dead.offset),
        "connector.name": CONNECTOR,
        "task.id": str(dead.partition),
        "stage": _STAGES.get(dead.reason, "VALUE_CONVERTER"),
        "class.name": "advolink.aggregator",
        "exception.class.name": dead.reason.value,
        "exception.message": dead.detail,
    }
    original = [] if dead.journal is None or dead.seq is None else written_headers(dead.journal, dead.seq)
    told = [(f"__connect.errors.{name}", text.encode(errors="backslashreplace")) for name, text in errors.items()]
    return [*original, *told]
