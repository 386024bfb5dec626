"""Whatever happens to Kafka: what was acknowledged is there, in order, and both sides go on soon after it is healed.

The clients wait shorter here than in production, and for the rest are the same.
"""

import asyncio
import gc
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

import pytest
from aiokafka.errors import NotLeaderForPartitionError

from event_log.contract import EventLogAwayError
from event_log.kafka.connection import KafkaConnection
from event_log.kafka.log import KafkaEventLog
from event_log.kafka.patience import Patience
from event_log.kafka.topics import apply_topics
from link_events.streams import PARTITIONS_DEFAULT, Offset, Partition, Stream
from stage.following import read_now
from stage.journaling import plain_records
from stage.kafka import Broker
from stage.log_forms import opened_kafka_log
from stage.proxy import HOST, Cut, Proxy, opened_proxy
from stage.topics import delete_topic
from stage.traffic import BATCH_RECORDS, Traffic, traffic_on
from stage.waiting import eventually_async

CLICKS = Stream.CLICKS
P0 = Partition(0)

SHORT: Final = Patience(request_s=1.5, metadata_age_s=2, start_s=2.5, stop_s=4, close_s=1, ask_s=2, quiet_s_max=3)

NOTICED_S_MAX: Final = 15
"""A request that runs out, a start that fails: twice what it takes, on a machine that tests share."""

HEALED_S_MAX: Final = 15
"""The same, for a client that is made anew."""


@pytest.fixture
def connection(frail_kafka: KafkaConnection) -> KafkaConnection:
    """Straight to the broker."""
    return replace(frail_kafka, patience=SHORT)


@pytest.fixture
async def proxy(frail_broker: Broker) -> AsyncIterator[Proxy]:
    """A way to the broker that can be broken while it runs."""
    async with opened_proxy((HOST, frail_broker.proxied_port), frail_broker.proxy_port) as proxy:
        yield proxy


@pytest.fixture
def through_proxy(connection: KafkaConnection, frail_broker: Broker, proxy: Proxy) -> KafkaConnection:
    """The same topics, by the proxy."""
    return replace(connection, bootstrap=frail_broker.bootstrap_through_proxy)


@pytest.fixture(autouse=True)
async def _nothing_is_left_behind(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """No task, no exception that nobody fetched, no client that was never closed.

    What aiokafka logs is caught here though it is printed nowhere (event_log.kafka.explaining).
    """
    before = asyncio.all_tasks()
    yield
    assert {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} <= before
    gc.collect()
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.getMessage() for record in errors if not record.name.startswith("aiokafka")] == []


async def stop_and_start(broker: Broker, traffic: Traffic) -> None:
    await asyncio.to_thread(broker.stop)
    await traffic.notices(seconds_max=NOTICED_S_MAX)
    await asyncio.to_thread(broker.start)


async def kill_and_start(broker: Broker, traffic: Traffic) -> None:
    await asyncio.to_thread(broker.kill)
    await traffic.notices(seconds_max=NOTICED_S_MAX)
    await asyncio.to_thread(broker.start)


async def restart(broker: Broker, traffic: Traffic) -> None:
    await asyncio.to_thread(broker.restart)


async def freeze_and_thaw(broker: Broker, traffic: Traffic) -> None:
    """Requests that ran out are answered all the same, late: what they held is in the log once more."""
    broker.freeze()
    await traffic.notices(seconds_max=NOTICED_S_MAX)
    broker.thaw()


@pytest.mark.parametrize("fault", [stop_and_start, kill_and_start, restart, freeze_and_thaw])
async def test_a_broker_that_goes_and_comes_costs_nothing(
    frail_broker: Broker, connection: KafkaConnection, fault: Callable[[Broker, Traffic], Awaitable[None]]
) -> None:
    async with opened_kafka_log(connection) as log, traffic_on(log) as traffic:
        await fault(frail_broker, traffic)
        await traffic.flows(seconds_max=HEALED_S_MAX)
        await traffic.expect_whole(seconds_max=HEALED_S_MAX)


async def swallow(proxy: Proxy, traffic: Traffic) -> None:
    """What was held comes through when it opens again."""
    proxy.freeze()
    await traffic.notices(seconds_max=NOTICED_S_MAX)
    await proxy.open()


