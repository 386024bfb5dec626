"""Dead letters on their topic, under the headers that Kafka Connect gives its own (KIP-298)."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaProducer

from event_log.contract import DeadLetterMessage
from event_log.kafka.clients import Renewed
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.endings import end_producer
from event_log.kafka.failures import translated_failures
from event_log.kafka.headers import written_headers
from link_events.codec import key_of
from link_events.reasons import DeadLetterReason

TOPIC: Final = "advolink.dead-letters.v1"

CONNECTOR: Final = "advolink-aggregator"
"""What stands where Connect names a connector; a tool finds ours by it."""

_STAGES: Final[Mapping[DeadLetterReason, str]] = {
    DeadLetterReason.NO_ORIGIN: "HEADER_CONVERTER",
    DeadLetterReason.TIME_OUT_OF_RANGE: "TASK_PUT",
}
"""Where in Connect's pipeline each would have failed; what is not named here, in VALUE_CONVERTER."""


class KafkaDeadLetterTopic:
    """The dead-letter topic (event_log.contract.DeadLetterTopic)."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._topic = connection.topic_prefix + TOPIC
        self._producers: Renewed[AIOKafkaProducer] = Renewed(
            self._made, AIOKafkaProducer.start, end_producer, connection.patience
        )

    async def publish(self, dead_letters: Sequence[DeadLetterMessage]) -> None:
        """Write all of `dead_letters`; returns when the topic has them. After an error all are sent again."""
        producer = await self._producers.get()
        try:
            with translated_failures():
                sent = [await self._sent(producer, dead) for dead in dead_letters]
                await asyncio.gather(*sent)
        except BaseException:
            self._producers.throw_away(producer)
            raise

    async def close(self) -> None:
        """End the producer, within a bounded time."""
        await self._producers.close()

    async def _sent(self, producer: AIOKafkaProducer, dead: DeadLetterMessage) -> asyncio.Future[object]:
        sent: asyncio.Future[object] = await producer.send(
            self._topic, dead.value, key=key_of(dead.value), headers=_headers(self._connection, dead)
        )
        return sent

    def _made(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(**self._connection.client_options(), acks="all", enable_idempotence=False)


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
    return [*original, *((f"__connect.errors.{name}", text.encode()) for name, text in errors.items())]
