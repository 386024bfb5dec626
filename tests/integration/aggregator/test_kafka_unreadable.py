"""A record that cannot be taken apart stops its partition, and nothing else; a person moves the partition past it."""

import asyncio
from typing import Final

from click.testing import CliRunner

from advolink.__main__ import main
from aggregator.app import running
from aggregator.settings import AggregatorSettings
from event_log.kafka.connection import KafkaConnection
from http_api.serving import Failures
from link_events.reasons import StopReason
from link_events.streams import Partition, Stream
from stage.damage import last_batch, spoil_last_header_name, write_over
from stage.events import PLAIN_CLICK
from stage.journaling import Pen
from stage.kafka import Broker
from stage.kafka_pipe import SOON_SECONDS, KafkaPipe, opened_kafka_pipe
from stage.sql import fetch
from stage.waiting import eventually_async

STOPPED: Final = "SELECT partition, next_offset, stopped FROM partition_offset WHERE stopped IS NOT NULL"


async def test_a_record_that_cannot_be_read_stops_its_partition_alone(
    database_dsn: str, kafka_connection: KafkaConnection, kafka_broker: Broker
) -> None:
    pen, neighbour = Pen(), Pen(Partition(1))
    async with opened_kafka_pipe(database_dsn, kafka_connection) as pipe:
        await _click(pipe, pen, 3)
        segment, start, batch = last_batch(kafka_broker, kafka_connection.topic(Stream.CLICKS))
        spoil_last_header_name(batch)
        write_over(segment, start, batch)
        await _click(pipe, pen, 2)
        failures = Failures()
        async with running(AggregatorSettings.model_validate(pipe.environment), failures):
            await eventually_async(lambda: _is_stopped(pipe), seconds_max=SOON_SECONDS, what="it stands still")
            await _click(pipe, neighbour, 2)
            await eventually_async(lambda: _has_seqs(pipe, 1, [1, 2]), seconds_max=SOON_SECONDS, what="others go on")
            assert await _is_stopped(pipe)
            said = await asyncio.to_thread(
                CliRunner(env=pipe.environment).invoke,
                main,
                ("offsets", "reset", "clicks", "0", "--to", "3", "--why", "a header that is no text"),
            )
            assert said.exit_code == 0, said.output
            await pipe.until_applied()
        failures.raise_first()
        assert await pipe.seqs() == [1, 2, 4, 5]
        assert await fetch(pipe.dsn, STOPPED) == []


async def _click(pipe: KafkaPipe, pen: Pen, count: int) -> None:
    await pipe.append(*(pen.write(PLAIN_CLICK) for _ in range(count)), partition=pen.partition)


async def _is_stopped(pipe: KafkaPipe) -> bool:
    return bool(await fetch(pipe.dsn, STOPPED) == [(0, 2, StopReason.UNREADABLE)])


async def _has_seqs(pipe: KafkaPipe, partition: int, seqs: list[int]) -> bool:
    return await pipe.seqs(partition) == seqs