async def swallow_for_good(proxy: Proxy, traffic: Traffic) -> None:
    """What was held is lost."""
    proxy.freeze()
    await traffic.notices(seconds_max=NOTICED_S_MAX)
    await proxy.sever()
    await proxy.open()


async def refuse(proxy: Proxy, traffic: Traffic) -> None:
    await proxy.close()
    await traffic.notices(seconds_max=NOTICED_S_MAX)
    await proxy.open()


async def sever(proxy: Proxy, traffic: Traffic) -> None:
    """Again and again, wherever the conversation is."""
    for _ in range(5):
        await proxy.sever()
        await traffic.flows(seconds_max=HEALED_S_MAX)


async def drag(proxy: Proxy, traffic: Traffic) -> None:
    """A slow way, in small pieces: nothing fails, and nothing is torn."""
    proxy.delay_s, proxy.slice_bytes = 0.01, 100
    await traffic.flows(seconds_max=HEALED_S_MAX)


@pytest.mark.parametrize("fault", [swallow, swallow_for_good, refuse, sever, drag])
async def test_a_network_that_breaks_costs_nothing(
    through_proxy: KafkaConnection, proxy: Proxy, fault: Callable[[Proxy, Traffic], Awaitable[None]]
) -> None:
    async with opened_kafka_log(through_proxy) as log, traffic_on(log) as traffic:
        await fault(proxy, traffic)
        await traffic.flows(seconds_max=HEALED_S_MAX)
        await traffic.expect_whole(seconds_max=HEALED_S_MAX)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
async def test_any_sequence_of_faults_costs_nothing(
    frail_broker: Broker, through_proxy: KafkaConnection, proxy: Proxy, seed: int
) -> None:
    """One upon the other, and at times the next before the last is healed."""
    chance = random.Random(seed)
    of_broker = (stop_and_start, kill_and_start, restart, freeze_and_thaw)
    of_network = (swallow, swallow_for_good, refuse, sever)
    async with opened_kafka_log(through_proxy) as log, traffic_on(log) as traffic:
        for _ in range(8):
            faults = [partial(chance.choice(of_broker), frail_broker), partial(chance.choice(of_network), proxy)]
            await asyncio.gather(*(fault(traffic=traffic) for fault in faults[chance.randrange(2) :]))
            if chance.randrange(2):
                await traffic.flows(seconds_max=HEALED_S_MAX)
        await traffic.expect_whole(seconds_max=HEALED_S_MAX)


@pytest.mark.parametrize("cut", list(Cut))
async def test_a_batch_whose_answer_is_lost_is_there_once_or_twice(
    through_proxy: KafkaConnection, proxy: Proxy, cut: Cut
) -> None:
    """Whole each time, and in order: the second falls to the watermark."""
    records = plain_records(BATCH_RECORDS)
    async with opened_kafka_log(through_proxy) as log:
        await log.append(CLICKS, P0, plain_records(1))
        proxy.cut(cut, records[-1].journal)
        try:
            await log.append(CLICKS, P0, records)
        except EventLogAwayError:
            await log.append(CLICKS, P0, records)
        assert proxy.cuts == 1
        found = [one.record for one in await read_now(log, P0, 1)]
        assert found in (records, records * 2)


async def test_a_batch_that_runs_out_while_its_partition_has_no_leader_poisons_nothing(
    connection: KafkaConnection,
) -> None:
    """An idempotent producer would have given its sequence numbers away, and be refused for ever (aiokafka #1017)."""
    async with opened_kafka_log(connection) as log:
        await log.append(CLICKS, P0, plain_records(1))
        await delete_topic(connection)
        error = await eventually_async(lambda: _append_failure(log), what="the topic is gone")
        assert error is not None
        assert isinstance(error.__cause__, NotLeaderForPartitionError)
        with pytest.raises(EventLogAwayError, match=f"no topic {connection.topic(CLICKS)}"):
            await log.append(CLICKS, P0, plain_records(1))
        await apply_topics(connection, partitions=PARTITIONS_DEFAULT, replication_factor=1)
        for _ in range(3):
            await log.append(CLICKS, P0, plain_records(BATCH_RECORDS))
        assert len(await read_now(log, P0)) == 3 * BATCH_RECORDS


