"""Processor time per event through the shipper, from a journal on the disk into Kafka, beside the client's own."""

import asyncio
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import uvloop

from event_log.kafka.connection import KafkaConnection
from event_log.kafka.log import KafkaEventLog
from events import clicks, records_by_partition
from figures import Row, Table
from link_events.codec import encode
from link_events.streams import PARTITIONS_DEFAULT, Partition, Stream, partition_of
from redirector.journal.adoption import new_journal
from redirector.journal.journal import Limits
from redirector.metrics import RedirectorMetrics
from redirector.shipper import Shipper
from stage.kafka import launched_kafka
from stage.postgres import Server
from stage.topics import fresh_topics

EVENTS: Final = 200_000
APPENDS: Final = 1_000
"""Events journaled at once."""

BATCH: Final = 300
"""Records of one append of the yardstick: about what a slice of a journal has of one partition."""

MEBIBYTE: Final = 2**20
LIMITS: Final = Limits(64 * MEBIBYTE, 2_048 * MEBIBYTE)


def measure_shipping_kafka(_server: Server, _database: str, directory: Path) -> Table:
    """EVENTS clicks out of a journal; beside it the same records appended from memory, by the same client."""
    with ExitStack() as held:
        broker = held.enter_context(launched_kafka())
        appending = uvloop.run(_append(fresh_topics(broker.bootstrap)))
        shipping = uvloop.run(_ship(fresh_topics(broker.bootstrap), directory))
    rows = {"append from memory": appending, "advolink shipper, from its journal": shipping}
    return Table(
        f"Shipping {EVENTS:,} clicks into Kafka",
        [
            Row(name, {"events/s": EVENTS / wall, "CPU us/event": cpu / EVENTS * 1e6})
            for name, (wall, cpu) in rows.items()
        ],
    )


async def _append(connection: KafkaConnection) -> tuple[float, float]:
    shares = records_by_partition(EVENTS)
    log = KafkaEventLog(connection)
    await log.check(Stream.CLICKS, PARTITIONS_DEFAULT)

    async def append(number: int) -> None:
        records = shares[number]
        for start in range(0, len(records), BATCH):
            await log.append(Stream.CLICKS, Partition(number), records[start : start + BATCH])

    wall_s, cpu_s = time.monotonic(), time.process_time()
    await asyncio.gather(*map(append, range(PARTITIONS_DEFAULT)))
    used = time.monotonic() - wall_s, time.process_time() - cpu_s
    await log.close()
    return used


async def _ship(connection: KafkaConnection, directory: Path) -> tuple[float, float]:
    owned = new_journal(directory / "journals", PARTITIONS_DEFAULT, LIMITS)
    journal = owned.journal
    waiting = clicks(EVENTS)
    for start in range(0, EVENTS, APPENDS):
        await asyncio.gather(
            *(
                journal.append(
                    Stream.CLICKS,
                    partition_of(click.advocate_id, PARTITIONS_DEFAULT),
                    lambda origin, captured_at, click=click: encode(origin, captured_at, click),  # type: ignore[misc]
                )
                for click in waiting[start : start + APPENDS]
            )
        )
    await journal.sync()
    log = KafkaEventLog(connection)
    shipper = Shipper(journal, log, RedirectorMetrics().shipping)
    wall_s, cpu_s = time.monotonic(), time.process_time()
    shipping = asyncio.create_task(shipper.run())
    await shipper.drained()
    used = time.monotonic() - wall_s, time.process_time() - cpu_s
    shipping.cancel()
    await asyncio.gather(shipping, return_exceptions=True)
    await log.close()
    await owned.close()
    return used
