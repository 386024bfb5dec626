"""How clients of aiokafka are ended for good: within a bounded time, with no task and no connection left behind.

Their own stop may hang as long as their broker does, and where it fails in the middle (a fetch that is cancelled while
it waits to try again) it leaves connections open. So each is stopped as it wants to be, for as long as it is given;
then all that is left of it is ended by force.
"""
# ruff: noqa: SLF001 - aiokafka has no other way to what it leaves behind; the fault tests tell when an upgrade moves it

import asyncio
from collections.abc import Iterable, Sequence
from itertools import chain

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import ProducerClosed


async def end_producer(producer: AIOKafkaProducer, within_s: float) -> None:
    """End `producer`; what is under way may finish within `within_s`, the rest fails."""
    try:
        async with asyncio.timeout(within_s):
            await producer.stop()
    except TimeoutError:
        pass  # what it held fails below
    finally:
        sender = producer._sender.sender_task
        await _cancelled([] if sender is None else [sender, *_requests_of(sender)])
        _fail_batches(producer)
        await _cut(producer.client)


async def end_consumer(consumer: AIOKafkaConsumer, within_s: float) -> None:
    """End `consumer`. Who waits for records gets none."""
    stopping = asyncio.create_task(consumer.stop())  # it may end as cancelled, by its own doing
    try:
        await asyncio.wait([stopping], timeout=within_s)
    finally:
        await _cancelled([stopping])
        if (fetcher := consumer._fetcher) is not None:
            await _cancelled([fetcher._fetch_task, *fetcher._pending_tasks])
            for waiter in list(fetcher._fetch_waiters):
                fetcher._notify(waiter)
        await _cut(consumer._client)


async def end_admin(admin: AIOKafkaAdminClient, within_s: float) -> None:
    """End `admin`. What is asked of it fails."""
    try:
        async with asyncio.timeout(within_s):
            await admin.close()
    except TimeoutError:
        pass
    finally:
        await _cut(admin._client)


def _requests_of(sender: asyncio.Task[None]) -> Iterable[asyncio.Task[None]]:
    """What `sender` has under way. It waits for them when it is cancelled, and keeps them to itself."""
    frame = sender.get_coro().cr_frame  # type: ignore[union-attr] # it is a coroutine
    return () if frame is None else tuple(frame.f_locals.get("tasks", ()))


def _fail_batches(producer: AIOKafkaProducer) -> None:
    accumulator = producer._message_accumulator
    for batch in chain.from_iterable(accumulator._batches.values()):
        batch.drain_ready()  # else its failure is set where nobody looks too, and logged as never retrieved
    accumulator.fail_all(ProducerClosed())


async def _cut(client: AIOKafkaClient) -> None:
    """Close what `client` has open, without waiting until it is flushed, and wake whoever waits for its metadata."""
    for connection in client._conns.values():
        if connection._writer is not None:
            connection._writer.transport.abort()
    await client.close()
    if client._md_update_fut is not None and not client._md_update_fut.done():
        client._md_update_fut.set_result(False)


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
