"""How many partitions topics have: every consumer of every partition asks, so Kafka is asked once for all of them."""

import asyncio
from collections.abc import Mapping

from aiokafka.admin import AIOKafkaAdminClient

from event_log.contract import EventLogAwayError
from event_log.kafka.clients import Renewed
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.endings import end_admin
from event_log.kafka.failures import no_topic, translated_failures
from event_log.kafka.topics import partition_counts


class PartitionCounts:
    """What Kafka said last, believed for Patience.counts_s. Of a failure nothing is kept."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._admins: Renewed[AIOKafkaAdminClient] = Renewed(
            self._made, AIOKafkaAdminClient.start, end_admin, connection.patience
        )
        self._asking: asyncio.Task[Mapping[str, int]] | None = None
        self._asked_at_s = 0.0

    async def of(self, topic: str) -> int:
        """How many partitions `topic` has.

        Raises:
            EventLogAwayError: Kafka is away, or has no such topic.
        """
        asking = self._answer()
        await asyncio.wait([asking])  # a caller that is cancelled leaves the request to the others
        if asking.cancelled():
            raise EventLogAwayError("the log was closed")
        count = asking.result().get(topic)
        if count is None:
            self.doubt()
            raise no_topic(topic)
        return count

    def doubt(self) -> None:
        """Ask anew next time: what Kafka said is not what it should be, and may be mended any moment."""
        if self._asking is not None and self._asking.done():
            self._asking = None

    async def close(self) -> None:
        """End the client, within a bounded time."""
        if self._asking is not None:
            self._asking.cancel()  # unless it is done
            await asyncio.wait([self._asking])
        await self._admins.close()

    def _answer(self) -> asyncio.Task[Mapping[str, int]]:
        """The answer that is believed, or is still awaited."""
        now_s = asyncio.get_running_loop().time()
        asking = self._asking
        if asking is None or (asking.done() and now_s - self._asked_at_s > self._connection.patience.counts_s):
            asking = self._asking = asyncio.create_task(self._ask())
            asking.add_done_callback(self._ended)
            self._asked_at_s = now_s
        return asking

    def _ended(self, asking: asyncio.Task[Mapping[str, int]]) -> None:
        """Forget a failure; also one that nobody waits for any more."""
        if (asking.cancelled() or asking.exception() is not None) and self._asking is asking:
            self._asking = None

    async def _ask(self) -> Mapping[str, int]:
        admin = await self._admins.get()
        try:
            with translated_failures():
                return await partition_counts(admin)
        except BaseException:
            self._admins.throw_away(admin)
            raise

    def _made(self) -> AIOKafkaAdminClient:
        return AIOKafkaAdminClient(**self._connection.client_options())