async def test_a_reader_finds_a_topic_that_was_made_again(connection: KafkaConnection) -> None:
    """While it is gone the log is away, and says which topic is missing."""
    async with opened_kafka_log(connection) as log:
        assert await read_now(log) == []
        await delete_topic(connection)
        with pytest.raises(EventLogAwayError, match=f"no topic {connection.topic(CLICKS)}"):
            await log.read(CLICKS, P0, Offset(0), records_max=1, wait=timedelta(minutes=1))
        await apply_topics(connection, partitions=PARTITIONS_DEFAULT, replication_factor=1)
        await log.append(CLICKS, P0, records := plain_records(1))
        assert [one.record for one in await read_now(log)] == records


async def test_a_fetcher_that_stalls_is_noticed_by_a_reader_that_waits(connection: KafkaConnection) -> None:
    """However long it was told to wait; the next read has a consumer of its own, and goes on at the same record."""
    async with opened_kafka_log(connection) as log:
        await log.append(CLICKS, P0, plain_records(1))
        assert len(await read_now(log)) == 1
        await _stall_fetcher(log)
        await log.append(CLICKS, P0, records := plain_records(1))
        async with asyncio.timeout(2 * SHORT.quiet_s_max):
            with pytest.raises(EventLogAwayError, match="was not fetched for 3 s"):
                await log.read(CLICKS, P0, Offset(1), records_max=1, wait=timedelta(minutes=1))
        assert [one.record for one in await read_now(log, P0, 1)] == records


@pytest.mark.parametrize("wait", [timedelta(0), timedelta(minutes=1)])
async def test_a_partition_without_a_leader_interrupts_no_other(connection: KafkaConnection, wait: timedelta) -> None:
    """One that the topic has not is led by nobody. Whoever reads another goes on waiting until there is something."""
    async with opened_kafka_log(connection) as log:
        waiting = asyncio.create_task(log.read(CLICKS, P0, Offset(0), records_max=1, wait=timedelta(minutes=1)))
        for _ in range(2):
            with pytest.raises(EventLogAwayError, match=r"was not fetched for 3 s|Failed to get offsets"):
                await log.read(CLICKS, Partition(PARTITIONS_DEFAULT), Offset(0), records_max=1, wait=wait)
        await log.append(CLICKS, P0, plain_records(1))
        assert len(await waiting) == 1


async def test_a_log_without_a_broker_is_away_from_the_start(frail_broker: Broker, connection: KafkaConnection) -> None:
    """Within a bounded time each, whatever is asked; and it works as soon as there is one."""
    frail_broker.stop()
    async with opened_kafka_log(connection) as log:
        for ask in (
            log.check(CLICKS, PARTITIONS_DEFAULT),
            log.append(CLICKS, P0, plain_records(1)),
            log.read(CLICKS, P0, Offset(0), records_max=1, wait=timedelta(0)),
            log.end_offsets(CLICKS),
        ):
            async with asyncio.timeout(2 * SHORT.start_s):
                with pytest.raises(EventLogAwayError):
                    await ask
        await asyncio.to_thread(frail_broker.start)
        records = plain_records(1)

        async def takes() -> bool:
            """A broker answers before its partitions have a leader again."""
            with suppress(EventLogAwayError):
                await log.append(CLICKS, P0, records)
                return True
            return False

        await eventually_async(takes, what="the log takes records")
        assert [one.record for one in await read_now(log)] == records


async def test_closing_a_log_whose_broker_hangs_takes_its_time_and_no_longer(
    frail_broker: Broker, connection: KafkaConnection
) -> None:
    """With batches on their way, requests unanswered and clients that were thrown away: no task is left."""
    log = KafkaEventLog(connection)
    async with traffic_on(log) as traffic:
        frail_broker.freeze()
        await traffic.notices(seconds_max=NOTICED_S_MAX)
        async with asyncio.timeout(SHORT.close_s + 2):
            await log.close()


async def _append_failure(log: KafkaEventLog) -> EventLogAwayError | None:
    try:
        await log.append(CLICKS, P0, plain_records(1))
    except EventLogAwayError as error:
        return error
    return None


async def _stall_fetcher(log: KafkaEventLog) -> None:
    """Nothing outside can: have it end in silence, as it does after an error of its own."""
    consumer = await log._reader._consumers.get()  # noqa: SLF001
    fetcher = consumer._fetcher  # noqa: SLF001
    fetcher._fetch_task.cancel()  # noqa: SLF001
    await asyncio.gather(fetcher._fetch_task, *fetcher._pending_tasks)  # noqa: SLF001
